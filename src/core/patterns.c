#include "core/patterns.h"

#include "proto/name.h"

#include <assert.h>
#include <stdlib.h>

struct pattern_node {
    UT_hash_handle hh; /* among the parent's literal children */
    struct pattern_node *parent;
    struct pattern_node *children; /* by literal segment */
    struct pattern_node *star;     /* any one segment */
    struct pattern_ref *here;      /* groups whose pattern ends here */
    struct pattern_ref *rest;      /* groups whose pattern ends here with '>' */
    uint32_t len;
    bool is_star;
    char segment[];
};

static struct str next_segment(struct str *s)
{
    const char *dot = s->len ? memchr(s->p, '.', s->len) : NULL;
    struct str seg = {s->p, dot ? (size_t)(dot - s->p) : s->len};

    if (dot) {
        s->p = dot + 1;
        s->len -= seg.len + 1;
    } else {
        *s = STR_NONE;
    }
    return seg;
}

bool patterns_next(struct str *rest, struct str *pattern)
{
    const char *sp;

    if (rest->len == 0) {
        return false;
    }
    sp = memchr(rest->p, ' ', rest->len);
    *pattern = (struct str){rest->p, sp ? (size_t)(sp - rest->p) : rest->len};
    if (sp) {
        rest->p = sp + 1;
        rest->len -= pattern->len + 1;
    } else {
        *rest = STR_NONE;
    }
    return true;
}

static struct pattern_node *node_new(struct pattern_node *parent, struct str segment)
{
    struct pattern_node *n = calloc(1, sizeof(*n) + segment.len + 1);

    if (n) {
        n->parent = parent;
        n->len = (uint32_t)segment.len;
        if (segment.len) {
            memcpy(n->segment, segment.p, segment.len);
        }
    }
    return n;
}

int patterns_init(struct patterns *ps, uint64_t seed)
{
    *ps = (struct patterns){.seed = seed};
    ps->root = node_new(NULL, STR_NONE);
    return ps->root ? 0 : ERR_NOMEM;
}

void patterns_fini(struct patterns *ps)
{
    if (ps->root) {
        assert(!ps->root->children && !ps->root->star && !ps->root->rest);
        free(ps->root);
        ps->root = NULL;
    }
}

static struct pattern_node *literal_child(const struct patterns *ps, const struct pattern_node *n,
                                          struct str seg)
{
    struct pattern_node *c = NULL;
    unsigned h;

    if (!n->children) {
        return NULL;
    }
    h = map_hash(ps->seed, seg);
    HASH_FIND_BYHASHVALUE(hh, n->children, seg.p ? seg.p : "", seg.len, h, c);
    return c;
}

static struct pattern_node *obtain_child(const struct patterns *ps, struct pattern_node *n,
                                         struct str seg)
{
    struct pattern_node *c;
    unsigned h;

    if (str_eqz(seg, "*")) {
        if (!n->star) {
            n->star = node_new(n, seg);
            if (n->star) {
                n->star->is_star = true;
            }
        }
        return n->star;
    }
    c = literal_child(ps, n, seg);
    if (c) {
        return c;
    }
    c = node_new(n, seg);
    if (!c) {
        return NULL;
    }
    h = map_hash(ps->seed, seg);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, n->children, c->segment, c->len, h, c);
    if (!c->hh.tbl) {
        free(c);
        return NULL;
    }
    return c;
}

/* Frees the node and its ancestors as far as nothing is left in them. */
static void prune(struct pattern_node *n)
{
    while (n->parent && !n->children && !n->star && !n->here && !n->rest) {
        struct pattern_node *parent = n->parent;
        if (n->is_star) {
            parent->star = NULL;
        } else {
            HASH_DELETE(hh, parent->children, n);
        }
        free(n);
        n = parent;
    }
}

static int enter_one(const struct patterns *ps, struct str pattern, struct pattern_ref *ref)
{
    struct pattern_node *n = ps->root;
    struct pattern_ref **list = NULL;

    while (!list) {
        struct str seg = next_segment(&pattern);
        struct pattern_node *c;
        if (str_eqz(seg, ">") && !pattern.p) {
            list = &n->rest;
            break;
        }
        c = obtain_child(ps, n, seg);
        if (!c) {
            prune(n);
            return ERR_NOMEM;
        }
        n = c;
        if (!pattern.p) {
            list = &n->here;
        }
    }
    ref->node = n;
    ref->next = *list;
    ref->prev = list;
    if (*list) {
        (*list)->prev = &ref->next;
    }
    *list = ref;
    return 0;
}

