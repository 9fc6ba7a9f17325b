#include "core/grant_json.h"

#include "proto/name.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPIRES_MAX 31536000u /* seconds */

void grant_draft_fini(struct grant_draft *d)
{
    free(d->subscribe);
    free(d->publish);
    strbuf_fini(&d->meta);
    strbuf_fini(&d->info);
}

static int blame(struct grant_fault *f, const struct json_node *n, const char *field,
                 const char *code, const char *text)
{
    f->code = code;
    f->field = field;
    f->offset = n->offset;
    return errmsg_set(&f->why, ERR_INVALID, "%s", text);
}

static int no_memory(struct grant_fault *f)
{
    f->code = NULL;
    return errmsg_set(&f->why, ERR_NOMEM, "out of memory");
}

/* NULL if it is absent. */
static int member(const struct json_node *root, const char *name, enum json_type type,
                  const struct json_node **out, struct grant_fault *f)
{
    const struct json_node *n = json_get(root, name);
    char text[128];

    *out = n;
    if (!n || n->type == type) {
        return 0;
    }
    snprintf(text, sizeof(text), "\"%s\" must be %s %s, not %s", name,
             type == JSON_ARRAY || type == JSON_OBJECT ? "an" : "a", json_type_name(type),
             json_type_name(n->type));
    return blame(f, n, name, "wrong_type", text);
}

static int read_names(const struct json_node *root, const char *name, unsigned max,
                      struct str **out, unsigned *n, struct grant_fault *f)
{
    const struct json_node *list;
    struct errmsg why;
    int rc = member(root, name, JSON_ARRAY, &list, f);

    if (rc != 0 || !list) {
        return rc;
    }
    if (list->count > max) {
        return blame(f, list, name, "bad_value", "too many names (max-channels-per-client)");
    }
    *out = calloc(list->count + 1, sizeof(struct str));
    if (!*out) {
        return no_memory(f);
    }
    for (const struct json_node *i = list->child; i; i = i->next) {
        if (i->type != JSON_STRING || i->lone_surrogate) {
            return blame(f, i, name, "bad_value", "names of channels, or patterns, are strings");
        }
        if (name_check_subscription(i->text, &why) != 0) {
            return blame(f, i, name, "bad_value", why.text);
        }
        (*out)[(*n)++] = i->text;
    }
    return 0;
}

static int read_user(const struct json_node *root, struct grant_draft *d, struct grant_fault *f)
{
    const struct json_node *user;
    struct errmsg why;
    int rc = member(root, "userId", JSON_STRING, &user, f);

    if (rc != 0 || !user) {
        return rc;
    }
    if (user->lone_surrogate) {
        return blame(f, user, "userId", "bad_user", "half a character");
    }
    if (name_check_user(user->text, &why) != 0) {
        return blame(f, user, "userId", "bad_user", why.text);
    }
    d->s.user = user->text;
    return 0;
}

static int read_json(const struct json_node *n, const char *name, uint64_t max, struct strbuf *out,
                     struct grant_fault *f)
{
    if (!n) {
        return 0;
    }
    json_minify(out, n->raw);
    if (strbuf_failed(out)) {
        return no_memory(f);
    }
    return out->len <= max ? 0 : blame(f, n, name, "bad_value", "this is too long (max-meta)");
}

static int read_expiry(const struct json_node *root, uint64_t now_ms, struct grant_draft *d,
                       struct grant_fault *f)
{
    const struct json_node *n = json_get(root, "expiresIn");
    uint64_t seconds;

    if (!n) {
        return 0;
    }
    if (!json_uint(n, EXPIRES_MAX, &seconds) || seconds == 0) {
        return blame(f, n, "expiresIn", "bad_value",
                     "expiresIn is a number of seconds, 1 to 31536000");
    }
    d->s.expires_ms = now_ms + seconds * 1000;
    d->s.until_ms = d->s.expires_ms;
    return 0;
}

int grant_draft_read(const struct json_node *root, const struct grant_limits *lim, uint64_t now_ms,
                     struct grant_draft *d, struct grant_fault *f)
{
    const struct json_node *meta = NULL;
    int rc;

    *d = (struct grant_draft){.meta = STRBUF_INIT, .info = STRBUF_INIT};
    rc = read_user(root, d, f);
    if (rc == 0) {
        rc = read_names(root, "channels", lim->max_channels, &d->subscribe, &d->s.nsubscribe, f);
    }
    if (rc == 0) {
        rc = read_names(root, "publish", lim->max_channels, &d->publish, &d->s.npublish, f);
    }
    if (rc == 0) {
        rc = member(root, "meta", JSON_OBJECT, &meta, f);
    }
    if (rc == 0) {
        rc = read_json(meta, "meta", lim->max_meta, &d->meta, f);
    }
    if (rc == 0) {
        rc = read_json(json_get(root, "info"), "info", lim->max_meta, &d->info, f);
    }
    if (rc == 0) {
        rc = read_expiry(root, now_ms, d, f);
    }
    d->s.kind = GRANT_CLIENT;
    d->s.lists_subscribe = json_get(root, "channels") != NULL;
    d->s.subscribe = d->subscribe;
    d->s.publish = d->publish;
    d->s.meta = strbuf_str(&d->meta);
    d->s.info = strbuf_str(&d->info);
    d->s.issued_ms = now_ms;
    return rc;
}
