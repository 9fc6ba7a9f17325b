#include "auth/keyfile.h"

#include "auth/keyfile_build.h"
#include "auth/slurp.h"
#include "proto/name.h"

#include <errno.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_ROOM (NAME_MAX_LEN + 1)
/* "certificate:" and a name, or "peer:" and a number. */
#define BASIS_MAX (NAME_ROOM + 16)
#define SECRET_DIGITS 43

_Static_assert(KEYDOC_DIGEST == SHA256_DIGEST_SIZE, "the file has SHA-256");

struct key {
    struct str id; /* of its first grant */
    unsigned nsecrets, ngrants;
    uint8_t secrets[KEYFILE_SECRETS][KEYDOC_DIGEST];
    /* One for each secret, in that order; then certificate and peer. They differ in `basis`. */
    struct grant *grants[KEYFILE_SECRETS + 2];
};

struct keyfile {
    struct key *keys; /* by id */
    struct key **sorted;
    unsigned n;
    struct grant **others; /* of certificates and peers, by basis; borrowed from the keys */
    unsigned nothers;
};

/* ---- making ---- */

/* Line 0 is the whole file. */
static int spoil(const char *path, unsigned line, struct errmsg *why, int rc, const char *text)
{
    char shown[SLURP_SHOWN];

    if (!path) {
        return errmsg_set(why, rc, "%s", text);
    }
    slurp_shown(path, shown);
    return line > 0 ? errmsg_set(why, rc, "%s:%u: %s", shown, line, text)
                    : errmsg_set(why, rc, "%s: %s", shown, text);
}

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    return s.len > 0 && s.len < 10;
}

static int find_user(struct str name, uid_t *out, struct errmsg *why)
{
    char text[NAME_ROOM];
    char buf[16384];
    struct passwd pw, *found = NULL;
    int rc;

    (void)snprintf(text, sizeof text, "%.*s", (int)name.len, name.p);
    if (is_number(name)) {
        *out = (uid_t)strtoul(text, NULL, 10);
        return 0;
    }
    do {
        rc = getpwnam_r(text, &pw, buf, sizeof buf, &found);
    } while (rc == EINTR);
    if (!found) {
        return errmsg_set(why, ERR_INVALID, "peer: there is no user %.100s%s%s", text,
                          rc ? ": " : "", rc ? strerror(rc) : "");
    }
    *out = pw.pw_uid;
    return 0;
}

/* One grant more, for another way to show that one has the key. */
static int add_grant(struct key *key, struct grant_spec *spec, struct str basis)
{
    spec->basis = basis;
    int rc = grant_new(spec, &key->grants[key->ngrants]);

    key->ngrants += rc == 0;
    return rc;
}

static int build_key(const char *path, const struct keydoc_key *k, struct key *key,
                     struct errmsg *why)
{
    struct grant_spec spec = {.kind = GRANT_KEY,
                              .rights = k->rights,
                              .id = k->id,
                              .lists_subscribe = true,
                              .publish = k->publish,
                              .npublish = k->npublish,
                              .expires_ms = k->expires_ms,
                              .until_ms = k->expires_ms};
    char basis[BASIS_MAX];
    struct errmsg inner;
    uid_t uid;
    int rc = 0;

    memcpy(key->secrets, k->secrets, sizeof key->secrets);
    for (unsigned i = 0; i < k->nsecrets && rc == 0; i++) {
        rc = add_grant(key, &spec, (struct str){(const char *)k->secrets[i], KEYDOC_DIGEST});
    }
    key->nsecrets = rc == 0 ? k->nsecrets : 0;
    if (rc == 0 && k->certificate.len > 0) {
        (void)snprintf(basis, sizeof basis, "certificate:%.*s", (int)k->certificate.len,
                       k->certificate.p);
        rc = add_grant(key, &spec, str_of(basis));
    }
    if (rc == 0 && k->peer.len > 0) {
        rc = find_user(k->peer, &uid, &inner);
        if (rc != 0) {
            return spoil(path, k->line, why, rc, inner.text);
        }
        (void)snprintf(basis, sizeof basis, "peer:%lu", (unsigned long)uid);
        rc = add_grant(key, &spec, str_of(basis));
    }
    if (rc != 0) {
        return spoil(path, k->line, why, rc, err_text(rc));
    }
    key->id = key->grants[0]->s.id;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return str_cmp((*(struct key *const *)a)->id, (*(struct key *const *)b)->id);
}

static int by_basis(const void *a, const void *b)
{
    return str_cmp((*(struct grant *const *)a)->s.basis, (*(struct grant *const *)b)->s.basis);
}

static int build_index(const char *path, struct keyfile *f, struct errmsg *why)
{
    char text[160];

    for (unsigned i = 0; i < f->n; i++) {
        struct key *key = &f->keys[i];
        f->sorted[i] = key;
        for (unsigned j = key->nsecrets; j < key->ngrants; j++) {
            f->others[f->nothers++] = key->grants[j];
        }
    }
    qsort(f->sorted, f->n, sizeof(struct key *), by_id);
    qsort(f->others, f->nothers, sizeof(struct grant *), by_basis);
    for (unsigned i = 1; i < f->nothers; i++) {
        struct grant *one = f->others[i - 1], *two = f->others[i];
        if (str_eq(one->s.basis, two->s.basis)) {
            (void)snprintf(text, sizeof text, "the keys [%.*s] and [%.*s] have the same %s",
                           (int)one->s.id.len, one->s.id.p, (int)two->s.id.len, two->s.id.p,
                           one->s.basis.p[0] == 'c' ? "certificate" : "peer");
            return spoil(path, 0, why, ERR_INVALID, text);
        }
    }
    return 0;
}

