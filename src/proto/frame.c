#include "proto/frame.h"

#include "proto/json.h"
#include "proto/name.h"
#include "proto/sse.h"
#include "proto/wsframe.h"

#include <assert.h>
#include <stdlib.h>

#define FRAME_MAX ((size_t)1 << 31)
/* Deeper than any envelope that came in through a door. */
#define RESTORE_DEPTH 80
#define SENDER_ID_LEN 16

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

static bool has_sender(const struct envelope *e)
{
    return e->sender_user.len > 0 || e->sender_client.len > 0;
}

static size_t sender_len(const struct envelope *e)
{
    size_t len = sizeof(",\"sender\":{}") - 1;

    if (e->sender_user.len > 0) {
        len += sizeof("\"userId\":") - 1 + json_string_len(e->sender_user);
    }
    if (e->sender_client.len > 0) {
        len += sizeof("\"clientId\":") - 1 + json_string_len(e->sender_client);
    }
    return len + (e->sender_user.len > 0 && e->sender_client.len > 0);
}

static char *put_sender(char *to, const struct envelope *e)
{
    to = put(to, STR_LIT(",\"sender\":{"));
    if (e->sender_user.len > 0) {
        to = json_put_string(put(to, STR_LIT("\"userId\":")), e->sender_user);
        to = put(to, e->sender_client.len > 0 ? STR_LIT(",") : STR_NONE);
    }
    if (e->sender_client.len > 0) {
        to = json_put_string(put(to, STR_LIT("\"clientId\":")), e->sender_client);
    }
    return put(to, STR_LIT("}"));
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
    return has_sender(e) ? len + sender_len(e) : len;
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
    if (has_sender(e)) {
        to = put_sender(to, e);
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
    assert(e->sender_user.len <= NAME_MAX_LEN && e->sender_client.len <= SENDER_ID_LEN);
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
    f->notice = false;

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

int frame_new_notice(struct str type, struct str data, struct frame **out)
{
    struct strbuf sb = STRBUF_INIT;
    struct frame *f = NULL;

    control_add(&sb, TRANSPORT_SSE, type, STR_NONE, data);
    size_t sse_len = sb.len;
    control_add(&sb, TRANSPORT_WS, type, STR_NONE, data);
    if (!strbuf_failed(&sb)) {
        f = calloc(1, sizeof(*f) + sb.len);
    }
    if (f) {
        atomic_init(&f->refs, 1);
        atomic_init(&f->holders, 0);
        f->sse_len = (uint32_t)sse_len;
        f->ws_len = (uint32_t)(sb.len - sse_len);
        f->kind = TARGET_EVERYONE;
        f->notice = true;
        memcpy(f->bytes, sb.data, sb.len);
    }
    strbuf_fini(&sb);
    *out = f;
    return f ? 0 : ERR_NOMEM;
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

struct str frame_envelope(const struct frame *f)
{
    struct str ws = frame_ws(f);
    unsigned len = (unsigned char)ws.p[1];
    size_t header = len < 126 ? 2 : len == 126 ? 4 : 10;

    return (struct str){ws.p + header, ws.len - header};
}

struct str frame_type(const struct frame *f)
{
    struct str lead = STR_LIT("event: ");

    if (!str_starts(frame_sse(f), lead)) {
        return STR_LIT("message");
    }
    const char *type = f->bytes + lead.len;
    const char *end = memchr(type, '\n', f->sse_len - lead.len);
    return (struct str){type, (size_t)(end - type)};
}

/* The string member of that name; false if there is none. */
static bool string_member(const struct json_node *obj, const char *name, struct str *out)
{
    const struct json_node *n = json_get(obj, name);

    if (!n || n->type != JSON_STRING) {
        return false;
    }
    *out = n->text;
    return true;
}

/* Whom it is for, with a name that any other part takes for checked. */
static bool read_target(const struct json_node *obj, struct envelope *e)
{
    switch (e->kind) {
    case TARGET_EVERYONE:
        return true;
    case TARGET_CHANNEL:
        return string_member(obj, "channel", &e->target) &&
               name_check_channel(e->target, NULL) == 0;
    case TARGET_USER:
        return string_member(obj, "userId", &e->target) && name_check_user(e->target, NULL) == 0;
    }
    return false;
}

static bool is_client_id(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) {
            return false;
        }
    }
    return s.len == SENDER_ID_LEN;
}

/* Older envelopes, and those of backends, have none. */
static bool read_sender(const struct json_node *root, struct envelope *e)
{
    const struct json_node *sender = json_get(root, "sender");
    bool user, client;

    if (!sender) {
        return true;
    }
    if (sender->type != JSON_OBJECT) {
        return false;
    }
    user = string_member(sender, "userId", &e->sender_user);
    client = string_member(sender, "clientId", &e->sender_client);
    return (user || client) && (!user || name_check_user(e->sender_user, NULL) == 0) &&
           (!client || is_client_id(e->sender_client));
}

/* What frame_new would have been given for this envelope; what it would make of
 * it is compared afterwards. */
static bool read_envelope(const struct json_node *root, struct str type, struct envelope *e)
{
    const struct json_node *data = json_get(root, "data");

    if (!data || !string_member(root, "type", &e->type) || !str_eq(e->type, type) ||
        !string_member(root, "id", &e->id) || name_check_text("id", e->id, NULL) ||
        !string_member(root, "timestamp", &e->timestamp)) {
        return false;
    }
    if (json_get(root, "source") && !string_member(root, "source", &e->source)) {
        return false;
    }
    e->data = data->raw;
    return read_sender(root, e) && read_target(root, e);
}

/* Makes the frame again; it must have come out as the text that was kept. */
static int make_again(const struct envelope *e, uint64_t seq, struct str kept, struct frame **out)
{
    struct frame *f;
    int rc = frame_new(e, frame_digits(seq), &f);

    if (rc) {
        return rc == ERR_NOMEM ? rc : ERR_INVALID;
    }
    frame_seal(f, seq);
    if (!str_eq(frame_envelope(f), kept)) {
        frame_unref(f);
        return ERR_INVALID;
    }
    *out = f;
    return 0;
}

int frame_restore(enum target_kind kind, struct str type, struct str key, struct str cursor,
                  struct str envelope, struct frame **out)
{
    static const struct json_limits limits = {
        .max_depth = RESTORE_DEPTH, .tree_depth = 2, .max_nodes = 16, .leave = "data"};
    const struct json_node *root;
    struct json_error error;
    struct json_doc *doc;
    struct cursor at;

    if (cursor_parse(cursor, &at) || at.seq == 0 || name_check_type(type, NULL) ||
        (key.len > 0 && name_check_text("key", key, NULL))) {
        return ERR_INVALID;
    }
    int rc = json_doc_new(&doc);
    if (rc) {
        return rc;
    }
    rc = json_parse(doc, envelope, &limits, &root, &error);
    if (rc == 0) {
        struct envelope e = {.kind = kind, .key = key, .epoch = at.epoch};
        rc = read_envelope(root, type, &e) ? make_again(&e, at.seq, envelope, out) : ERR_INVALID;
    } else if (rc != ERR_NOMEM) {
        rc = ERR_INVALID;
    }
    json_doc_free(doc);
    return rc;
}

void frame_add_again(const struct frame *f, enum transport t, struct str position, unsigned attempt,
                     struct strbuf *out)
{
    struct strbuf longer = STRBUF_INIT;
    struct str envelope = frame_envelope(f);

    if (attempt > 0) {
        strbuf_add(&longer, envelope.p, envelope.len - 1);
        strbuf_adds(&longer, ",\"attempt\":");
        strbuf_add_u64(&longer, attempt);
        strbuf_addc(&longer, '}');
        envelope = strbuf_str(&longer);
    }
    if (strbuf_failed(&longer)) {
        out->failed = true;
    } else if (t == TRANSPORT_WS) {
        wsframe_add_text(out, envelope);
    } else {
        sse_add_event(out, frame_type(f), position, envelope);
    }
    strbuf_fini(&longer);
}