static void remove_one(struct pattern_ref *ref)
{
    *ref->prev = ref->next;
    if (ref->next) {
        ref->next->prev = ref->prev;
    }
    prune(ref->node);
}

int patterns_enter(struct patterns *ps, struct topic *group)
{
    struct str rest = topic_name(group);
    struct str pattern;
    size_t n = 0;

    while (patterns_next(&rest, &pattern)) {
        n++;
    }
    group->refs_to_patterns = calloc(n, sizeof(struct pattern_ref));
    if (!group->refs_to_patterns) {
        return ERR_NOMEM;
    }
    rest = topic_name(group);
    for (size_t i = 0; patterns_next(&rest, &pattern); i++) {
        group->refs_to_patterns[i].group = group;
        if (enter_one(ps, pattern, &group->refs_to_patterns[i]) != 0) {
            while (i-- > 0) {
                remove_one(&group->refs_to_patterns[i]);
            }
            free(group->refs_to_patterns);
            group->refs_to_patterns = NULL;
            return ERR_NOMEM;
        }
    }
    return 0;
}

void patterns_remove(struct patterns *ps, struct topic *group)
{
    struct str rest = topic_name(group);
    struct str pattern;

    (void)ps;
    for (size_t i = 0; patterns_next(&rest, &pattern); i++) {
        remove_one(&group->refs_to_patterns[i]);
    }
    free(group->refs_to_patterns);
    group->refs_to_patterns = NULL;
}

struct match {
    struct patterns *ps;
    struct group_set *set;
    struct str channel;
};

static int collect(struct match *m, const struct pattern_ref *list)
{
    for (; list; list = list->next) {
        struct group_set *set = m->set;
        if (list->group->mark == m->ps->mark) {
            continue;
        }
        list->group->mark = m->ps->mark;
        if (set->n == set->cap) {
            unsigned cap = set->cap * 2;
            struct topic **v = malloc(cap * sizeof(struct topic *));
            if (!v) {
                return ERR_NOMEM;
            }
            memcpy(v, set->v, set->n * sizeof(struct topic *));
            if (set->v != set->few) {
                free(set->v);
            }
            set->v = v;
            set->cap = cap;
        }
        set->v[set->n++] = list->group;
    }
    return 0;
}

/* `rest` is what of the channel lies behind `n`; `guarded`: wildcards may not
 * match here, because the name has a protected prefix that was not literal. */
static int descend(struct match *m, const struct pattern_node *n, struct str rest, bool guarded)
{
    struct str seg;
    const struct pattern_node *lit;
    int rc = 0;

    if (!rest.p) {
        return collect(m, n->here);
    }
    if (!guarded) {
        rc = collect(m, n->rest);
    }
    seg = next_segment(&rest);
    lit = literal_child(m->ps, n, seg);
    if (rc == 0 && lit) {
        rc = descend(m, lit, rest, false);
    }
    if (rc == 0 && n->star && !guarded) {
        rc = descend(m, n->star, rest, false);
    }
    return rc;
}

int patterns_match(struct patterns *ps, struct str channel, struct group_set *set)
{
    struct match m = {ps, set, channel};
    /* The protected prefixes lie within the first segment, so a pattern
     * begins with one only if its first segment is literal. */
    bool guarded = str_starts(channel, STR_LIT("private-")) ||
                   str_starts(channel, STR_LIT("presence-")) ||
                   str_starts(channel, STR_LIT("fanfare."));

    *set = (struct group_set){.cap = 4};
    set->v = set->few;
    ps->mark++;
    if (channel.len == 0) {
        return 0;
    }
    return descend(&m, ps->root, channel, guarded);
}

void group_set_fini(struct group_set *set)
{
    if (set->v != set->few) {
        free(set->v);
    }
    set->v = NULL;
    set->n = 0;
}
