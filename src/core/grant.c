#include "core/grant.h"

#include <stdlib.h>

/* Everybody's and never written: it lives in read-only memory. */
static const struct grant open_grant = {.refs = 1, .s = {.kind = GRANT_OPEN}};

struct grant *grant_open(void)
{
    return (struct grant *)(uintptr_t)&open_grant;
}

static size_t list_bytes(const struct str *list, unsigned n)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        bytes += list[i].len;
    }
    return bytes;
}

/* Copies to *at, which moves on. */
static struct str put(char **at, struct str s)
{
    struct str copy = {*at, s.len};

    if (s.len == 0) {
        return STR_NONE;
    }
    memcpy(*at, s.p, s.len);
    *at += s.len;
    return copy;
}

static const struct str *put_list(struct str **slots, char **at, const struct str *list, unsigned n)
{
    struct str *copy = *slots;

    for (unsigned i = 0; i < n; i++) {
        copy[i] = put(at, list[i]);
    }
    *slots += n;
    return n > 0 ? copy : NULL;
}

/* One block: the grant, the slices of both lists, the bytes. */
int grant_new(const struct grant_spec *spec, struct grant **out)
{
    size_t nslots = (size_t)spec->nsubscribe + spec->npublish;
    size_t bytes = spec->id.len + spec->basis.len + spec->user.len + spec->meta.len +
                   spec->info.len + list_bytes(spec->subscribe, spec->nsubscribe) +
                   list_bytes(spec->publish, spec->npublish);
    struct grant *g = malloc(sizeof(*g) + nslots * sizeof(struct str) + bytes);

    *out = NULL;
    if (!g) {
        return ERR_NOMEM;
    }
    struct str *slots = (struct str *)(void *)(g + 1);
    char *at = (char *)(slots + nslots);

    _Static_assert(sizeof(struct grant) % _Alignof(struct str) == 0, "slices follow a grant");
    atomic_init(&g->refs, 1);
    g->s = *spec;
    g->s.id = put(&at, spec->id);
    g->s.basis = put(&at, spec->basis);
    g->s.user = put(&at, spec->user);
    g->s.meta = put(&at, spec->meta);
    g->s.info = put(&at, spec->info);
    g->s.subscribe = put_list(&slots, &at, spec->subscribe, spec->nsubscribe);
    g->s.publish = put_list(&slots, &at, spec->publish, spec->npublish);
    *out = g;
    return 0;
}

struct grant *grant_ref(struct grant *g)
{
    if (g != &open_grant) {
        (void)atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    }
    return g;
}

void grant_unref(struct grant *g)
{
    if (!g || g == &open_grant) {
        return;
    }
    if (atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1) {
        free(g);
    }
}

/* ---- patterns ---- */

/* Takes the first segment off; false if there is none left. "a." has two, the second empty. */
static bool take_segment(struct str *rest, struct str *segment)
{
    const char *dot;

    if (!rest->p) {
        return false;
    }
    dot = rest->len > 0 ? memchr(rest->p, '.', rest->len) : NULL;
    *segment = (struct str){rest->p, dot ? (size_t)(dot - rest->p) : rest->len};
    *rest = dot ? (struct str){dot + 1, rest->len - segment->len - 1} : STR_NONE;
    return true;
}

/* Wildcards stand for no name that begins so. (All three are inside or just behind a literal
 * first segment, so the names of a pattern begin so if and only if its text does.) */
static bool guarded_from(struct str pattern, struct str name)
{
    static const char *const prefixes[] = {"private-", "presence-", "fanfare."};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct str prefix = str_of(prefixes[i]);
        if (str_starts(name, prefix) && !str_starts(pattern, prefix)) {
            return true;
        }
    }
    return false;
}

/* Does the one pattern match all that `name` does? Segment by segment: each of the name's may
 * be anything that the pattern's may not restrict. */
static bool covers(struct str pattern, struct str name)
{
    struct str p;
    struct str n;

    if (pattern.len == 0 || name.len == 0 || guarded_from(pattern, name)) {
        return false;
    }
    while (take_segment(&pattern, &p)) {
        if (!take_segment(&name, &n)) {
            return false;
        }
        if (str_eqz(p, ">")) {
            return true;
        }
        if (str_eqz(n, ">") || (!str_eqz(p, "*") && !str_eq(p, n))) {
            return false;
        }
    }
    return !name.p;
}

bool grant_covers(const struct str *patterns, unsigned n, struct str name)
{
    for (unsigned i = 0; i < n; i++) {
        if (covers(patterns[i], name)) {
            return true;
        }
    }
    return false;
}
