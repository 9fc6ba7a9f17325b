#include "http/body.h"

#include "proto/name.h"

#include <stdio.h>

static bool known(const struct body_form *form, struct str name)
{
    for (unsigned i = 0; i < form->nmembers; i++) {
        if (str_eqz(name, form->members[i])) {
            return true;
        }
    }
    return false;
}

static void list_members(const struct body_form *form, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < form->nmembers && n < size; i++) {
        int more = snprintf(out + n, size - n, "%s\"%s\"", i ? ", " : "", form->members[i]);
        n += more > 0 ? (size_t)more : 0;
    }
}

static int check_members(struct request *rq, const struct body_form *form,
                         const struct json_node *root, struct problem *p)
{
    const struct json_node *bad = json_duplicate(root);
    char shown[NAME_SHOW_MAX], members[160];

    *p = (struct problem){.status = 400, .code = "duplicate_field", .has_offset = true};
    for (const struct json_node *n = root->child; n && !bad; n = n->next) {
        if (!known(form, n->key)) {
            p->code = "unknown_field";
            bad = n;
        }
    }
    if (!bad) {
        return 0;
    }
    list_members(form, members, sizeof(members));
    (void)errmsg_set(&rq->why, 0, "\"%s\": %s has only %s, each once", name_show(bad->key, shown),
                     form->what, members);
    p->detail = rq->why.text;
    p->offset = bad->offset;
    return ERR_INVALID;
}

int body_read(struct request *rq, const struct body_form *form, const struct json_node **root,
              struct problem *p)
{
    const struct json_limits limits = {
        .max_depth = 64, .tree_depth = 2, .max_nodes = 4096, .leave = form->leave};
    struct json_error err;
    int rc;

    if (rq->body.len > rq->srv->env->opt->max_message) {
        note_size(rq, "max-message");
        (void)errmsg_set(&rq->why, 0, "%s is over max-message", form->what);
        *p = (struct problem){.status = 413, .code = "message_too_large", .detail = rq->why.text};
        return ERR_INVALID;
    }
    rc = json_parse(rq->srv->doc, strbuf_str(&rq->body), &limits, root, &err);
    if (rc == ERR_INVALID || rc == ERR_LIMIT) {
        *p = problem_of_json(&err, &rq->why);
    } else if (rc == 0 && (*root)->type != JSON_OBJECT) {
        *p = (struct problem){
            .status = 400, .code = "wrong_type", .detail = "the body must be an object"};
        rc = ERR_INVALID;
    } else if (rc == 0) {
        rc = check_members(rq, form, *root, p);
    }
    if (rc == ERR_NOMEM) {
        *p = problem_of_nomem();
    }
    return rc;
}

struct problem body_blame(const struct json_node *member, const char *name, const char *detail)
{
    return (struct problem){.status = 400,
                            .code = "bad_value",
                            .field = name,
                            .has_offset = member != NULL,
                            .offset = member ? member->offset : 0,
                            .detail = detail};
}

int body_member(struct request *rq, const struct json_node *root, const char *name,
                enum json_type type, const struct json_node **out, struct problem *p)
{
    const struct json_node *n = json_get(root, name);

    *out = n;
    if (!n || n->type == type) {
        return 0;
    }
    (void)errmsg_set(&rq->why, 0, "\"%s\" must be %s%s, not %s", name,
                     type == JSON_BOOL                           ? ""
                     : type == JSON_ARRAY || type == JSON_OBJECT ? "an "
                                                                 : "a ",
                     json_type_name(type), json_type_name(n->type));
    *p = body_blame(n, name, rq->why.text);
    p->code = "wrong_type";
    return ERR_INVALID;
}
