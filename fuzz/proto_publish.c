/* proto/publish, publish_hash, frame: a publication as POST /broadcast takes it.
 * What is accepted keeps the grammar of names, gives the same digest whatever its
 * white space, and makes frames that read back as they were. */
#include "fuzz.h"

#include "proto/frame.h"
#include "proto/name.h"
#include "proto/publish_hash.h"
#include "proto/wsframe.h"
#include "sse_read.h"

static const struct json_limits limits = {
    .max_depth = 64, .tree_depth = 2, .max_nodes = 4000, .leave = "data"};

static struct json_doc *doc, *other;

static void check_error(const struct publish_error *e, size_t size)
{
    FUZZ_CHECK(e->status == 400 || e->status == 422, "%d", e->status);
    FUZZ_CHECK(e->code && e->code[0] && e->offset <= size, "%zu", e->offset);
    FUZZ_CHECK(utf8_valid(str_of(e->field)));
    fuzz_sentence_cut(e->detail, sizeof(e->detail));
}

static void check_target(const struct publish *p, struct str name)
{
    FUZZ_CHECK((p->kind == TARGET_CHANNEL ? name_check_channel(name, NULL)
                                          : name_check_user(name, NULL)) == 0,
               "%.*s", FUZZ_STR(name));
}

static void check_publish(const struct publish *p)
{
    unsigned n = 0;

    FUZZ_CHECK(name_check_type(p->type, NULL) == 0, "%.*s", FUZZ_STR(p->type));
    FUZZ_CHECK(p->id.len == 0 || name_check_text("id", p->id, NULL) == 0);
    FUZZ_CHECK(p->source.len == 0 || name_check_text("source", p->source, NULL) == 0);
    FUZZ_CHECK(p->key.len == 0 || name_check_text("key", p->key, NULL) == 0);
    FUZZ_CHECK(!p->has_timestamp || publish_timestamp_ok(p->timestamp));
    FUZZ_CHECK(!p->has_if_last || p->kind == TARGET_CHANNEL);
    FUZZ_CHECK(!p->require_ack || (p->kind == TARGET_USER && !p->ephemeral));
    FUZZ_CHECK(p->count >= 1 && p->count <= PUBLISH_MAX_TARGETS);
    if (p->kind == TARGET_EVERYONE) {
        FUZZ_CHECK(!p->several && p->count == 1);
    } else if (!p->several) {
        check_target(p, p->one);
    }
    for (const struct json_node *t = p->several ? p->list : NULL; t; t = t->next, n++) {
        check_target(p, t->text);
        for (const struct json_node *u = t->next; u; u = u->next) {
            FUZZ_CHECK(!str_eq(t->text, u->text), "twice: %.*s", FUZZ_STR(t->text));
        }
    }
    FUZZ_CHECK(!p->several || n == p->count);
}

/* The same publication without white space has the same digest. */
static void check_hash(const struct publish *p, struct str text)
{
    uint8_t first[PUBLISH_HASH_LEN], second[PUBLISH_HASH_LEN];
    struct strbuf small = STRBUF_INIT;
    const struct json_node *root;
    struct publish again;
    struct publish_error perr;
    struct json_error jerr;

    publish_hash(p, first);
    json_minify(&small, text);
    FUZZ_CHECK(json_parse(other, strbuf_str(&small), &limits, &root, &jerr) == 0, "%s", jerr.text);
    FUZZ_CHECK(publish_parse(root, &again, &perr) == 0, "%s", perr.detail);
    publish_hash(&again, second);
    FUZZ_CHECK(memcmp(first, second, sizeof(first)) == 0, "the digest changed");
    strbuf_fini(&small);
}

static void check_ws(struct str ws, struct str envelope)
{
    struct strbuf frame = STRBUF_INIT;

    wsframe_add_text(&frame, envelope);
    FUZZ_CHECK(str_eq(strbuf_str(&frame), ws), "the WebSocket frame is another");
    strbuf_fini(&frame);
}

static void check_sse(struct str sse, struct str type, struct str cursor, struct str envelope)
{
    struct sse_event e;

    FUZZ_CHECK(sse_next(&sse, &e), "no event");
    FUZZ_CHECK(sse.len == 0, "more than one event");
    FUZZ_CHECK(str_eq(e.type, type) && str_eq(e.id, cursor) && str_eq(e.data, envelope));
}

