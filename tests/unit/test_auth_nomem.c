/* Every allocation fails once: the answer is an error, nothing leaks, nothing has changed, and the
 * same call succeeds afterwards. */
#include "auth/auth.h"
#include "auth/keyfile.h"
#include "auth/revoked.h"
#include "auth/setup.h"
#include "support_auth.h"

#include "test_core_nomem.h"

static struct errmsg why;
static char key[KEYFILE_KEY_MAX];

static void start(void)
{
    nomem_ready();
    dir_make();
}

TestSuite(auth_nomem, .init = start, .fini = dir_drop);

/* Calls with one more allocation each time, until none fails. How often the call did. */
static unsigned until_it_works(int (*call)(void *ctx), void *ctx)
{
    unsigned failures = 0;
    bool failed = true;

    for (int i = 0; failed; i++) {
        long before = live;
        left = i;
        int rc = call(ctx);
        failed = left < 0;
        left = -1;
        cr_assert(rc == 0 || failed, "%d: %s", rc, why.text);
        cr_assert(rc == 0 || live == before, "%ld blocks leak after %d", live - before, i);
        failures += rc != 0;
        cr_assert_lt(i, 10000);
    }
    return failures;
}

static int load(void *ctx)
{
    struct keyfile *f = NULL;
    int rc = keyfile_load(ctx, &f, &why);

    cr_assert((f != NULL) == (rc == 0));
    keyfile_free(f);
    return rc;
}

static int add(void *ctx)
{
    struct keyfile_info info = {.id = S("b"), .publish = S("c, d, e"), .nsecrets = 1};

    return keyfile_add(ctx, &info, key, &why);
}

static int rotate(void *ctx)
{
    return keyfile_rotate(ctx, S("a"), key, &why);
}

static int revoke_key(void *ctx)
{
    return keyfile_revoke(ctx, S("b"), &why);
}

Test(auth_nomem, keyfile)
{
    char path[128];
    static const char text[] = "[a]\ncertificate = x\npublish = a, b, c, d, e\nread = yes\n";

    strcpy(path, put_file("keys", text, 0600));
    cr_assert_gt(until_it_works(load, path), 5);
    cr_assert_gt(until_it_works(add, path), 5);
    cr_assert_eq(load(path), 0);
    cr_assert_gt(until_it_works(revoke_key, path), 2);
    cr_assert_str_eq(get_file("keys"), text);
    cr_assert_gt(until_it_works(rotate, path), 2);
    cr_assert_eq(load(path), 0);
}

struct revoking {
    struct revoked *r;
    const char *name;
};

static int revoke_user(void *ctx)
{
    const struct revoking *x = ctx;
    int rc = revoked_add(x->r, true, str_of(x->name), 100, 900, 100, &why);

    cr_assert(revoked_user(x->r, str_of(x->name), 50, 200) == (rc == 0));
    return rc;
}

static int open_file(void *ctx)
{
    struct revoked *r = NULL;
    int rc = revoked_new(ctx, 100, 100, &r, &why);

    cr_assert((r != NULL) == (rc == 0));
    revoked_free(r);
    return rc;
}

Test(auth_nomem, revoked)
{
    struct revoking x = {NULL, "zoe"};
    char path[128];

    strcpy(path, in_dir("rev"));
    cr_assert_eq(revoked_new(path, 100, 100, &x.r, &why), 0);
    cr_assert_eq(revoked_add(x.r, true, S("ann"), 100, 900, 100, &why), 0); /* the heap's array */
    cr_assert_gt(until_it_works(revoke_user, &x), 0);
    revoked_free(x.r);
    cr_assert_gt(until_it_works(open_file, path), 2);
    cr_assert_eq(open_file(path), 0);
}

static int make_setup(void *ctx)
{
    struct setup *s = NULL;
    int rc = setup_new(ctx, &s, &why);

    cr_assert((s != NULL) == (rc == 0));
    setup_unref(s);
    return rc;
}

Test(auth_nomem, setup)
{
    struct options o;

    cr_assert_eq(options_init(&o), 0);
    const char *const values[][2] = {
        {"keys", put_file("keys", "[a]\ncertificate = x\n", 0600)},
        {"api-key", "api-key-of-no-less-than-32-characters"},
        {"api-key-file", put_file("api", "api-key-of-no-less-than-32-characterS", 0600)},
        {"channel-secret", "0123456789abcdef0123456789abcdef"},
        {"anonymous", "yes"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cr_assert_eq(options_set(&o, values[i][0], values[i][1], OPT_FROM_SET, &why), 0);
    }
    cr_assert_eq(make_setup(&o), 0); /* what is made once for all is made now */
    cr_assert_gt(until_it_works(make_setup, &o), 20);
    options_fini(&o);
}
