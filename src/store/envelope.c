#include "store/envelope.h"

#include "core/dedupe.h"
#include "proto/name.h"

static bool take(const struct json_node *root, const char *name, struct str *out)
{
    const struct json_node *n = json_get(root, name);

    if (!n || n->type != JSON_STRING) {
        return false;
    }
    *out = n->text;
    return true;
}

int envelope_read(struct json_doc *doc, struct str text, struct envelope_fields *out)
{
    static const struct json_limits limits = {
        .max_depth = 4096, .tree_depth = 2, .max_nodes = 16, .leave = "data"};
    const struct json_node *root;
    struct json_error error;
    int rc = json_parse(doc, text, &limits, &root, &error);

    if (rc) {
        return rc == ERR_NOMEM ? rc : ERR_INVALID;
    }
    *out = (struct envelope_fields){.kind = TARGET_EVERYONE};
    if (root->type != JSON_OBJECT || !take(root, "type", &out->type) ||
        !take(root, "id", &out->id) || !take(root, "cursor", &out->cursor)) {
        return ERR_INVALID;
    }
    out->cursor_at = json_get(root, "cursor")->offset + 1;
    if (take(root, "channel", &out->target)) {
        out->kind = TARGET_CHANNEL;
    } else if (take(root, "userId", &out->target)) {
        out->kind = TARGET_USER;
    }
    return 0;
}

int envelope_frame(uint64_t epoch, const struct kept_message *kept, struct frame **out)
{
    char cursor[CURSOR_MAX];

    if (kept->kind > TARGET_USER || kept->seq == 0) {
        return ERR_INVALID;
    }
    size_t len = cursor_format((struct cursor){epoch, kept->seq}, cursor);
    return frame_restore((enum target_kind)kept->kind, kept->type, kept->key,
                         (struct str){cursor, len}, kept->envelope, out);
}

bool kept_id_ok(const struct kept_id *k)
{
    return name_check_text("id", k->id, NULL) == 0 && k->hash.len == ONCE_HASH && k->first > 0 &&
           k->count > 0 && k->count <= PUBLISH_MAX_TARGETS && k->results.len == k->count * 8;
}

static uint32_t get_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

void kept_id_result(const struct kept_id *k, uint64_t i, uint32_t *matched, uint32_t *status)
{
    *matched = get_u32(k->results.p + 8 * i);
    *status = get_u32(k->results.p + 8 * i + 4);
}