int keyfile_build(const char *path, const struct keydoc *d, struct keyfile **out,
                  struct errmsg *why)
{
    struct keyfile *f = calloc(1, sizeof(*f));
    int rc = 0;

    *out = NULL;
    if (f) {
        f->keys = calloc(d->n + 1u, sizeof(*f->keys));
        f->sorted = calloc(d->n + 1u, sizeof(*f->sorted));
        f->others = calloc(d->n * 2u + 1u, sizeof(*f->others));
    }
    if (!f || !f->keys || !f->sorted || !f->others) {
        rc = spoil(path, 0, why, ERR_NOMEM, err_text(ERR_NOMEM));
    }
    for (unsigned i = 0; i < d->n && rc == 0; i++) {
        f->n++;
        rc = build_key(path, &d->keys[i], &f->keys[i], why);
    }
    if (rc == 0) {
        rc = build_index(path, f, why);
    }
    if (rc != 0) {
        keyfile_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

int keyfile_load(const char *path, struct keyfile **out, struct errmsg *why)
{
    struct keydoc d;
    char *text = NULL;
    size_t len = 0;
    int rc = keydoc_read(path, &text, &len, why);

    *out = NULL;
    if (rc != 0) {
        return rc;
    }
    rc = keydoc_parse(path, (struct str){text, len}, &d, why);
    if (rc == 0) {
        rc = keyfile_build(path, &d, out, why);
        keydoc_fini(&d);
    }
    slurp_free(text, len);
    return rc;
}

void keyfile_free(struct keyfile *f)
{
    if (!f) {
        return;
    }
    for (unsigned i = 0; i < f->n; i++) {
        for (unsigned j = 0; j < f->keys[i].ngrants; j++) {
            grant_unref(f->keys[i].grants[j]);
        }
    }
    free(f->keys);
    free(f->sorted);
    free(f->others);
    free(f);
}

unsigned keyfile_count(const struct keyfile *f)
{
    return f->n;
}

/* ---- finding ---- */

static const struct key *find_key(const struct keyfile *f, struct str id)
{
    const struct key wanted = {.id = id};
    const struct key *p = &wanted;
    struct key **found = bsearch(&p, f->sorted, f->n, sizeof(struct key *), by_id);

    return found ? *found : NULL;
}

/* The id in a key's text. Neither it nor the prefix has an underscore, the secret may have. */
static bool id_of_text(struct str text, struct str *id)
{
    struct str prefix = STR_LIT(KEYFILE_PREFIX);

    if (!str_starts(text, prefix) || text.len < prefix.len + 2 + SECRET_DIGITS) {
        return false;
    }
    *id = (struct str){text.p + prefix.len, text.len - prefix.len - 1 - SECRET_DIGITS};
    return text.p[text.len - SECRET_DIGITS - 1] == '_' && keydoc_is_id(*id);
}

struct grant *keyfile_by_text(const struct keyfile *f, struct str text)
{
    static const struct key nobody = {.nsecrets = 0};
    uint8_t digest[KEYDOC_DIGEST];
    struct sha256_ctx sha;
    struct grant *found = NULL;
    struct str id;

    if (!id_of_text(text, &id)) {
        return NULL;
    }
    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.p);
    sha256_digest(&sha, sizeof digest, digest);
    explicit_bzero(&sha, sizeof sha);
    const struct key *key = find_key(f, id);
    if (!key) {
        key = &nobody;
    }
    /* All places are looked at, those without a secret too. */
    for (unsigned i = 0; i < KEYFILE_SECRETS; i++) {
        int same = memeql_sec(digest, key->secrets[i], sizeof digest);
        if (same && i < key->nsecrets) {
            found = key->grants[i];
        }
    }
    return found;
}

static struct grant *find_other(const struct keyfile *f, const char *basis)
{
    struct grant wanted = {.s = {.basis = str_of(basis)}};
    struct grant *p = &wanted;
    struct grant **found = bsearch(&p, f->others, f->nothers, sizeof(struct grant *), by_basis);

    return found ? *found : NULL;
}

struct grant *keyfile_by_uid(const struct keyfile *f, uid_t uid)
{
    char basis[BASIS_MAX];

    (void)snprintf(basis, sizeof basis, "peer:%lu", (unsigned long)uid);
    return find_other(f, basis);
}

struct grant *keyfile_by_certificate(const struct keyfile *f, struct str name)
{
    char basis[BASIS_MAX];

    if (name.len == 0 || name.len > NAME_ROOM - 1 || memchr(name.p, '\0', name.len)) {
        return NULL;
    }
    (void)snprintf(basis, sizeof basis, "certificate:%.*s", (int)name.len, name.p);
    return find_other(f, basis);
}

static bool same_permissions(const struct grant_spec *a, const struct grant_spec *b)
{
    bool same =
        a->rights == b->rights && a->expires_ms == b->expires_ms && a->npublish == b->npublish;

    for (unsigned i = 0; i < a->npublish && same; i++) {
        same = str_eq(a->publish[i], b->publish[i]);
    }
    return same;
}

enum keyfile_still keyfile_still(const struct keyfile *f, const struct grant *g)
{
    const struct key *key = find_key(f, g->s.id);

    for (unsigned i = 0; key && i < key->ngrants; i++) {
        if (str_eq(key->grants[i]->s.basis, g->s.basis)) {
            return same_permissions(&key->grants[i]->s, &g->s) ? KEYFILE_SAME : KEYFILE_CHANGED;
        }
    }
    return KEYFILE_GONE;
}
