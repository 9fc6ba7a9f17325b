/* Many threads at one auth, for the thread sanitizer: they check, make and spend tickets, revoke,
 * and the configuration is read again all the time. Every ticket is spent exactly once, though
 * several try; who is revoked is never let in; whose key stays is never kept out. */
#include "auth/auth.h"
#include "auth/jwt.h"
#include "auth/keyfile.h"
#include "base/clock.h"
#include "support_stress.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAKERS = 2, SPENDERS = 3, CHECKERS = 2, TICKETS = 3000, SLOTS = 64, REVOCATIONS = 300 };

#define API_KEY "api-key-of-no-less-than-32-characters"
#define SECRET "0123456789abcdef0123456789abcdef"

static struct auth *a;
static struct options o;
static char dir[64], keys[96];
static char key[KEYFILE_KEY_MAX], passing[KEYFILE_KEY_MAX];
static char *token;
static atomic_bool over;
static atomic_uint spent, refused, made, faults, reloads, checks;

/* Tickets on their way: everybody may copy one, nobody takes it away. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char slots[SLOTS][AUTH_TICKET_LEN + 1];
static unsigned next_slot;

static void wrong(const char *what)
{
    if (atomic_fetch_add(&faults, 1) < 5) {
        fprintf(stderr, "%s\n", what);
    }
}

static void must(int rc, const struct errmsg *why)
{
    if (rc != 0) {
        fprintf(stderr, "%d: %s\n", rc, why->text);
        abort();
    }
}

static enum auth_outcome check(enum auth_place place, const char *text)
{
    struct errmsg why;
    struct grant *g = NULL;
    enum auth_outcome outcome = auth_check(a, place, str_of(text), clock_real_ms(), &g, &why);

    if ((g != NULL) != (outcome == AUTH_OK)) {
        wrong("a grant without AUTH_OK, or none with it");
    }
    grant_unref(g);
    return outcome;
}

static void *maker(void *arg)
{
    const struct grant_spec spec = {
        .kind = GRANT_CLIENT, .user = STR_LIT("ann"), .issued_ms = clock_real_ms()};
    struct grant *g = NULL;

    (void)arg;
    if (grant_new(&spec, &g) != 0) {
        abort();
    }
    for (unsigned i = 0; i < TICKETS; i++) {
        char text[AUTH_TICKET_LEN + 1];
        uint64_t until;
        if (auth_ticket_new(a, g, clock_real_ms(), text, &until) != 0) {
            wrong("no ticket");
            continue;
        }
        atomic_fetch_add(&made, 1);
        /* A slot that is taken over is spent first, so that none is lost. */
        char old[AUTH_TICKET_LEN + 1];
        pthread_mutex_lock(&lock);
        memcpy(old, slots[next_slot], sizeof old);
        memcpy(slots[next_slot], text, sizeof text);
        next_slot = (next_slot + 1) % SLOTS;
        pthread_mutex_unlock(&lock);
        if (*old && check(AUTH_TICKET, old) == AUTH_OK) {
            atomic_fetch_add(&spent, 1);
        }
    }
    grant_unref(g);
    return NULL;
}

static void *spender(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;

    while (!atomic_load(&over)) {
        char text[AUTH_TICKET_LEN + 1];
        pthread_mutex_lock(&lock);
        memcpy(text, slots[rnd(&rng, SLOTS)], sizeof text);
        pthread_mutex_unlock(&lock);
        if (!*text) {
            continue;
        }
        switch (check(AUTH_TICKET, text)) {
        case AUTH_OK:
            atomic_fetch_add(&spent, 1);
            break;
        case AUTH_UNKNOWN:
            atomic_fetch_add(&refused, 1);
            break;
        default:
            wrong("a ticket that is neither good nor unknown");
        }
    }
    return NULL;
}

static void *checker(void *arg)
{
    struct errmsg why;
    struct grant *g = NULL;

    (void)arg;
    must(auth_check(a, AUTH_HEADER, str_of(key), clock_real_ms(), &g, &why) != AUTH_OK, &why);
    while (!atomic_load(&over)) {
        struct str name;
        bool is_signed;
        enum auth_outcome outcome = check(AUTH_HEADER, passing);
        if (outcome != AUTH_OK && outcome != AUTH_UNKNOWN) {
            wrong("a key that comes and goes is something else");
        }
        if (check(AUTH_HEADER, API_KEY) != AUTH_OK || check(AUTH_HEADER, key) != AUTH_OK ||
            check(AUTH_QUERY, token) != AUTH_OK || check(AUTH_NOWHERE, "") != AUTH_MISSING) {
            wrong("who stays is kept out");
        }
        if (auth_recheck(a, g, clock_real_ms()) != AUTH_OK) {
            wrong("a key that stays is gone");
        }
        if (auth_channel(a, STR_LIT("a~~b"), 1, &name, &is_signed, &why) != AUTH_MALFORMED) {
            wrong("a bad signature passes");
        }
        atomic_fetch_add(&checks, 1);
    }
    grant_unref(g);
    return NULL;
}

static void *reloader(void *arg)
{
    struct keyfile_info info = {.id = STR_LIT("passing"), .nsecrets = 1};
    struct errmsg why;

    (void)arg;
    while (!atomic_load(&over)) {
        char text[KEYFILE_KEY_MAX];
        must(keyfile_add(keys, &info, text, &why), &why);
        must(auth_reload(a, &o, &why), &why);
        must(keyfile_revoke(keys, info.id, &why), &why);
        must(auth_reload(a, &o, &why), &why);
        atomic_fetch_add(&reloads, 1);
        explicit_bzero(text, sizeof text);
    }
    return NULL;
}

