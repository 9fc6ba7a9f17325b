#include "support_tls.h"

static struct options opt;
static struct tls_cert one;
static struct tls_ctx *ctx;
static struct errmsg why;

static void start(void)
{
    tls_folder();
    cr_assert_eq(options_init(&opt), 0);
    one = tls_simple("one", "localhost", "DNS:localhost", NULL);
    tls_add_pair(&opt, &one);
    cr_assert_eq(tls_ctx_new(&opt, &ctx, &why), 0, "%s", why.text);
}

static void stop(void)
{
    tls_ctx_unref(ctx);
    tls_cert_fini(&one);
    options_fini(&opt);
    tls_remove_folder();
}

TestSuite(tls_session, .init = start, .fini = stop, .timeout = 60);

static struct tls_ends connected(void)
{
    struct tls_ends e = tls_pair_up(ctx, NULL);

    cr_assert_eq(tls_shake(&e), TLS_DONE, "%s", e.why.text);
    return e;
}

Test(tls_session, carries_bytes_both_ways)
{
    struct tls_ends e = connected();
    char buf[64];

    cr_assert_str_eq(SSL_get_version(e.c), "TLSv1.3");
    cr_assert_eq(SSL_write(e.c, "hello", 5), 5);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), 5);
    cr_assert_eq(memcmp(buf, "hello", 5), 0);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), -1);
    cr_assert_eq(errno, EAGAIN);
    cr_assert_eq(tls_put(&e, "world", 5), 5);
    cr_assert_eq(e.t->waiting, 0);
    cr_assert_eq(SSL_read(e.c, buf, sizeof(buf)), 5);
    cr_assert_eq(memcmp(buf, "world", 5), 0);
    tls_over(&e);
}

/* One byte of the handshake at a time, in both directions. */
Test(tls_session, handshake_in_single_bytes)
{
    struct tls_ends e = tls_pair_up(ctx, NULL);
    BIO *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
    enum tls_step step = TLS_AGAIN;
    char byte;

    SSL_set_bio(e.c, in, out);
    for (int i = 0; i < 20000 && (step == TLS_AGAIN || !SSL_is_init_finished(e.c)); i++) {
        SSL_do_handshake(e.c);
        if (BIO_read(out, &byte, 1) == 1) {
            cr_assert_eq(send(e.peer, &byte, 1, 0), 1);
        }
        if (step == TLS_AGAIN) {
            step = tls_session_handshake(e.s, &e.why);
        }
        if (recv(e.peer, &byte, 1, MSG_DONTWAIT) == 1) {
            BIO_write(in, &byte, 1);
        }
    }
    cr_assert_eq(step, TLS_DONE, "%s", e.why.text);
    cr_assert(SSL_is_init_finished(e.c));
    tls_over(&e);
}

Test(tls_session, pieces_become_one_record)
{
    struct tls_ends e = connected();
    char big[TLS_RECORD_MAX], buf[TLS_RECORD_MAX];
    struct iovec iov[3] = {{(char *)(uintptr_t) "ab", 2}, {big, sizeof(big)}, {big, 10}};

    memset(big, 'x', sizeof(big));
    cr_assert_eq(e.t->ops->send(e.t, iov, 3), TLS_RECORD_MAX, "no more than a record");
    cr_assert_eq(SSL_read(e.c, buf, sizeof(buf)), TLS_RECORD_MAX);
    cr_assert_eq(memcmp(buf, "abxx", 4), 0);
    cr_assert_eq(e.t->ops->send(e.t, iov + 1, 2), TLS_RECORD_MAX);
    cr_assert_eq(SSL_read(e.c, buf, sizeof(buf)), TLS_RECORD_MAX);
    tls_over(&e);
}

