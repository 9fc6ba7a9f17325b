/* options.c - the typed options: life, setting from text, taking over. */
#include "conf/options.h"

#include "base/str.h"
#include "base/suggest.h"
#include "conf/options_form.h"
#include "conf/options_value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const size_t offsets[OPT_ID_COUNT] = {
#define OPTION(field, type, name, arg, def, min, max, flags, group, help) \
    [OPT_ID_##field] = offsetof(struct options, field),
#include "conf/options.def"
#undef OPTION
};

static void *field_of(struct options *o, unsigned id)
{
    return (char *)o + offsets[id];
}

static const void *field_of_const(const struct options *o, unsigned id)
{
    return (const char *)o + offsets[id];
}

static size_t field_size(enum opt_type type)
{
    switch (type) {
    case OPT_BOOL:
    case OPT_ACTION:
        return sizeof(bool);
    case OPT_UINT:
        return sizeof(uint32_t);
    case OPT_SIZE:
    case OPT_TIME:
        return sizeof(uint64_t);
    case OPT_STRING:
        return sizeof(char *);
    case OPT_LIST:
        return sizeof(struct opt_list);
    case OPT_ENUM:
        return sizeof(unsigned);
    }
    assert(!"option type");
    return 0;
}

/* ---- lists --------------------------------------------------------------- */

static void list_clear(struct opt_list *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        free(l->items[i]);
    }
    free(l->items);
    *l = (struct opt_list){NULL, 0};
}

static int list_add(struct opt_list *l, const char *value)
{
    char *copy = strdup(value);
    char **items = copy ? realloc(l->items, (l->n + 1u) * sizeof *items) : NULL;
    if (items == NULL) {
        free(copy);
        return ERR_NOMEM;
    }
    items[l->n++] = copy;
    l->items = items;
    return 0;
}

static int list_copy(struct opt_list *dst, const struct opt_list *src)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < src->n; i++) {
        rc = list_add(dst, src->items[i]);
    }
    return rc;
}

static bool list_same(const struct opt_list *a, const struct opt_list *b)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; same && i < a->n; i++) {
        same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return same;
}

/* ---- strings ------------------------------------------------------------- */

/* Secrets do not stay behind in freed memory. */
static void string_free(char *text, unsigned flags)
{
    if (text != NULL && (flags & OPT_SECRET) != 0) {
        explicit_bzero(text, strlen(text));
    }
    free(text);
}

/* ---- setting ------------------------------------------------------------- */

static int set_list(struct options *o, enum opt_id id, const char *value, enum opt_source from,
                    struct errmsg *why)
{
    struct opt_list *list = field_of(o, id);
    struct opt_list one = {NULL, 0};
    int rc = *value != '\0' ? form_check(id, value, why) : 0;
    if (rc != 0 || from < o->source[id]) {
        return rc;
    }
    if (*value != '\0' && from == o->source[id]) {
        rc = list_add(list, value);
    } else {
        rc = *value != '\0' ? list_add(&one, value) : 0;
        if (rc == 0) {
            list_clear(list);
            *list = one;
        }
    }
    return rc == 0 ? 0 : errmsg_set(why, rc, "%s: %s", options_info(id)->name, err_text(rc));
}

static int set_string(struct options *o, enum opt_id id, const char *value, enum opt_source from,
                      struct errmsg *why)
{
    char **field = field_of(o, id);
    int rc = form_check(id, value, why);
    if (rc != 0 || from < o->source[id]) {
        return rc;
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return errmsg_set(why, ERR_NOMEM, "%s: %s", options_info(id)->name, err_text(ERR_NOMEM));
    }
    string_free(*field, options_info(id)->flags);
    *field = copy;
    return 0;
}

static int set_scalar(struct options *o, enum opt_id id, const char *value, enum opt_source from,
                      struct errmsg *why)
{
    const struct opt_info *info = options_info(id);
    bool wins = from >= o->source[id];
    void *field = field_of(o, id);
    uint64_t number = 0;
    unsigned choice = 0;
    bool flag = false;
    int rc;
    switch (info->type) {
    case OPT_BOOL:
        rc = value_bool(info, value, &flag, why);
        if (rc == 0 && wins) {
            *(bool *)field = flag;
        }
        return rc;
    case OPT_ENUM:
        rc = value_enum(info, value, &choice, why);
        if (rc == 0 && wins) {
            *(unsigned *)field = choice;
        }
        return rc;
    case OPT_UINT:
        rc = value_number(info, value, &number, why);
        if (rc == 0 && wins) {
            *(uint32_t *)field = (uint32_t)number; /* the limits fit */
        }
        return rc;
    default:
        rc = value_number(info, value, &number, why);
        if (rc == 0 && wins) {
            *(uint64_t *)field = number;
        }
        return rc;
    }
}

static int set_known(struct options *o, enum opt_id id, const char *value, enum opt_source from,
                     struct errmsg *why)
{
    const struct opt_info *info = options_info(id);
    int rc;
    switch (info->type) {
    case OPT_ACTION:
        return errmsg_set(why, ERR_INVALID, "%s: is for the command line only", info->name);
    case OPT_LIST:
        rc = set_list(o, id, value, from, why);
        break;
    case OPT_STRING:
        rc = set_string(o, id, value, from, why);
        break;
    default:
        rc = set_scalar(o, id, value, from, why);
        break;
    }
    if (rc == 0 && from > o->source[id]) {
        o->source[id] = (uint8_t)from;
    }
    return rc;
}

