#include "base/suggest.h"

enum {
    GIVEN_MAX = 64,
    NAME_MAX_LEN = 127, /* a longer name is never near 64 bytes */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment, three rows at a time. */
static unsigned distance(struct str a, struct str b)
{
    unsigned rows[3][NAME_MAX_LEN + 1];
    unsigned *before = rows[0];
    unsigned *above = rows[1];
    unsigned *row = rows[2];

    for (size_t j = 0; j <= b.len; j++) {
        above[j] = (unsigned)j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a.len; i++) {
        char ca = lower(a.p[i - 1]);
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            char cb = lower(b.p[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == lower(b.p[j - 2]) && lower(a.p[i - 2]) == cb &&
                before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b.len];
}

const char *suggest(struct str given, const char *const *names, size_t n)
{
    if (given.len > GIVEN_MAX) {
        return NULL;
    }
    const char *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < n; i++) {
        struct str name = str_of(names[i]);
        if (name.len > NAME_MAX_LEN) {
            continue;
        }
        size_t longer = name.len > given.len ? name.len : given.len;
        unsigned d = distance(given, name);
        if (d <= (longer + 2) / 3 && (!best || d < best_distance)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
