/* Questions to a parsed tree. */
#include "proto/json.h"

#include <stdlib.h>

const struct json_node *json_get(const struct json_node *obj, const char *key)
{
    struct str want = str_of(key);

    if (obj->type != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_node *n = obj->child; n; n = n->next) {
        if (str_eq(n->key, want)) {
            return n;
        }
    }
    return NULL;
}

static int by_key(const void *a, const void *b)
{
    const struct json_node *x = *(const struct json_node *const *)a;
    const struct json_node *y = *(const struct json_node *const *)b;
    int d = str_cmp(x->key, y->key);

    return d ? d : (x->offset > y->offset) - (x->offset < y->offset);
}

static const struct json_node *duplicate_sorted(const struct json_node *obj,
                                                const struct json_node **sorted)
{
    const struct json_node *found = NULL;
    size_t n = 0;

    for (const struct json_node *m = obj->child; m; m = m->next) {
        sorted[n++] = m;
    }
    qsort(sorted, n, sizeof(sorted[0]), by_key);
    for (size_t i = 1; i < n; i++) {
        if (str_eq(sorted[i - 1]->key, sorted[i]->key) &&
            (!found || sorted[i]->offset < found->offset)) {
            found = sorted[i];
        }
    }
    return found;
}

const struct json_node *json_duplicate(const struct json_node *obj)
{
    const struct json_node **sorted = NULL;

    if (obj->type != JSON_OBJECT || obj->count < 2) {
        return NULL;
    }
    if (obj->count > 32) {
        sorted = malloc(obj->count * sizeof(*sorted));
    }
    if (sorted) {
        const struct json_node *found = duplicate_sorted(obj, sorted);
        free(sorted);
        return found;
    }
    for (const struct json_node *m = obj->child->next; m; m = m->next) {
        for (const struct json_node *e = obj->child; e != m; e = e->next) {
            if (str_eq(e->key, m->key)) {
                return m;
            }
        }
    }
    return NULL;
}

bool json_uint(const struct json_node *n, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (n->type != JSON_NUMBER) {
        return false;
    }
    for (size_t i = 0; i < n->raw.len; i++) {
        char c = n->raw.p[i];
        if (c < '0' || c > '9') {
            return false;
        }
        unsigned digit = (unsigned)(c - '0');
        if (digit > max || v > (max - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

const char *json_type_name(enum json_type t)
{
    static const char *const names[] = {"null",   "true or false", "number",
                                        "string", "array",         "object"};

    return names[t];
}
