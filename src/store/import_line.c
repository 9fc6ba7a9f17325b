#include "proto/name.h"
#include "store/import.h"

#include "core/dedupe.h"

/* Exports of older schemas have no read positions. */
#define SCHEMA_READS 2

static int parse(struct importer *im, struct str text, const struct json_node **root,
                 struct errmsg *why)
{
    static const struct json_limits limits = {
        .max_depth = 4096, .tree_depth = 4, .max_nodes = 8192, .leave = "envelope"};
    struct json_error error;
    int rc = json_parse(im->line, text, &limits, root, &error);

    if (rc == ERR_NOMEM) {
        return errmsg_set(why, rc, "out of memory");
    }
    if (rc) {
        return errmsg_set(why, ERR_INVALID, "byte %zu: %s", error.offset, error.text);
    }
    if ((*root)->type != JSON_OBJECT) {
        return errmsg_set(why, ERR_INVALID, "an object is expected");
    }
    return 0;
}

static bool number(const struct json_node *root, const char *name, uint64_t *out)
{
    const struct json_node *n = json_get(root, name);

    return n && json_uint(n, IMPORT_MAX, out);
}

static bool text(const struct json_node *root, const char *name, struct str *out)
{
    const struct json_node *n = json_get(root, name);

    if (!n || n->type != JSON_STRING) {
        return false;
    }
    *out = n->text;
    return true;
}

static bool truth(const struct json_node *root, const char *name, uint64_t *out)
{
    const struct json_node *n = json_get(root, name);

    if (!n || n->type != JSON_BOOL) {
        return false;
    }
    *out = n->truth;
    return true;
}

/* `[a,b]` */
static bool pair(const struct json_node *n, uint64_t max, uint64_t *a, uint64_t *b)
{
    return n->type == JSON_ARRAY && n->count == 2 && n->child && json_uint(n->child, max, a) &&
           n->child->next && json_uint(n->child->next, max, b);
}

static bool read_lost(const struct json_node *root, struct lost_set *out)
{
    const struct json_node *list = json_get(root, "lost");

    out->n = 0;
    if (!list || list->type != JSON_ARRAY) {
        return false;
    }
    for (const struct json_node *n = list->child; n; n = n->next) {
        uint64_t from, to;
        if (!pair(n, IMPORT_MAX, &from, &to)) {
            return false;
        }
        lost_add(out, from, to);
    }
    return true;
}

int import_read_head(struct importer *im, struct str line, struct import_head *out,
                     struct errmsg *why)
{
    const struct json_node *root;
    uint64_t *v = out->meta.v, schema = 0;
    struct str what = STR_NONE, epoch = STR_NONE;
    int rc = parse(im, line, &root, why);

    if (rc) {
        return rc;
    }
    *out = (struct import_head){.lanes = 0};
    if (!text(root, "fanfare", &what) || !str_eqz(what, "export") ||
        !number(root, "schema", &schema)) {
        return errmsg_set(why, ERR_INVALID, "this is no export of a store");
    }
    if (schema == 0 || schema > schema_current()->version) {
        return errmsg_set(why, ERR_INVALID,
                          "this export has schema %llu and this program knows schema %u at most",
                          (unsigned long long)schema, schema_current()->version);
    }
    (void)text(root, "epoch", &epoch);
    out->meta.epoch = meta_parse_epoch(epoch);
    if (out->meta.epoch == 0 || !number(root, "top", &v[META_TOP]) ||
        !number(root, "reserved", &v[META_RESERVED]) || !number(root, "floor", &v[META_FLOOR]) ||
        !truth(root, "clean", &v[META_CLEAN]) || !truth(root, "delayed", &v[META_DELAYED]) ||
        !read_lost(root, &out->lost) || v[META_TOP] > v[META_RESERVED]) {
        return errmsg_set(why, ERR_INVALID,
                          "epoch, top, reserved, floor, clean, delayed or lost is missing or "
                          "makes no sense");
    }
    if (!number(root, "lanes", &out->lanes) || !number(root, "messages", &out->messages) ||
        !number(root, "unacked", &out->unacked) || !number(root, "ids", &out->ids) ||
        (schema >= SCHEMA_READS && !number(root, "reads", &out->reads))) {
        return errmsg_set(why, ERR_INVALID, "the numbers of lines to come are missing");
    }
    return 0;
}

/* ---- the other lines ---- */