static void count(void *ctx, bool is_user, struct str name, uint64_t since_ms, uint64_t until_ms)
{
    (void)is_user, (void)name;
    *(unsigned *)ctx += until_ms > since_ms;
}

static void *revoker(void *arg)
{
    uint64_t now = clock_real_ms();
    struct grant_spec spec = {.kind = GRANT_CLIENT, .issued_ms = now - 1};
    struct errmsg why;

    for (unsigned i = 0; i < REVOCATIONS; i++) {
        char name[32];
        struct grant *g = NULL;
        unsigned n = 0;
        spec.user = (struct str){
            name, (size_t)snprintf(name, sizeof name, "u%s%u", (const char *)arg, i % 20)};
        if (grant_new(&spec, &g) != 0) {
            abort();
        }
        must(auth_revoke_user(a, spec.user, now, now + 3600000, &why), &why);
        if (auth_recheck(a, g, now) != AUTH_REVOKED) {
            wrong("who is revoked is let in");
        }
        auth_revocations(a, now, count, &n);
        if (n == 0) {
            wrong("a revocation is not listed");
        }
        if (i % 3 == 0) {
            must(auth_unrevoke_user(a, spec.user, &why), &why);
            if (auth_recheck(a, g, now) != AUTH_OK) {
                wrong("who is not revoked any more is kept out");
            }
        }
        grant_unref(g);
    }
    return NULL;
}

static void set(const char *name, const char *value)
{
    struct errmsg why;

    must(options_set(&o, name, value, OPT_FROM_SET, &why), &why);
}

static void prepare(void)
{
    struct keyfile_info info = {.id = STR_LIT("stays"), .nsecrets = 1};
    char path[96], spec[112];
    struct errmsg why = {""};
    FILE *f;

    strcpy(dir, "/tmp/fanfare-auth-XXXXXX");
    if (!mkdtemp(dir)) {
        abort();
    }
    snprintf(keys, sizeof keys, "%s/keys", dir);
    snprintf(path, sizeof path, "%s/secret", dir);
    must(keyfile_add(keys, &info, key, &why), &why);
    info.id = STR_LIT("passing");
    must(keyfile_add(keys, &info, passing, &why), &why);
    must(keyfile_revoke(keys, info.id, &why), &why);
    f = fopen(path, "we");
    if (!f || fputs(SECRET, f) < 0 || fclose(f) != 0 || chmod(path, 0600) != 0) {
        abort();
    }
    snprintf(spec, sizeof spec, "HS256=%s", path);
    must(jwt_sign(spec, STR_LIT("{\"sub\":\"bob\"}"), &token, &why), &why);
    must(options_init(&o), &why);
    set("keys", keys);
    set("api-key", API_KEY);
    set("token-secret", SECRET);
    set("channel-secret", SECRET);
    snprintf(path, sizeof path, "%s/revocations", dir);
    set("revocations", path);
    must(auth_new(&o, &a, &why), &why);
}

/* The file has what the table had. */
static void restart(void)
{
    struct errmsg why;
    unsigned before = 0, after = 0;

    auth_revocations(a, clock_real_ms(), count, &before);
    auth_free(a);
    must(auth_new(&o, &a, &why), &why);
    auth_revocations(a, clock_real_ms(), count, &after);
    if (before != after || before == 0) {
        wrong("the file has not what was revoked");
    }
    printf("revocations %u, after a restart %u\n", before, after);
    auth_free(a);
}

int main(void)
{
    enum { ALL = MAKERS + SPENDERS + CHECKERS + 3 };
    pthread_t threads[ALL];
    unsigned n = 0;
    char command[96];

    prepare();
    for (unsigned i = 0; i < SPENDERS; i++) {
        pthread_create(&threads[n++], NULL, spender, (void *)(uintptr_t)(i + 77));
    }
    for (unsigned i = 0; i < CHECKERS; i++) {
        pthread_create(&threads[n++], NULL, checker, NULL);
    }
    pthread_create(&threads[n++], NULL, reloader, NULL);
    unsigned bounded = n; /* the others end by themselves */
    pthread_create(&threads[n++], NULL, revoker, (void *)(uintptr_t) "a");
    pthread_create(&threads[n++], NULL, revoker, (void *)(uintptr_t) "b");
    for (unsigned i = 0; i < MAKERS; i++) {
        pthread_create(&threads[n++], NULL, maker, NULL);
    }
    for (unsigned i = bounded; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < bounded; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (*slots[i] && check(AUTH_TICKET, slots[i]) == AUTH_OK) {
            atomic_fetch_add(&spent, 1);
        }
    }
    printf("tickets %u, spent %u, refused %u, checks %u, reloads %u, faults %u\n",
           atomic_load(&made), atomic_load(&spent), atomic_load(&refused), atomic_load(&checks),
           atomic_load(&reloads), atomic_load(&faults));
    restart();
    options_fini(&o);
    free(token);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 || atomic_load(&faults) != 0 || atomic_load(&made) == 0 ||
           atomic_load(&made) != atomic_load(&spent) || atomic_load(&reloads) == 0;
}
