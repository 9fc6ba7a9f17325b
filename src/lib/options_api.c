/* The public face of src/conf. */
#include "lib/gateway.h"

#include <stdlib.h>

extern char **environ;

_Static_assert(sizeof(struct fanfare_why) == sizeof(struct errmsg), "the same sentence");

static struct errmsg *why_of(struct fanfare_why *why)
{
    return (struct errmsg *)(void *)why;
}

int fanfare_options_new(struct fanfare_options **out)
{
    struct fanfare_options *o = calloc(1, sizeof(*o));

    if (!o) {
        return FANFARE_ERR_NOMEM;
    }
    if (options_init(&o->o) != 0) {
        fanfare_options_free(o);
        return FANFARE_ERR_NOMEM;
    }
    *out = o;
    return 0;
}

void fanfare_options_free(struct fanfare_options *o)
{
    if (o) {
        options_fini(&o->o);
        free(o);
    }
}

int fanfare_options_info(size_t index, struct fanfare_option_info *out)
{
    const struct opt_info *i;

    if (index >= OPT_ID_COUNT) {
        return FANFARE_ERR_NOT_FOUND;
    }
    i = options_info((enum opt_id)index);
    *out = (struct fanfare_option_info){
        .name = i->name,
        .argument = i->arg,
        .default_value = i->def,
        .group = i->group,
        .help = i->help,
        .is_switch = i->type == OPT_BOOL || i->type == OPT_ACTION,
        .is_list = i->type == OPT_LIST,
        .is_action = i->type == OPT_ACTION,
        .live = (i->flags & OPT_LIVE) != 0,
        .cli_only = (i->flags & OPT_CLI) != 0,
        .hidden = (i->flags & OPT_HIDDEN) != 0,
        .secret = (i->flags & OPT_SECRET) != 0,
    };
    return 0;
}

int fanfare_options_set(struct fanfare_options *o, const char *name, const char *value,
                        struct fanfare_why *why)
{
    return options_set(&o->o, name, value, OPT_FROM_SET, why_of(why));
}

int fanfare_options_load_file(struct fanfare_options *o, const char *path, struct fanfare_why *why)
{
    return options_load_file(&o->o, path, why_of(why));
}

int fanfare_options_load_env(struct fanfare_options *o, struct fanfare_why *why)
{
    return options_load_env(&o->o, environ, why_of(why));
}

const char *fanfare_options_text(const struct fanfare_options *o, const char *name)
{
    static const size_t members[] = {
#define OPTION(field, type, name, arg, def, min, max, flags, group, help) \
    [OPT_ID_##field] = OPT_##type == OPT_STRING ? offsetof(struct options, field) : SIZE_MAX,
#include "conf/options.def"
#undef OPTION
    };
    enum opt_id id = options_find(name);

    if (id == OPT_ID_COUNT || members[id] == SIZE_MAX || (options_info(id)->flags & OPT_SECRET)) {
        return NULL;
    }
    const char *text = *(char *const *)(const void *)((const char *)&o->o + members[id]);
    return text ? text : "";
}

int fanfare_options_check(const struct fanfare_options *o, struct fanfare_why *why)
{
    return options_check(&o->o, why_of(why));
}

/* ---- versions of the options while the gateway runs ---- */

struct opt_version *opt_version_new(const struct options *from)
{
    struct opt_version *v = calloc(1, sizeof(*v));

    if (!v) {
        return NULL;
    }
    if (options_copy(&v->o, from) != 0) {
        options_fini(&v->o);
        free(v);
        return NULL;
    }
    atomic_init(&v->refs, 1);
    return v;
}

struct opt_version *opt_version_ref(struct opt_version *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void opt_version_unref(struct opt_version *v)
{
    if (v && atomic_fetch_sub(&v->refs, 1) == 1) {
        options_fini(&v->o);
        tls_ctx_unref(v->tls);
        free(v);
    }
}
