#include "base/intern.h"

#include "base/map.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

struct interned {
    UT_hash_handle hh;
    size_t refs;
    size_t len;
    char text[];
};

struct intern {
    struct interned *head;
    uint64_t seed;
};

int intern_new(uint64_t seed, struct intern **out)
{
    struct intern *t = calloc(1, sizeof *t);
    if (!t) {
        return ERR_NOMEM;
    }
    t->seed = seed;
    *out = t;
    return 0;
}

void intern_free(struct intern *t)
{
    if (!t) {
        return;
    }
    assert(!t->head);
    free(t);
}

static struct interned *add(struct intern *t, struct str s, unsigned hash)
{
    struct interned *it = calloc(1, sizeof *it + s.len + 1);
    if (!it) {
        return NULL;
    }
    it->refs = 1;
    it->len = s.len;
    memcpy(it->text, s.p, s.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->head, it->text, (unsigned)s.len, hash, it);
    if (!it->hh.tbl) { /* no memory for the table */
        free(it);
        return NULL;
    }
    return it;
}

struct interned *intern_get(struct intern *t, struct str s)
{
    if (s.len > INT_MAX) { /* uthash counts key bytes in an unsigned */
        return NULL;
    }
    if (s.len == 0) {
        s = STR_LIT("");
    }
    unsigned hash = map_hash(t->seed, s);
    struct interned *it = NULL;
    HASH_FIND_BYHASHVALUE(hh, t->head, s.p, (unsigned)s.len, hash, it);
    if (!it) {
        return add(t, s, hash);
    }
    it->refs++;
    return it;
}

void intern_put(struct intern *t, struct interned *s)
{
    if (!s) {
        return;
    }
    assert(s->refs > 0);
    if (--s->refs > 0) {
        return;
    }
    HASH_DEL(t->head, s);
    free(s);
}

struct str interned_str(const struct interned *s)
{
    return s ? (struct str){s->text, s->len} : STR_NONE;
}
