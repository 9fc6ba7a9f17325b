#include "auth/revoked.h"

#include "auth/expiry.h"
#include "auth/revfile.h"
#include "base/map.h"
#include "base/rng.h"

#include <pthread.h>
#include <stdlib.h>

#define FORGET 64           /* expired ones at a time */
#define COMPACT_LINES 1000u /* a file with fewer is let be */

struct entry {
    struct expiring end; /* first; its time is until when */
    UT_hash_handle hh;
    uint64_t since_ms;
    bool is_user;
    bool counts; /* it is on the disk */
    uint16_t len;
    char name[];
};

struct revoked {
    pthread_mutex_t writers; /* the file, and who changes the table */
    pthread_rwlock_t table;  /* taken inside the other; writers read without it */
    struct entry *users, *tokens;
    struct expiry ends;
    struct revfile *file; /* or NULL */
    uint64_t seed;
    unsigned max;    /* while loading */
    uint64_t now_ms; /* while loading */
    unsigned long compact_at;
    struct errmsg *why; /* while loading */
};

/* ---- the table ---- */

static struct entry **head_of(struct revoked *r, bool is_user)
{
    return is_user ? &r->users : &r->tokens;
}

static struct str name_of(const struct entry *x)
{
    return (struct str){x->name, x->len};
}

static struct entry *find(struct revoked *r, bool is_user, struct str name)
{
    struct entry *head = *head_of(r, is_user);
    struct entry *x = NULL;
    unsigned h;

    if (!head || name.len == 0) {
        return NULL;
    }
    h = map_hash(r->seed, name);
    HASH_FIND_BYHASHVALUE(hh, head, name.p, name.len, h, x);
    return x;
}

/* It does not count yet. */
static struct entry *put_in(struct revoked *r, const struct revline *l)
{
    struct entry *x = calloc(1, sizeof(*x) + l->name.len);
    struct entry **head = head_of(r, l->is_user);
    unsigned h = map_hash(r->seed, l->name);

    if (!x) {
        return NULL;
    }
    x->is_user = l->is_user;
    x->since_ms = l->since_ms;
    x->len = (uint16_t)l->name.len;
    memcpy(x->name, l->name.p, l->name.len);
    if (expiry_add(&r->ends, &x->end, l->until_ms) != 0) {
        free(x);
        return NULL;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, *head, x->name, x->len, h, x);
    if (!x->hh.tbl) {
        expiry_remove(&r->ends, &x->end);
        free(x);
        return NULL;
    }
    return x;
}

static void take_out(struct revoked *r, struct entry *x)
{
    struct entry **head = head_of(r, x->is_user);

    HASH_DELETE(hh, *head, x);
    expiry_remove(&r->ends, &x->end);
    free(x);
}

static void forget_expired(struct revoked *r, uint64_t now_ms, unsigned some)
{
    struct expiring *x;

    while (some-- > 0 && (x = expiry_due(&r->ends, now_ms)) != NULL) {
        take_out(r, (struct entry *)(void *)x);
    }
}

/* ---- the file ---- */

static struct revline line_of(const struct entry *x)
{
    return (struct revline){.is_user = x->is_user,
                            .since_ms = x->since_ms,
                            .until_ms = x->end.at_ms,
                            .name = name_of(x)};
}

/* With what counts and has not expired. */
static int write_anew(struct revoked *r, uint64_t now_ms, struct errmsg *why)
{
    int rc = revfile_begin(r->file, why);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < r->ends.n; i++) {
        const struct entry *x = (const struct entry *)(const void *)r->ends.v[i];
        if (x->counts && x->end.at_ms > now_ms) {
            struct revline l = line_of(x);
            revfile_put(r->file, &l);
        }
    }
    return revfile_end(r->file, why);
}

/* When most of it is dead. Failure does no harm: it is tried again much later. */
static void compact(struct revoked *r, uint64_t now_ms)
{
    struct errmsg why;
    unsigned long lines = revfile_lines(r->file);

    if (lines >= r->compact_at && lines > r->ends.n * 2) {
        r->compact_at = write_anew(r, now_ms, &why) == 0 ? COMPACT_LINES : lines * 2;
    }
}