static int read_lane(const struct json_node *root, struct import_line *out, struct errmsg *why)
{
    struct str kind = STR_NONE;

    out->kind = IMPORT_LANE;
    (void)text(root, "kind", &kind);
    out->target = str_eqz(kind, "everyone")  ? TARGET_EVERYONE
                  : str_eqz(kind, "channel") ? TARGET_CHANNEL
                  : str_eqz(kind, "user")    ? TARGET_USER
                                             : 99;
    (void)text(root, "name", &out->name);
    if (out->number == 0 || !tool_name_ok(out->target, out->name)) {
        return errmsg_set(why, ERR_INVALID, "a lane with a kind and a name is expected");
    }
    if (!number(root, "evicted", &out->evicted) || !number(root, "queued", &out->queued)) {
        return errmsg_set(why, ERR_INVALID, "evicted or queued is no number");
    }
    return 0;
}

static int read_message(const struct json_node *root, struct import_line *out, struct errmsg *why)
{
    const struct json_node *envelope = json_get(root, "envelope");

    if (out->number == 0 || !number(root, "at", &out->at_ms) ||
        !number(root, "expires", &out->expires_ms) || !text(root, "key", &out->key)) {
        return errmsg_set(why, ERR_INVALID, "seq, at, expires or key is missing or wrong");
    }
    if (out->kind == IMPORT_MESSAGE && !number(root, "lane", &out->lane)) {
        return errmsg_set(why, ERR_INVALID, "the lane is missing");
    }
    if (!envelope || envelope->type != JSON_OBJECT) {
        return errmsg_set(why, ERR_INVALID, "the envelope is missing");
    }
    out->envelope = envelope->raw;
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(struct strbuf *blob, struct str hex)
{
    if (hex.len != 2 * ONCE_HASH) {
        return false;
    }
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_digit(hex.p[i]), low = hex_digit(hex.p[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        strbuf_addc(blob, (char)(high << 4 | low));
    }
    return true;
}

static void put_u32(struct strbuf *sb, uint64_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        strbuf_addc(sb, (char)(v >> (8 * i) & 0xff));
    }
}

static bool read_results(struct strbuf *blob, const struct json_node *list)
{
    if (!list || list->type != JSON_ARRAY) {
        return false;
    }
    for (const struct json_node *n = list->child; n; n = n->next) {
        uint64_t matched, status;
        if (!pair(n, UINT32_MAX, &matched, &status)) {
            return false;
        }
        put_u32(blob, matched);
        put_u32(blob, status);
    }
    return true;
}

static int read_id(struct importer *im, const struct json_node *root, struct import_line *out,
                   struct errmsg *why)
{
    const struct json_node *results = json_get(root, "results");
    struct kept_id *k = &out->id;
    struct str hex = STR_NONE;

    out->kind = IMPORT_ID;
    strbuf_reset(&im->blob);
    bool ok = text(root, "id", &k->id) && text(root, "hash", &hex) && read_hash(&im->blob, hex) &&
              number(root, "first", &k->first) && number(root, "at", &k->at_ms) &&
              read_results(&im->blob, results);
    if (strbuf_failed(&im->blob)) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    if (ok) {
        k->hash = (struct str){im->blob.data, ONCE_HASH};
        k->results = (struct str){im->blob.data + ONCE_HASH, im->blob.len - ONCE_HASH};
        k->count = results->count;
        ok = kept_id_ok(k);
    }
    return ok ? 0 : errmsg_set(why, ERR_INVALID, "id, hash, first, at or results is wrong");
}

static int read_position(const struct json_node *root, struct import_line *out, struct errmsg *why)
{
    out->kind = IMPORT_READ;
    if (!number(root, "read", &out->number) || out->number == 0 ||
        !number(root, "at", &out->at_ms) || !text(root, "channel", &out->channel) ||
        !text(root, "user", &out->user) || !tool_name_ok(TARGET_CHANNEL, out->channel) ||
        !tool_name_ok(TARGET_USER, out->user)) {
        return errmsg_set(why, ERR_INVALID, "read, channel, user or at is missing or wrong");
    }
    return 0;
}

int import_read_line(struct importer *im, struct str line, struct import_line *out,
                     struct errmsg *why)
{
    const struct json_node *root;
    int rc = parse(im, line, &root, why);

    if (rc) {
        return rc;
    }
    *out = (struct import_line){.kind = IMPORT_MESSAGE};
    if (json_get(root, "message") || json_get(root, "unacked")) {
        out->kind = json_get(root, "message") ? IMPORT_MESSAGE : IMPORT_UNACKED;
        (void)number(root, out->kind == IMPORT_MESSAGE ? "message" : "unacked", &out->number);
        return read_message(root, out, why);
    }
    if (json_get(root, "id")) {
        return read_id(im, root, out, why);
    }
    if (json_get(root, "read")) {
        return read_position(root, out, why);
    }
    if (number(root, "lane", &out->number)) {
        return read_lane(root, out, why);
    }
    return errmsg_set(why, ERR_INVALID,
                      "neither a lane nor a message, an unacknowledged one, an id or a read");
}
