/* Every allocation of a session fails once, OpenSSL's own ones too: an error, no leak, and the next
 * session is as good as ever. */
#include "support_tls.h"
#pragma GCC visibility push(default)
#include "test_core_nomem.h"
#pragma GCC visibility pop

static struct options opt;
static struct tls_cert one;
static struct tls_ctx *ctx;
static SSL_CTX *client;

static void start(void)
{
    struct errmsg why;

    nomem_ready();
    tls_folder();
    cr_assert_eq(options_init(&opt), 0);
    one = tls_simple("one", "localhost", "DNS:localhost", NULL);
    tls_add_pair(&opt, &one);
    cr_assert_eq(tls_ctx_new(&opt, &ctx, &why), 0);
    client = tls_client_ctx();
}

static void stop(void)
{
    SSL_CTX_free(client);
    tls_ctx_unref(ctx);
    tls_cert_fini(&one);
    options_fini(&opt);
    tls_remove_folder();
}

TestSuite(tls_nomem, .init = start, .fini = stop, .timeout = 300);

/* Only ours fail: those of the client at the other end must not. */
static int fails_at = -1;

static void ours(void)
{
    left = fails_at;
}

static void theirs(void)
{
    fails_at = left;
    left = -1;
}

static bool step(struct tls_ends *e)
{
    enum tls_step step;

    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(e->c);
        ours();
        step = tls_session_handshake(e->s, &e->why);
        theirs();
        if (step == TLS_DONE || step == TLS_FAILED) {
            break;
        }
    }
    return step == TLS_DONE;
}

/* A whole life. True if nothing failed. */
static bool live_once(void)
{
    struct tls_ends e = {.peer = -1};
    static char big[40000];
    char buf[64];
    int fd[2], size = 4608, rc;
    bool ok = false;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    e.fd = fd[0];
    e.peer = fd[1];
    setsockopt(e.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    e.c = SSL_new(client);
    SSL_set_fd(e.c, e.peer);
    SSL_set_connect_state(e.c);
    ours();
    rc = tls_session_new(ctx, e.fd, &tls_scratch, &e.s);
    theirs();
    if (rc == 0) {
        e.t = tls_session_transport(e.s);
        if (step(&e)) {
            SSL_write(e.c, "hello", 5);
            ours();
            ok = tls_get(&e, buf, sizeof(buf)) == 5 && tls_put(&e, big, sizeof(big)) > 0 &&
                 e.t->ops->flush(e.t) >= 0 && tls_session_force(e.s, big, sizeof(big)) == 0;
            (void)e.t->ops->shutdown(e.t);
            theirs();
        }
    }
    tls_over(&e);
    return ok;
}

Test(tls_nomem, a_session)
{
    long before;
    int n = 0;

    cr_assert(live_once());
    cr_assert(live_once());
    for (;; n++) {
        bool ok;
        before = live;
        fails_at = n;
        ok = live_once();
        if (fails_at >= 0) {
            cr_assert(ok);
            break;
        }
        cr_assert(live_once(), "after %d", n);
        cr_assert_leq(live, before + 2, "%d leaks %ld", n, live - before);
    }
    cr_assert_gt(n, 100);
}