/* Dashes before the name (as on a command line) are no part of it, but the
 * suggestion is written in the same way. */
static int unknown_option(const char *name, enum opt_source from, struct errmsg *why)
{
    const char *names[OPT_ID_COUNT];
    size_t n = 0;
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        unsigned flags = options_info((enum opt_id)id)->flags;
        if ((flags & OPT_HIDDEN) == 0 && (from == OPT_FROM_SET || (flags & OPT_CLI) == 0)) {
            names[n++] = options_info((enum opt_id)id)->name;
        }
    }
    char shown[VALUE_SHOWN];
    bool dashes = strncmp(name, "--", 2) == 0;
    const char *bare = dashes ? name + 2 : name;
    const char *near = suggest(str_of(bare), names, n);
    if (near == NULL) {
        return errmsg_set(why, ERR_NOT_FOUND, "unknown option %s; fanfare --help lists them all",
                          value_shown(name, shown));
    }
    return errmsg_set(why, ERR_NOT_FOUND, "unknown option %s; did you mean %s%s?",
                      value_shown(name, shown), dashes && strcmp(bare, near) != 0 ? "--" : "",
                      near);
}

int options_set(struct options *o, const char *name, const char *value, enum opt_source from,
                struct errmsg *why)
{
    enum opt_id id = options_find(name);
    return id == OPT_ID_COUNT ? unknown_option(name, from, why)
                              : set_known(o, id, value, from, why);
}

/* ---- life ---------------------------------------------------------------- */

int options_init(struct options *o)
{
    memset(o, 0, sizeof *o);
    o->source = calloc(OPT_ID_COUNT, sizeof *o->source); /* OPT_FROM_DEFAULT */
    int rc = o->source != NULL ? 0 : ERR_NOMEM;
    for (unsigned id = 0; rc == 0 && id < OPT_ID_COUNT; id++) {
        const struct opt_info *info = options_info((enum opt_id)id);
        if (info->type != OPT_ACTION) {
            rc = set_known(o, (enum opt_id)id, info->def, OPT_FROM_DEFAULT, NULL);
            assert(rc == 0 || rc == ERR_NOMEM); /* else options.def is wrong */
        }
    }
    return rc;
}

void options_fini(struct options *o)
{
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        const struct opt_info *info = options_info((enum opt_id)id);
        if (info->type == OPT_STRING) {
            string_free(*(char **)field_of(o, id), info->flags);
        } else if (info->type == OPT_LIST) {
            list_clear(field_of(o, id));
        }
    }
    free(o->source);
    memset(o, 0, sizeof *o);
}

static int field_copy(struct options *dst, const struct options *src, unsigned id)
{
    enum opt_type type = options_info((enum opt_id)id)->type;
    const void *from = field_of_const(src, id);
    void *to = field_of(dst, id);
    if (type == OPT_LIST) {
        return list_copy(to, from);
    }
    if (type == OPT_STRING) {
        char *const *text = from;
        char **copy = to;
        *copy = strdup(*text);
        return *copy != NULL ? 0 : ERR_NOMEM;
    }
    memcpy(to, from, field_size(type));
    return 0;
}

int options_copy(struct options *dst, const struct options *src)
{
    memset(dst, 0, sizeof *dst);
    dst->source = malloc(OPT_ID_COUNT * sizeof *dst->source);
    if (dst->source == NULL) {
        return ERR_NOMEM;
    }
    memcpy(dst->source, src->source, OPT_ID_COUNT * sizeof *dst->source);
    int rc = 0;
    for (unsigned id = 0; rc == 0 && id < OPT_ID_COUNT; id++) {
        rc = field_copy(dst, src, id);
    }
    return rc;
}

/* ---- taking over --------------------------------------------------------- */

bool options_same(const struct options *a, const struct options *b, enum opt_id id)
{
    const void *left = field_of_const(a, id);
    const void *right = field_of_const(b, id);
    enum opt_type type = options_info(id)->type;
    if (type == OPT_LIST) {
        return list_same(left, right);
    }
    if (type == OPT_STRING) {
        char *const *x = left;
        char *const *y = right;
        return strcmp(*x, *y) == 0;
    }
    return memcmp(left, right, field_size(type)) == 0;
}

static void field_swap(struct options *a, struct options *b, unsigned id)
{
    size_t size = field_size(options_info((enum opt_id)id)->type);
    unsigned char spare[sizeof(struct opt_list)];
    assert(size <= sizeof spare);
    memcpy(spare, field_of(a, id), size);
    memcpy(field_of(a, id), field_of(b, id), size);
    memcpy(field_of(b, id), spare, size);
    uint8_t source = a->source[id];
    a->source[id] = b->source[id];
    b->source[id] = source;
}

int options_apply_live(struct options *o, const struct options *from, unsigned *ignored)
{
    struct options copy; /* so that nothing has changed if memory runs out */
    *ignored = 0;
    int rc = options_copy(&copy, from);
    for (unsigned id = 0; rc == 0 && id < OPT_ID_COUNT; id++) {
        unsigned flags = options_info((enum opt_id)id)->flags;
        if ((flags & OPT_LIVE) != 0) {
            field_swap(o, &copy, id);
        } else if ((flags & OPT_CLI) == 0 && !options_same(o, from, (enum opt_id)id)) {
            (*ignored)++;
        }
    }
    options_fini(&copy);
    return rc;
}
