#include "proto/frame.h"

#include "proto/name.h"
#include "proto/wsframe.h"

#include <assert.h>
#include <stdlib.h>

#define FRAME_MAX ((size_t)1 << 31)

static char *put(char *to, struct str s)
{
    if (s.len > 0) {
        memcpy(to, s.p, s.len);
    }
    return to + s.len;
}

/* Where `seq` will stand; until then zeros, so that no byte is undefined. */
static char *put_seq_room(char *to, unsigned digits, const char **at)
{
    *at = to;
    memset(to, '0', digits);
    return to + digits;
}

static struct str target_key(const struct envelope *e)
{
    switch (e->kind) {
    case TARGET_CHANNEL:
        return STR_LIT(",\"channel\":");
    case TARGET_USER:
        return STR_LIT(",\"userId\":");
    case TARGET_EVERYONE:
        break;
    }
    return STR_NONE;
}

/* Everything in the envelope but strings and data, beside epoch and seq. */
#define ENVELOPE_FIXED (sizeof("{\"type\":,\"id\":,\"cursor\":\"-\",\"timestamp\":,\"data\":}") - 1)

static size_t envelope_len(const struct envelope *e, size_t data_len, size_t cursor_digits)
{
    struct str key = target_key(e);
    size_t len = ENVELOPE_FIXED + cursor_digits + json_string_len(e->type) +
                 json_string_len(e->id) + json_string_len(e->timestamp) + data_len;

    if (key.len > 0) {
        len += key.len + json_string_len(e->target);
    }
    if (e->source.len > 0) {
        len += sizeof(",\"source\":") - 1 + json_string_len(e->source);
    }
    return len;
}

static char *put_envelope(char *to, const struct envelope *e, struct str epoch, unsigned digits,
                          const char **seq_at, struct str *target)
{
    struct str key = target_key(e);

    to = json_put_string(put(to, STR_LIT("{\"type\":")), e->type);
    *target = (struct str){to, 0};
    if (key.len > 0) {
        char *from = put(to, key);
        to = json_put_string(from, e->target);
        *target = (struct str){from + 1, (size_t)(to - from) - 2};
    }
    to = json_put_string(put(to, STR_LIT(",\"id\":")), e->id);
    to = put(put(to, STR_LIT(",\"cursor\":\"")), epoch);
    to = put_seq_room(put(to, STR_LIT("-")), digits, seq_at);
    to = json_put_string(put(to, STR_LIT("\",\"timestamp\":")), e->timestamp);
    if (e->source.len > 0) {
        to = json_put_string(put(to, STR_LIT(",\"source\":")), e->source);
    }
    to = json_put_minified(put(to, STR_LIT(",\"data\":")), e->data);
    return put(to, STR_LIT("}"));
}

/* The lines before the data line's value. */
static size_t lead_len(const struct envelope *e, size_t cursor_digits)
{
    size_t len = sizeof("id: -\ndata: ") - 1 + cursor_digits;

    return str_eqz(e->type, "message") ? len : len + sizeof("event: \n") - 1 + e->type.len;
}

static char *put_lead(char *to, const struct envelope *e, struct str epoch, unsigned digits,
                      const char **seq_at)
{
    if (!str_eqz(e->type, "message")) {
        to = put(put(put(to, STR_LIT("event: ")), e->type), STR_LIT("\n"));
    }
    to = put(put(put(to, STR_LIT("id: ")), epoch), STR_LIT("-"));
    to = put_seq_room(to, digits, seq_at);
    return put(to, STR_LIT("\ndata: "));
}

int frame_new(const struct envelope *e, unsigned seq_digits, struct frame **out)
{
    char epoch_text[CURSOR_MAX];
    struct str epoch = {epoch_text, cursor_format_epoch(e->epoch, epoch_text)};
    size_t cursor_digits = epoch.len + seq_digits;
    uint8_t header[WSFRAME_HEADER_MAX];
    const char *at[3];
    struct str target;

    assert(e->key.len <= NAME_MAX_LEN);
    assert(e->kind == TARGET_EVERYONE || e->target.len <= NAME_MAX_LEN);
    assert(seq_digits >= 1 && seq_digits <= 20 && e->data.len > 0);
    assert(e->type.len > 0 && !memchr(e->type.p, '\n', e->type.len) &&
           !memchr(e->type.p, '\r', e->type.len));
    if (e->data.len > FRAME_MAX) {
        return ERR_RANGE; /* before it is looked at */
    }
    size_t env_len = envelope_len(e, json_minified_len(e->data), cursor_digits);
    size_t sse_len = lead_len(e, cursor_digits) + env_len + 2;
    size_t header_len = wsframe_header(header, WS_TEXT, env_len);
    if (sse_len > FRAME_MAX || header_len + env_len > FRAME_MAX) {
        return ERR_RANGE;
    }
    struct frame *f = malloc(sizeof(*f) + sse_len + header_len + env_len + e->key.len);
    if (!f) {
        return ERR_NOMEM;
    }
    atomic_init(&f->refs, 1);
    atomic_init(&f->holders, 0);
    f->sse_len = (uint32_t)sse_len;
    f->ws_len = (uint32_t)(header_len + env_len);
    f->seq_digits = (uint8_t)seq_digits;
    f->kind = (uint8_t)e->kind;
    f->key_len = (uint8_t)e->key.len;

    char *env = put_lead(f->bytes, e, epoch, seq_digits, &at[0]);
    char *to = put_envelope(env, e, epoch, seq_digits, &at[1], &target);
    to = put(to, STR_LIT("\n\n"));
    assert((size_t)(to - f->bytes) == sse_len);
    to = put(to, (struct str){(const char *)header, header_len});
    at[2] = to + (at[1] - env);
    to = put(to, (struct str){env, env_len});
    assert((size_t)(to - f->bytes) == (size_t)f->sse_len + f->ws_len);
    (void)put(to, e->key);
    f->target_at = (uint32_t)(target.p - f->bytes);
    f->target_len = (uint16_t)target.len;
    for (int i = 0; i < 3; i++) {
        f->seq_at[i] = (uint32_t)(at[i] - f->bytes);
    }
    *out = f;
    return 0;
}

unsigned frame_digits(uint64_t seq)
{
    unsigned n = 1;

    while (seq >= 10) {
        seq /= 10;
        n++;
    }
    return n;
}

void frame_seal(struct frame *f, uint64_t seq)
{
    char digits[20];
    unsigned n = f->seq_digits;

    assert(frame_digits(seq) == n);
    for (unsigned i = n; i > 0; i--) {
        digits[i - 1] = (char)('0' + seq % 10);
        seq /= 10;
    }
    for (int i = 0; i < 3; i++) {
        memcpy(f->bytes + f->seq_at[i], digits, n);
    }
}

struct frame *frame_ref(struct frame *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void frame_unref(struct frame *f)
{
    if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        free(f);
    }
}
