/* The heap against a plain list. */
#include "auth/expiry.h"

#include "test_core_nomem.h"

enum { THINGS = 200, ROUNDS = 20000 };

static uint64_t rng = 88172645463325252u;

static unsigned rnd(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng >> 33) % n;
}

Test(expiry, as_the_model_says)
{
    static struct expiring things[THINGS];
    static bool in[THINGS];
    struct expiry e = {0};
    size_t n = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = rnd(THINGS);
        uint64_t at = 1 + rnd(1000);
        if (!in[i]) {
            cr_assert_eq(expiry_add(&e, &things[i], at), 0);
            n++;
            in[i] = true;
        } else if (rnd(2)) {
            expiry_move(&e, &things[i], at);
        } else {
            expiry_remove(&e, &things[i]);
            n--;
            in[i] = false;
        }
        uint64_t first = UINT64_MAX;
        for (unsigned j = 0; j < THINGS; j++) {
            first = in[j] && things[j].at_ms < first ? things[j].at_ms : first;
        }
        cr_assert_eq(e.n, n);
        cr_assert_null(expiry_due(&e, first - 1));
        cr_assert(n == 0 || expiry_due(&e, first)->at_ms == first);
    }
    expiry_fini(&e);
    cr_assert_null(expiry_due(&e, UINT64_MAX));
}

Test(expiry, without_memory, .init = nomem_ready)
{
    struct expiry e = {0};
    struct expiring x;

    left = 0;
    int rc = expiry_add(&e, &x, 1);
    left = -1;
    cr_assert_eq(rc, ERR_NOMEM);
    cr_assert_null(expiry_due(&e, 1));
    cr_assert_eq(expiry_add(&e, &x, 1), 0);
    cr_assert_eq(expiry_due(&e, 1), &x);
    expiry_fini(&e);
}
