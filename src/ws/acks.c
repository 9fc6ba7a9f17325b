#include "ws/acks.h"

#include "proto/name.h"

static int check_id(const struct json_node *n, struct errmsg *why)
{
    if (n->type != JSON_STRING || n->lone_surrogate) {
        return errmsg_set(why, ERR_INVALID, "the id of a message must be a string");
    }
    return name_check_text("id", n->text, why);
}

static int read_array(struct json_doc *doc, struct str raw, struct ack_list *out,
                      struct errmsg *why)
{
    static const struct json_limits limits = {
        .max_depth = 2, .tree_depth = 2, .max_nodes = ACKS_MAX + 1};
    const struct json_node *root;
    struct json_error err;
    int rc = json_parse(doc, raw, &limits, &root, &err);

    if (rc == ERR_NOMEM) {
        return errmsg_set(why, rc, "out of memory");
    }
    if (rc != 0 || root->count > ACKS_MAX) {
        return errmsg_set(why, ERR_INVALID,
                          "\"ids\" may have at most %u ids of messages and nothing else",
                          (unsigned)ACKS_MAX);
    }
    if (root->count == 0) {
        return errmsg_set(why, ERR_INVALID, "\"ids\" must have at least one id of a message");
    }
    *out = (struct ack_list){root->child, root->count};
    return 0;
}

int acks_read(struct json_doc *doc, const struct json_node *root, struct ack_list *out,
              struct errmsg *why)
{
    const struct json_node *one = json_get(root, "id");
    const struct json_node *several = json_get(root, "ids");
    int rc = 0;

    if ((one != NULL) == (several != NULL)) {
        return errmsg_set(why, ERR_INVALID,
                          "either \"id\", a message's id, or \"ids\", an array of them, is needed");
    }
    if (one) {
        *out = (struct ack_list){one, 1};
    } else if (several->type != JSON_ARRAY) {
        return errmsg_set(why, ERR_INVALID, "\"ids\" must be an array");
    } else {
        rc = read_array(doc, several->raw, out, why);
    }
    for (const struct json_node *n = out->first; rc == 0 && n; n = n->next) {
        rc = check_id(n, why);
        if (one) {
            break;
        }
    }
    return rc;
}

int acks_run(struct router *r, struct str user, const struct ack_list *list, struct strbuf *out)
{
    const struct json_node *n = list->first;
    unsigned acknowledged = 0;
    struct strbuf unknown = STRBUF_INIT;
    int rc = 0;

    for (unsigned i = 0; i < list->n && (rc == 0 || rc == ERR_NOT_FOUND); i++, n = n->next) {
        rc = router_ack(r, user, n->text);
        if (rc == ERR_NOT_FOUND) {
            strbuf_adds(&unknown, unknown.len ? "," : "");
            json_add_string(&unknown, n->text);
        } else {
            acknowledged += rc == 0;
        }
    }
    strbuf_addf(out, "{\"acknowledged\":%u,\"unknown\":[", acknowledged);
    strbuf_addstr(out, strbuf_str(&unknown));
    strbuf_adds(out, "]}");
    rc = rc == ERR_NOT_FOUND ? 0 : rc;
    if (rc == 0 && (strbuf_failed(&unknown) || strbuf_failed(out))) {
        rc = ERR_NOMEM;
    }
    strbuf_fini(&unknown);
    return rc;
}