static void check_envelope(const struct envelope *e, struct str envelope, struct str cursor)
{
    const struct json_node *root, *n;
    struct json_error err;
    struct strbuf data = STRBUF_INIT;

    FUZZ_CHECK(utf8_valid(envelope));
    FUZZ_CHECK(json_parse(other, envelope, &limits, &root, &err) == 0, "%s", err.text);
    FUZZ_CHECK(!json_duplicate(root), "a member stands twice");
    n = json_get(root, "type");
    FUZZ_CHECK(n && str_eq(n->text, e->type));
    n = json_get(root, "id");
    FUZZ_CHECK(n && str_eq(n->text, e->id));
    n = json_get(root, "cursor");
    FUZZ_CHECK(n && str_eq(n->text, cursor));
    n = json_get(root, "timestamp");
    FUZZ_CHECK(n && str_eq(n->text, e->timestamp));
    n = json_get(root, "source");
    FUZZ_CHECK(str_eq(n ? n->text : STR_NONE, e->source));
    n = json_get(root, "sender");
    FUZZ_CHECK((n != NULL) == (e->sender_user.len > 0 || e->sender_client.len > 0));
    n = n ? json_get(n, "userId") : NULL;
    FUZZ_CHECK(str_eq(n ? n->text : STR_NONE, e->sender_user));
    n = json_get(root, "channel");
    FUZZ_CHECK((n != NULL) == (e->kind == TARGET_CHANNEL) && (!n || str_eq(n->text, e->target)));
    n = json_get(root, "userId");
    FUZZ_CHECK((n != NULL) == (e->kind == TARGET_USER) && (!n || str_eq(n->text, e->target)));
    n = json_get(root, "data");
    json_minify(&data, e->data);
    FUZZ_CHECK(n && str_eq(n->raw, strbuf_str(&data)), "the data was changed");
    strbuf_fini(&data);
}

/* Its target as the sender's user, if it is one. */
static void set_sender(struct envelope *e, const struct publish *p)
{
    if (p->kind == TARGET_USER) {
        e->sender_user = e->target;
    }
    if (p->ephemeral) {
        e->sender_client = STR_LIT("00000007deadbeef");
    }
}

static void check_frame(const struct publish *p, struct str target, uint64_t seq)
{
    struct envelope e = {.kind = p->kind,
                         .target = target,
                         .type = p->type,
                         .id = p->id.len ? p->id : STR_LIT("01890000-0000-7000-8000-000000000000"),
                         .timestamp =
                             p->has_timestamp ? p->timestamp : STR_LIT("2026-11-20T10:00:00.000Z"),
                         .source = p->source,
                         .data = p->data,
                         .key = p->key,
                         .epoch = 123456};
    char text[CURSOR_MAX];
    struct str cursor = {text, cursor_format((struct cursor){e.epoch, seq}, text)};
    struct frame *f, *again;

    set_sender(&e, p);
    FUZZ_CHECK(frame_new(&e, frame_digits(seq), &f) == 0);
    frame_seal(f, seq);
    check_sse(frame_sse(f), p->type, cursor, frame_envelope(f));
    check_ws(frame_ws(f), frame_envelope(f));
    check_envelope(&e, frame_envelope(f), cursor);
    FUZZ_CHECK(str_eq(frame_type(f), p->type) && str_eq(frame_key(f), p->key));
    FUZZ_CHECK(frame_restore(p->kind, p->type, p->key, cursor, frame_envelope(f), &again) == 0,
               "what was kept cannot be restored: %.*s", FUZZ_STR(frame_envelope(f)));
    FUZZ_CHECK(str_eq(frame_sse(f), frame_sse(again)) && str_eq(frame_ws(f), frame_ws(again)));
    frame_unref(again);
    frame_unref(f);
}

/* A client says no more than a backend, and the same by it. */
static void check_client(const struct json_node *root, enum publish_form form, size_t size)
{
    struct publish_error perr;
    struct publish p;

    if (publish_parse_as(root, form, &p, &perr) == 0) {
        FUZZ_CHECK(p.kind == TARGET_CHANNEL && !p.several && p.count == 1);
        FUZZ_CHECK(!p.require_ack && !p.has_if_last && !p.has_timestamp);
        FUZZ_CHECK(p.source.len == 0 && p.except.len == 0);
        check_publish(&p);
    } else if (perr.status == 403) {
        FUZZ_CHECK(strcmp(perr.code, "not_permitted") == 0 && perr.offset <= size);
        fuzz_sentence_cut(perr.detail, sizeof(perr.detail));
    } else {
        check_error(&perr, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    const struct json_node *root;
    struct publish_error perr;
    struct json_error jerr;
    struct publish p;

    if (!doc) {
        FUZZ_CHECK(json_doc_new(&doc) == 0 && json_doc_new(&other) == 0);
    }
    if (json_parse(doc, text, &limits, &root, &jerr) != 0) {
        return 0;
    }
    check_client(root, PUBLISH_CLIENT, size);
    check_client(root, PUBLISH_OP, size);
    if (publish_parse(root, &p, &perr) != 0) {
        check_error(&perr, size);
        return 0;
    }
    check_publish(&p);
    check_hash(&p, text);
    check_frame(&p, p.several ? p.list->text : p.one, size * size + 1);
    return 0;
}