/* A line more, on the disk. */
static int append(struct revoked *r, const struct revline *l, uint64_t now_ms, struct errmsg *why)
{
    int rc = 0;

    if (!r->file) {
        return 0;
    }
    if (revfile_is_broken(r->file)) {
        rc = write_anew(r, now_ms, why);
    }
    return rc ? rc : revfile_append(r->file, l, why);
}

/* ---- loading ---- */

static int load_line(void *ctx, const struct revline *l)
{
    struct revoked *r = ctx;
    struct entry *x = find(r, l->is_user, l->name);

    if (x && (l->undo || l->until_ms <= r->now_ms)) {
        take_out(r, x);
    }
    if (l->undo || l->until_ms <= r->now_ms) {
        return 0;
    }
    if (x) {
        x->since_ms = l->since_ms;
        expiry_move(&r->ends, &x->end, l->until_ms);
        return 0;
    }
    if (r->ends.n >= r->max) {
        return errmsg_set(r->why, ERR_LIMIT,
                          "the file of revocations has more than %u that count; max-revocations "
                          "must be higher",
                          r->max);
    }
    x = put_in(r, l);
    if (!x) {
        return errmsg_set(r->why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    x->counts = true;
    return 0;
}

static struct revoked *new_empty(unsigned max, uint64_t now_ms, struct errmsg *why)
{
    struct revoked *r = calloc(1, sizeof(*r));
    struct rng rng;

    if (!r) {
        return NULL;
    }
    if (rng_init(&rng) != 0) {
        free(r);
        return NULL;
    }
    r->seed = rng_u64(&rng);
    explicit_bzero(&rng, sizeof rng);
    r->max = max;
    r->now_ms = now_ms;
    r->why = why;
    (void)pthread_mutex_init(&r->writers, NULL);
    (void)pthread_rwlock_init(&r->table, NULL);
    return r;
}

int revoked_new(const char *path, unsigned max, uint64_t now_ms, struct revoked **out,
                struct errmsg *why)
{
    struct revoked *r = new_empty(max, now_ms, why);
    int rc = 0;

    *out = NULL;
    if (!r) {
        return errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    if (path && *path) {
        rc = revfile_open(path, load_line, r, &r->file, why);
    }
    if (rc != 0) {
        revoked_free(r);
        return rc;
    }
    if (r->file) {
        compact(r, now_ms); /* a short file too: nobody waits now */
    }
    r->compact_at = r->compact_at > COMPACT_LINES ? r->compact_at : COMPACT_LINES;
    r->why = NULL;
    *out = r;
    return 0;
}

void revoked_free(struct revoked *r)
{
    if (!r) {
        return;
    }
    while (r->ends.n > 0) {
        take_out(r, (struct entry *)(void *)r->ends.v[r->ends.n - 1]);
    }
    expiry_fini(&r->ends);
    revfile_close(r->file);
    (void)pthread_rwlock_destroy(&r->table);
    (void)pthread_mutex_destroy(&r->writers);
    free(r);
}

/* ---- changing ---- */

static int obtain(struct revoked *r, const struct revline *l, unsigned max, struct entry **out,
                  struct errmsg *why)
{
    int rc = 0;

    (void)pthread_rwlock_wrlock(&r->table);
    forget_expired(r, l->since_ms, FORGET);
    *out = find(r, l->is_user, l->name);
    if (!*out && r->ends.n >= max) {
        rc = errmsg_set(why, ERR_LIMIT,
                        "there are as many revocations as max-revocations allows (%u)", max);
    } else if (!*out) {
        *out = put_in(r, l);
        rc = *out ? 0 : errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    (void)pthread_rwlock_unlock(&r->table);
    return rc;
}

int revoked_add(struct revoked *r, bool is_user, struct str name, uint64_t since_ms,
                uint64_t until_ms, unsigned max, struct errmsg *why)
{
    struct revline l = {
        .is_user = is_user, .since_ms = since_ms, .until_ms = until_ms, .name = name};
    struct entry *x = NULL;
    int rc;

    if (name.len == 0 || name.len > REVFILE_NAME_MAX || until_ms <= since_ms) {
        return errmsg_set(why, ERR_INVALID, "a revocation has a name and an end that is to come");
    }
    (void)pthread_mutex_lock(&r->writers);
    rc = obtain(r, &l, max, &x, why);
    if (rc == 0 && x->counts) {
        l.since_ms = x->since_ms > since_ms ? x->since_ms : since_ms;
        l.until_ms = x->end.at_ms > until_ms ? x->end.at_ms : until_ms;
    }
    rc = rc ? rc : append(r, &l, since_ms, why);
    (void)pthread_rwlock_wrlock(&r->table);
    if (rc == 0) {
        x->counts = true;
        x->since_ms = l.since_ms;
        expiry_move(&r->ends, &x->end, l.until_ms);
    } else if (x && !x->counts) {
        take_out(r, x);
    }
    (void)pthread_rwlock_unlock(&r->table);
    if (rc == 0 && r->file) {
        compact(r, since_ms);
    }
    (void)pthread_mutex_unlock(&r->writers);
    return rc;
}

int revoked_raise(struct revoked *r, struct str user, uint64_t since_ms, uint64_t now_ms,
                  struct errmsg *why)
{
    struct entry *x;
    int rc = 0;

    (void)pthread_mutex_lock(&r->writers);
    x = find(r, true, user);
    if (!x || !x->counts || x->end.at_ms <= now_ms) {
        rc = errmsg_set(why, ERR_NOT_FOUND, "it is not revoked");
    } else if (since_ms > x->since_ms) {
        struct revline l = line_of(x);
        l.since_ms = since_ms;
        (void)pthread_rwlock_wrlock(&r->table);
        x->since_ms = since_ms;
        (void)pthread_rwlock_unlock(&r->table);
        rc = append(r, &l, now_ms, why);
    }
    if (rc == 0 && r->file) {
        compact(r, now_ms);
    }
    (void)pthread_mutex_unlock(&r->writers);
    return rc;
}

int revoked_remove(struct revoked *r, bool is_user, struct str name, struct errmsg *why)
{
    struct revline l = {.is_user = is_user, .undo = true, .name = name};
    struct entry *x;
    int rc;

    (void)pthread_mutex_lock(&r->writers);
    x = find(r, is_user, name);
    rc = x ? append(r, &l, 0, why) : errmsg_set(why, ERR_NOT_FOUND, "it is not revoked");
    if (rc == 0) {
        (void)pthread_rwlock_wrlock(&r->table);
        take_out(r, x);
        (void)pthread_rwlock_unlock(&r->table);
    }
    if (rc == 0 && r->file) {
        compact(r, 0);
    }
    (void)pthread_mutex_unlock(&r->writers);
    return rc;
}

/* ---- looking up ---- */

bool revoked_user(struct revoked *r, struct str user, uint64_t issued_ms, uint64_t now_ms)
{
    (void)pthread_rwlock_rdlock(&r->table);
    const struct entry *x = find(r, true, user);
    bool is = x && x->counts && x->end.at_ms > now_ms && issued_ms <= x->since_ms;
    (void)pthread_rwlock_unlock(&r->table);
    return is;
}

bool revoked_token(struct revoked *r, struct str jti, uint64_t now_ms)
{
    (void)pthread_rwlock_rdlock(&r->table);
    const struct entry *x = find(r, false, jti);
    bool is = x && x->counts && x->end.at_ms > now_ms;
    (void)pthread_rwlock_unlock(&r->table);
    return is;
}

uint64_t revoked_since(struct revoked *r, struct str user, uint64_t now_ms)
{
    (void)pthread_rwlock_rdlock(&r->table);
    const struct entry *x = find(r, true, user);
    uint64_t since = x && x->counts && x->end.at_ms > now_ms ? x->since_ms : 0;
    (void)pthread_rwlock_unlock(&r->table);
    return since;
}

void revoked_each(struct revoked *r, uint64_t now_ms,
                  void (*each)(void *ctx, bool is_user, struct str name, uint64_t since_ms,
                               uint64_t until_ms),
                  void *ctx)
{
    (void)pthread_rwlock_rdlock(&r->table);
    for (int kind = 0; kind < 2; kind++) {
        const struct entry *x = *head_of(r, kind == 0);
        for (; x; x = x->hh.next) {
            if (x->counts && x->end.at_ms > now_ms) {
                each(ctx, x->is_user, name_of(x), x->since_ms, x->end.at_ms);
            }
        }
    }
    (void)pthread_rwlock_unlock(&r->table);
}
