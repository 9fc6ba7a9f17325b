#include "auth/tickets.h"

#include "auth/base64url.h"
#include "auth/expiry.h"
#include "base/map.h"
#include "base/rng.h"

#include <nettle/sha2.h>
#include <pthread.h>
#include <stdlib.h>

#define PREFIX "fft_"
#define TICKET_BYTES 32
#define FORGET 64 /* expired ones at a time */

_Static_assert(sizeof(PREFIX) - 1 + BASE64URL_DIGITS(TICKET_BYTES) == AUTH_TICKET_LEN, "the form");

struct ticket {
    struct expiring end; /* first */
    UT_hash_handle hh;
    struct grant *grant;
    uint8_t digest[SHA256_DIGEST_SIZE];
};

struct tickets {
    pthread_mutex_t lock;
    struct ticket *head;
    struct expiry ends;
    uint64_t seed;
};

int tickets_new(struct tickets **out)
{
    struct tickets *t = calloc(1, sizeof(*t));
    struct rng rng;

    *out = NULL;
    if (!t) {
        return ERR_NOMEM;
    }
    if (rng_init(&rng) != 0) {
        free(t);
        return ERR_SYSTEM;
    }
    t->seed = rng_u64(&rng);
    explicit_bzero(&rng, sizeof rng);
    (void)pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return 0;
}

/* Out of the table; its grant goes to the caller. */
static struct grant *take_out(struct tickets *t, struct ticket *x)
{
    struct grant *g = x->grant;

    HASH_DELETE(hh, t->head, x);
    expiry_remove(&t->ends, &x->end);
    free(x);
    return g;
}

/* Some at a time, which is more than come. What stays does not count, but for its place. */
static void forget_expired(struct tickets *t, uint64_t now_ms, unsigned some)
{
    struct expiring *x;

    while (some-- > 0 && (x = expiry_due(&t->ends, now_ms)) != NULL) {
        grant_unref(take_out(t, (struct ticket *)(void *)x));
    }
}

void tickets_free(struct tickets *t)
{
    if (t) {
        while (t->ends.n > 0) {
            forget_expired(t, UINT64_MAX, FORGET);
        }
        expiry_fini(&t->ends);
        (void)pthread_mutex_destroy(&t->lock);
        free(t);
    }
}

/* Also whether it is a ticket's text. */
static bool digest_of(struct str text, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct str prefix = STR_LIT(PREFIX);
    uint8_t bytes[BASE64URL_BYTES(AUTH_TICKET_LEN)];
    struct sha256_ctx sha;
    size_t len;

    if (text.len != AUTH_TICKET_LEN || !str_starts(text, prefix) ||
        base64url_decode((struct str){text.p + prefix.len, text.len - prefix.len}, bytes, &len) !=
            0) {
        return false;
    }
    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.p);
    sha256_digest(&sha, SHA256_DIGEST_SIZE, digest);
    explicit_bzero(&sha, sizeof sha);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

static struct ticket *find(const struct tickets *t, const uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct str key = {(const char *)digest, SHA256_DIGEST_SIZE};
    struct ticket *x = NULL;
    unsigned h = map_hash(t->seed, key);

    HASH_FIND_BYHASHVALUE(hh, t->head, digest, SHA256_DIGEST_SIZE, h, x);
    return x;
}

static int put_in(struct tickets *t, struct ticket *x, uint64_t until_ms)
{
    unsigned h = map_hash(t->seed, (struct str){(const char *)x->digest, sizeof x->digest});
    int rc = expiry_add(&t->ends, &x->end, until_ms);

    if (rc != 0) {
        return rc;
    }
    HASH_ADD_BYHASHVALUE(hh, t->head, digest, sizeof x->digest, h, x);
    if (!x->hh.tbl) {
        expiry_remove(&t->ends, &x->end);
        return ERR_NOMEM;
    }
    return 0;
}

int tickets_return(struct tickets *t, struct str text, struct grant *g, uint64_t now_ms,
                   uint64_t until_ms, unsigned max)
{
    struct ticket *x = calloc(1, sizeof(*x));
    int rc = 0;

    if (!x) {
        return ERR_NOMEM;
    }
    if (!digest_of(text, x->digest)) {
        free(x);
        return ERR_INVALID;
    }
    x->grant = grant_ref(g);
    (void)pthread_mutex_lock(&t->lock);
    forget_expired(t, now_ms, FORGET);
    if (find(t, x->digest)) {
        rc = ERR_EXISTS;
    } else if (t->ends.n >= max) {
        rc = ERR_LIMIT;
    } else {
        rc = put_in(t, x, until_ms);
    }
    (void)pthread_mutex_unlock(&t->lock);
    if (rc != 0) {
        grant_unref(g);
        free(x);
    }
    return rc;
}

int tickets_issue(struct tickets *t, struct grant *g, uint64_t now_ms, uint64_t until_ms,
                  unsigned max, char out[AUTH_TICKET_LEN + 1])
{
    uint8_t bytes[TICKET_BYTES];
    struct rng rng;
    int rc;

    memset(out, 0, AUTH_TICKET_LEN + 1);
    if (rng_init(&rng) != 0) {
        return ERR_SYSTEM;
    }
    rng_bytes(&rng, bytes, sizeof bytes);
    explicit_bzero(&rng, sizeof rng);
    memcpy(out, PREFIX, sizeof(PREFIX) - 1);
    base64url_encode(bytes, sizeof bytes, out + sizeof(PREFIX) - 1);
    explicit_bzero(bytes, sizeof bytes);
    rc = tickets_return(t, (struct str){out, AUTH_TICKET_LEN}, g, now_ms, until_ms, max);
    if (rc != 0) {
        explicit_bzero(out, AUTH_TICKET_LEN + 1);
    }
    return rc;
}

enum auth_outcome tickets_spend(struct tickets *t, struct str text, uint64_t now_ms,
                                struct grant **out)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    enum auth_outcome outcome = AUTH_UNKNOWN;
    struct ticket *x;

    *out = NULL;
    if (!digest_of(text, digest)) {
        return AUTH_MALFORMED;
    }
    (void)pthread_mutex_lock(&t->lock);
    x = find(t, digest);
    if (x) {
        bool expired = x->end.at_ms <= now_ms;
        outcome = expired ? AUTH_EXPIRED : AUTH_OK;
        *out = take_out(t, x);
    }
    (void)pthread_mutex_unlock(&t->lock);
    if (outcome == AUTH_EXPIRED) {
        grant_unref(*out);
        *out = NULL;
    }
    return outcome;
}

unsigned tickets_count(struct tickets *t)
{
    unsigned n;

    (void)pthread_mutex_lock(&t->lock);
    n = (unsigned)t->ends.n;
    (void)pthread_mutex_unlock(&t->lock);
    return n;
}
