/* store: lines of an export, and what is kept of publications. A frame that comes
 * out of a line is exactly what stood there. Input: lines; the first is a head. */
#include "fuzz.h"

#include "proto/name.h"
#include "sse_read.h"
#include "store/import.h"

#define EPOCH 123456

static struct json_doc *doc;

static void check_lost(const struct lost_set *set)
{
    FUZZ_CHECK(set->n <= LOST_RANGES_MAX, "%u ranges", set->n);
    for (unsigned i = 0; i < set->n; i++) {
        FUZZ_CHECK(set->v[i].from < set->v[i].to, "range %u is empty", i);
        FUZZ_CHECK(i == 0 || set->v[i - 1].to < set->v[i].from, "range %u touches", i);
    }
}

static void check_head(struct importer *im, struct str line)
{
    struct import_head head;
    struct errmsg why = {""};
    int rc = import_read_head(im, line, &head, &why);

    if (rc != 0) {
        FUZZ_CHECK(rc == ERR_INVALID, "%d", rc);
        fuzz_sentence_cut(why.text, sizeof(why.text));
        return;
    }
    FUZZ_CHECK(head.meta.epoch != 0 && head.meta.v[META_TOP] <= head.meta.v[META_RESERVED]);
    FUZZ_CHECK(head.meta.v[META_RESERVED] <= IMPORT_MAX && head.messages <= IMPORT_MAX);
    check_lost(&head.lost);
}

static void check_frame(const struct frame *f, const struct kept_message *kept)
{
    struct str sse = frame_sse(f);
    struct sse_event e;

    FUZZ_CHECK(str_eq(frame_envelope(f), kept->envelope), "another envelope");
    FUZZ_CHECK(str_eq(frame_type(f), kept->type) && str_eq(frame_key(f), kept->key));
    FUZZ_CHECK(sse_next(&sse, &e) && sse.len == 0, "not one event");
    FUZZ_CHECK(str_eq(e.data, kept->envelope) && str_eq(e.type, kept->type));
    FUZZ_CHECK(f->kind == kept->kind);
    if (kept->kind == TARGET_CHANNEL) {
        FUZZ_CHECK(name_check_channel(frame_target(f), NULL) == 0);
    }
}

static void check_message(const struct import_line *l)
{
    struct envelope_fields e;
    struct frame *f = NULL;
    int rc = envelope_read(doc, l->envelope, &e);

    FUZZ_CHECK(rc == 0 || rc == ERR_INVALID, "%d", rc);
    FUZZ_CHECK(l->number > 0 && l->number <= IMPORT_MAX);
    if (rc != 0) {
        return;
    }
    FUZZ_CHECK(e.cursor_at < l->envelope.len && e.kind <= TARGET_USER);
    struct kept_message kept = {e.kind, l->number, e.type, l->key, l->envelope};
    rc = envelope_frame(EPOCH, &kept, &f);
    FUZZ_CHECK(rc == 0 || rc == ERR_INVALID, "%d", rc);
    if (rc == 0) {
        check_frame(f, &kept);
        frame_unref(f);
    }
}

static void check_id(const struct kept_id *k)
{
    FUZZ_CHECK(kept_id_ok(k) && k->count * 8 == k->results.len);
    for (uint64_t i = 0; i < k->count; i++) {
        uint32_t matched, status;
        kept_id_result(k, i, &matched, &status);
    }
}

static void check_line(struct importer *im, struct str line)
{
    struct import_line l;
    struct errmsg why = {""};
    int rc = import_read_line(im, line, &l, &why);

    if (rc != 0) {
        FUZZ_CHECK(rc == ERR_INVALID, "%d", rc);
        fuzz_sentence_cut(why.text, sizeof(why.text));
        return;
    }
    switch (l.kind) {
    case IMPORT_LANE:
        FUZZ_CHECK(l.number > 0 && tool_name_ok(l.target, l.name), "%.*s", FUZZ_STR(l.name));
        break;
    case IMPORT_MESSAGE:
    case IMPORT_UNACKED:
        check_message(&l);
        break;
    case IMPORT_ID:
        check_id(&l.id);
        break;
    case IMPORT_READ:
        FUZZ_CHECK(l.number > 0 && tool_name_ok(TARGET_CHANNEL, l.channel) &&
                   tool_name_ok(TARGET_USER, l.user));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct importer im = {.blob = STRBUF_INIT};

    if (!doc) {
        FUZZ_CHECK(json_doc_new(&doc) == 0);
    }
    FUZZ_CHECK(json_doc_new(&im.line) == 0);
    for (unsigned i = 0; in.n && i < 50; i++) {
        struct str line = fuzz_line(&in);
        struct str copy = fuzz_copy(line.p, line.len);
        if (i == 0) {
            check_head(&im, copy);
        }
        check_line(&im, copy);
        fuzz_free(copy);
    }
    json_doc_free(im.line);
    strbuf_fini(&im.blob);
    return 0;
}