/* Of what was taken everything arrives, once and in order, whenever the socket is full. */
Test(tls_session, a_full_socket)
{
    struct tls_ends e = connected();
    size_t given = 0, got = 0;
    char chunk[5000], buf[TLS_RECORD_MAX];
    int size = 4096, full = 0;
    ssize_t n;

    setsockopt(e.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    while (given < 1000000 || got < given) {
        for (size_t i = 0; i < sizeof(chunk); i++) {
            chunk[i] = (char)((given + i) * 7 / 3);
        }
        n = given < 1000000 ? tls_put(&e, chunk, sizeof(chunk)) : 0;
        if (n < 0) {
            cr_assert_eq(errno, EAGAIN);
            cr_assert_gt(e.t->waiting, 0);
            full++;
        } else {
            given += (size_t)n;
        }
        cr_assert_leq(e.t->waiting, TLS_RECORD_MAX + 512);
        if (n <= 0) {
            int r = SSL_read(e.c, buf, 1 + (int)(got % 3000));
            for (int i = 0; i < r; i++) {
                cr_assert_eq(buf[i], (char)((got + (size_t)i) * 7 / 3));
            }
            got += r > 0 ? (size_t)r : 0;
            cr_assert_geq(e.t->ops->flush(e.t), 0);
        }
    }
    cr_assert_gt(full, 10);
    cr_assert_eq(e.t->waiting, 0);
    tls_over(&e);
}

Test(tls_session, forced_bytes_wait_their_turn)
{
    struct tls_ends e = connected();
    static char big[200000], buf[200000];
    int size = 4096, n;
    size_t got = 0;

    setsockopt(e.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (size_t i = 0; i < sizeof(big); i++) {
        big[i] = (char)(i * 11 / 7);
    }
    cr_assert_eq(tls_session_force(e.s, big, sizeof(big)), 0);
    cr_assert_gt(e.t->waiting, 150000);
    cr_assert_eq(tls_put(&e, "x", 1), -1);
    cr_assert_eq(errno, EAGAIN);
    while (got < sizeof(big)) {
        n = SSL_read(e.c, buf + got, (int)(sizeof(buf) - got));
        got += n > 0 ? (size_t)n : 0;
        cr_assert_geq(e.t->ops->flush(e.t), 0);
    }
    cr_assert_eq(memcmp(big, buf, sizeof(big)), 0);
    cr_assert_eq(tls_put(&e, "x", 1), 1);
    tls_over(&e);
}

Test(tls_session, an_orderly_end)
{
    struct tls_ends e = connected();
    char buf[16];

    cr_assert_eq(tls_put(&e, "last", 4), 4);
    cr_assert_eq(e.t->ops->shutdown(e.t), 0);
    cr_assert_eq(SSL_read(e.c, buf, sizeof(buf)), 4);
    cr_assert_eq(SSL_read(e.c, buf, sizeof(buf)), 0);
    cr_assert_eq(SSL_get_shutdown(e.c), SSL_RECEIVED_SHUTDOWN, "close_notify came");
    cr_assert_eq(recv(e.peer, buf, 1, MSG_DONTWAIT), 0, "and the end of the socket");
    /* The other direction is open until the client ends it. */
    cr_assert_eq(SSL_write(e.c, "bye", 3), 3);
    SSL_shutdown(e.c);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), 3);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), 0);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), 0);
    tls_over(&e);
}

Test(tls_session, an_end_that_has_to_wait)
{
    struct tls_ends e = connected();
    static char big[TLS_RECORD_MAX], buf[TLS_RECORD_MAX];
    int size = 2304, rc, tries = 0;
    size_t given = 0, got = 0;

    setsockopt(e.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    while (!e.t->waiting) {
        given += (size_t)tls_put(&e, big, sizeof(big));
    }
    while ((rc = e.t->ops->shutdown(e.t)) != 0) {
        int n;
        cr_assert_eq(errno, EAGAIN);
        cr_assert_lt(tries++, 10000);
        n = SSL_read(e.c, buf, 999);
        got += n > 0 ? (size_t)n : 0;
    }
    for (int n; (n = SSL_read(e.c, buf, sizeof(buf))) > 0;) {
        got += (size_t)n;
    }
    cr_assert_eq(got, given);
    cr_assert_eq(SSL_get_shutdown(e.c), SSL_RECEIVED_SHUTDOWN);
    tls_over(&e);
}

Test(tls_session, an_end_without_a_word)
{
    struct tls_ends e = connected();
    char buf[16];

    SSL_write(e.c, "GET", 3);
    shutdown(e.peer, SHUT_WR);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), 3);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), -1, "could be an attacker's work");
    cr_assert_eq(errno, ECONNRESET);
    cr_assert_eq(tls_put(&e, "x", 1), -1);
    cr_assert_eq(e.t->ops->shutdown(e.t), 0, "the socket's side all the same");
    tls_over(&e);
}

Test(tls_session, a_changed_record)
{
    struct tls_ends e = connected();
    BIO *out = BIO_new(BIO_s_mem());
    char record[256], buf[16];
    int n;

    SSL_set0_wbio(e.c, out);
    SSL_write(e.c, "GET", 3);
    n = BIO_read(out, record, sizeof(record));
    record[n - 1] ^= 1;
    cr_assert_eq(send(e.peer, record, (size_t)n, 0), n);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), -1);
    cr_assert_eq(errno, ECONNRESET);
    cr_assert_leq(SSL_read(e.c, buf, sizeof(buf)), 0);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC, "is told");
    tls_over(&e);
}

static struct tls_ends with_version(int version)
{
    SSL_CTX *client = tls_client_ctx();
    struct tls_ends e;

    SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client, version);
    e = tls_pair_up(ctx, client);
    SSL_CTX_free(client);
    return e;
}

Test(tls_session, old_versions_are_refused)
{
    struct tls_ends e = with_version(TLS1_1_VERSION);

    cr_assert_eq(tls_shake(&e), TLS_FAILED);
    cr_assert_str_eq(e.why.text, "unsupported protocol");
    tls_over(&e);
    e = with_version(TLS1_2_VERSION);
    cr_assert_eq(tls_shake(&e), TLS_DONE);
    tls_over(&e);

    tls_ctx_unref(ctx);
    tls_set(&opt, "tls-min", "1.3");
    cr_assert_eq(tls_ctx_new(&opt, &ctx, &why), 0);
    e = with_version(TLS1_2_VERSION);
    cr_assert_eq(tls_shake(&e), TLS_FAILED);
    tls_over(&e);
    e = with_version(TLS1_3_VERSION);
    cr_assert_eq(tls_shake(&e), TLS_DONE);
    tls_over(&e);
}

Test(tls_session, weak_ciphers_are_refused)
{
    static const char *const weak[] = {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "aNULL"};

    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        SSL_CTX *client = tls_client_ctx();
        struct tls_ends e;
        SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
        cr_assert_eq(SSL_CTX_set_cipher_list(client, weak[i]), 1);
        e = tls_pair_up(ctx, client);
        SSL_CTX_free(client);
        cr_assert_eq(tls_shake(&e), TLS_FAILED, "%s", weak[i]);
        cr_assert_str_eq(e.why.text, "no shared cipher");
        tls_over(&e);
    }
}

Test(tls_session, renegotiation_is_refused)
{
    struct tls_ends e = with_version(TLS1_2_VERSION);
    char buf[16];

    cr_assert_eq(tls_shake(&e), TLS_DONE);
    cr_assert_eq(SSL_renegotiate(e.c), 1);
    SSL_do_handshake(e.c);
    cr_assert_eq(tls_get(&e, buf, sizeof(buf)), -1);
    cr_assert_leq(SSL_do_handshake(e.c), 0);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    tls_over(&e);
}

/* A peer that makes us answer and reads nothing: what waits for it stays bounded. */
Test(tls_session, answers_that_nobody_reads)
{
    struct tls_ends e = connected();
    int size = 2304;
    char buf[16];

    setsockopt(e.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    while (!e.t->waiting) {
        tls_put(&e, buf, sizeof(buf));
    }
    for (int i = 0; i < 20000; i++) {
        if (SSL_key_update(e.c, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(e.c) != 1) {
            break;
        }
        if (tls_get(&e, buf, sizeof(buf)) == -1 && errno != EAGAIN && errno != EINTR) {
            break;
        }
        cr_assert_lt(e.t->waiting, 40000);
    }
    tls_over(&e);
}

/* However much lies in the socket, one call reads a bounded part of it. */
Test(tls_session, records_without_data_take_turns)
{
    struct tls_ends e = connected();
    int size = 1 << 20, again = 0;
    char buf[16];

    setsockopt(e.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (int i = 0; i < 5000; i++) {
        SSL_key_update(e.c, SSL_KEY_UPDATE_NOT_REQUESTED);
        if (SSL_do_handshake(e.c) != 1) {
            break;
        }
    }
    while (tls_get(&e, buf, sizeof(buf)) == -1 && errno == EINTR) {
        again++;
    }
    cr_assert_gt(again, 0);
    cr_assert_eq(errno, EAGAIN);
    tls_over(&e);
}

Test(tls_session, garbage_is_no_handshake)
{
    static const char *const what[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff zzzzzz",
                                       "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"};

    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        struct tls_ends e = tls_pair_up(ctx, NULL);
        send(e.peer, what[i], strlen(what[i]), 0);
        shutdown(e.peer, SHUT_WR);
        cr_assert_eq(tls_session_handshake(e.s, &e.why), TLS_FAILED, "%zu", i);
        cr_assert_neq(e.why.text[0], '\0');
        tls_over(&e);
    }
}

Test(tls_session, a_peer_that_is_gone)
{
    struct tls_ends e = tls_pair_up(ctx, NULL);

    close(e.peer);
    e.peer = -1;
    cr_assert_eq(tls_session_handshake(e.s, &e.why), TLS_FAILED);
    tls_over(&e);

    e = connected();
    close(e.peer);
    e.peer = -1;
    cr_assert_eq(tls_put(&e, "x", 1), -1);
    cr_assert_eq(errno, EPIPE);
    cr_assert_eq(tls_put(&e, "x", 1), -1);
    tls_over(&e);
}
