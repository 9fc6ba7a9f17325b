/* Streams whose bytes go through a TLS session. */
#include "support_stream.h"
#include "support_tls.h"

#include <sys/ioctl.h>

static struct rig *r;
static struct options opt;
static struct tls_cert one;
static struct tls_ctx *ctx;
static struct tls_ends e;
static struct plain_stream *c;
static char data[70000];

static void start(void)
{
    struct errmsg why;
    struct str name = STR_LIT("orders");
    struct stream_intro intro = {.names = &name, .nnames = 1};

    r = rig_new();
    rig_set(r, "send-buffer", "2k");
    tls_folder();
    cr_assert_eq(options_init(&opt), 0);
    one = tls_simple("one", "localhost", NULL, NULL);
    tls_add_pair(&opt, &one);
    cr_assert_eq(tls_ctx_new(&opt, &ctx, &why), 0);
    e = tls_pair_up(ctx, NULL);
    cr_assert_eq(tls_shake(&e), TLS_DONE);
    intro.fd = e.fd;
    intro.tls = e.t;
    c = calloc(1, sizeof(*c));
    cr_assert_eq(stream_open(&c->s, &r->env, &plain_sse, &intro), 0);
    e.t = NULL; /* the stream's */
}

static void stop(void)
{
    rig_free(r);
    SSL_free(e.c);
    close(e.peer);
    tls_ctx_unref(ctx);
    tls_cert_fini(&one);
    options_fini(&opt);
    tls_remove_folder();
}

TestSuite(conn_tls, .init = start, .fini = stop, .timeout = 60);

/* Appends what the client gets, up to `max` bytes. */
static void client_reads(struct strbuf *out, size_t max)
{
    char buf[4096];
    int n;

    ERR_clear_error();
    while (max && (n = SSL_read(e.c, buf, max < sizeof(buf) ? (int)max : (int)sizeof(buf))) > 0) {
        strbuf_add(out, buf, (size_t)n);
        max -= (size_t)n;
    }
}

/* Reads, and lets the shard write, until nothing more comes. */
static struct strbuf client_reads_all(void)
{
    struct strbuf out = STRBUF_INIT;
    int left; /* a record takes many turns */

    do {
        client_reads(&out, SIZE_MAX);
        rig_turn(r);
        cr_assert_eq(ioctl(e.peer, FIONREAD, &left), 0);
    } while (left);
    return out;
}

static void drop(void)
{
    struct strbuf sb;

    rig_turn(r);
    sb = client_reads_all();
    strbuf_fini(&sb);
}

static void block(void)
{
    drop();
    rig_publish(r, "orders", plain_data(data, 60000, 0));
    rig_turn(r);
    cr_assert(c->s.blocked);
    cr_assert(c->s.lagging);
    cr_assert_gt(c->s.tls->waiting, 0);
}

Test(conn_tls, messages_arrive)
{
    struct strbuf sb;

    rig_turn(r);
    sb = client_reads_all();
    cr_assert_not_null(strstr(sb.data, "fanfare.connected"));
    strbuf_fini(&sb);
    rig_publish(r, "orders", "1");
    rig_publish(r, "orders", "2");
    rig_turn(r);
    sb = client_reads_all();
    cr_assert_eq(rig_count(sb.data, "data: "), 2);
    cr_assert_eq(c->s.messages, 2);
    cr_assert_eq(c->s.bytes > 0, true);
    strbuf_fini(&sb);
}

/* What is put behind a full socket waits in the queue, message by message; only a record of
 * ciphertext waits behind it, and that is accounted for. */
Test(conn_tls, little_waits_behind_a_full_socket)
{
    struct strbuf sb;
    uint64_t held;

    block();
    held = r->env.held.here;
    for (unsigned i = 1; i <= 100; i++) {
        rig_publish(r, "orders", plain_data(data, 300, i));
        rig_turn(r);
        cr_assert_leq(c->s.tls->waiting, TLS_RECORD_MAX + 512);
        cr_assert_eq(c->s.tls->counted, c->s.tls->waiting);
    }
    cr_assert_eq(c->s.q.n, 101);
    cr_assert_gt(held, 60000);
    sb = client_reads_all();
    cr_assert_eq(rig_count(sb.data, "data: "), 101);
    cr_assert_eq(c->s.q.n, 0);
    cr_assert_eq(c->s.tls->waiting, 0);
    cr_assert_not(c->s.lagging);
    cr_assert_eq(r->env.held.here, 0);
    strbuf_fini(&sb);
}

/* All was given to the session, and yet it lags: the last record waits. */
Test(conn_tls, an_empty_queue_with_a_record_waiting)
{
    struct strbuf sb;

    drop();
    for (unsigned i = 1; !c->s.tls->waiting; i++) {
        rig_publish(r, "orders", plain_data(data, 1000, i));
        rig_turn(r);
    }
    cr_assert_eq(c->s.q.n, 0);
    cr_assert(c->s.blocked);
    cr_assert(c->s.lagging);
    rig_publish(r, "orders", "\"behind\"");
    rig_turn(r);
    cr_assert_eq(c->s.q.n, 1, "nothing overtakes");
    sb = client_reads_all();
    cr_assert_not_null(strstr(sb.data, "\"behind\""));
    cr_assert_not(c->s.lagging);
    strbuf_fini(&sb);
}

Test(conn_tls, a_slow_client_is_closed)
{
    struct strbuf sb;

    rig_set(r, "client-queue-messages", "8");
    block();
    for (unsigned i = 1; i <= 20; i++) {
        rig_publish(r, "orders", plain_data(data, 100, i));
    }
    rig_turn(r);
    cr_assert(c->s.ending);
    cr_assert_eq(rig_metric(r, METRIC_SLOW_CLOSED), 1);
    sb = client_reads_all();
    cr_assert_str_eq(sb.data + sb.len - 11, "\n\nfarewell\n", "what had begun is whole");
    cr_assert_eq(SSL_get_shutdown(e.c), SSL_RECEIVED_SHUTDOWN);
    strbuf_fini(&sb);
}

Test(conn_tls, drop_oldest_tells_the_gap)
{
    struct strbuf sb;

    rig_set(r, "client-queue-messages", "8");
    rig_set(r, "slow-client", "drop-oldest");
    block();
    for (unsigned i = 1; i <= 50; i++) {
        rig_publish(r, "orders", plain_data(data, 100, i));
    }
    rig_turn(r);
    cr_assert_not(c->s.ending);
    sb = client_reads_all();
    cr_assert_eq(rig_count(sb.data, "event: fanfare.gap"), 1);
    cr_assert_not_null(strstr(sb.data, "0050\""), "the newest is there");
    strbuf_fini(&sb);
}

/* The farewell, then close_notify, after everything else; not before. */
Test(conn_tls, the_end_comes_last)
{
    struct strbuf sb = STRBUF_INIT;

    block();
    rig_publish(r, "orders", "\"last\"");
    rig_turn(r);
    stream_end(&c->s, 1001, "bye");
    rig_turn(r);
    client_reads(&sb, 1000);
    cr_assert_eq(SSL_get_shutdown(e.c), 0);
    strbuf_fini(&sb);
    sb = client_reads_all();
    cr_assert_not_null(strstr(sb.data, "\"last\""));
    cr_assert_str_eq(sb.data + sb.len - 9, "farewell\n");
    cr_assert_eq(SSL_get_shutdown(e.c), SSL_RECEIVED_SHUTDOWN);
    cr_assert_eq(r->disconnected, 0, "it waits for the client's end");
    SSL_shutdown(e.c);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "bye");
    strbuf_fini(&sb);
}

Test(conn_tls, the_client_ends)
{
    drop();
    SSL_shutdown(e.c);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "end of file");
}

Test(conn_tls, a_client_that_is_cut)
{
    block();
    shutdown(e.peer, SHUT_RDWR);
    rig_turn(r);
    rig_turn(r);
    cr_assert_eq(r->disconnected, 1);
}

/* Bytes that the session holds already raise no event of the socket. */
Test(conn_tls, bytes_that_came_before)
{
    struct str name = STR_LIT("orders");
    struct stream_intro intro = {.names = &name, .nnames = 1};
    struct tls_ends f = tls_pair_up(ctx, NULL);
    struct plain_stream *p = calloc(1, sizeof(*p));
    char byte;

    cr_assert_eq(tls_shake(&f), TLS_DONE);
    SSL_write(f.c, "ab", 2);
    cr_assert_eq(tls_get(&f, &byte, 1), 1);
    intro.fd = f.fd;
    intro.tls = f.t;
    cr_assert_eq(stream_open(&p->s, &r->env, &plain_ws, &intro), 0);
    rig_turn(r);
    cr_assert_geq(p->readables, 1);
    cr_assert_eq(stream_read(&p->s, &byte, 1), -1, "it has been read");
    SSL_free(f.c);
    close(f.peer);
    rig_turn(r);
}

/* A stream that takes nothing for --user-timeout is given up; ciphertext taken counts. */
Test(conn_tls, a_peer_that_takes_nothing)
{
    struct strbuf sb = STRBUF_INIT;

    rig_set(r, "user-timeout", "60s");
    block();
    rig_pass(r, 40000);
    client_reads(&sb, 4000);
    rig_pass(r, 40000);
    cr_assert_eq(r->disconnected, 0);
    rig_pass(r, 90000);
    cr_assert_eq(r->disconnected, 1);
    cr_assert_str_eq(r->reason, "peer does not answer");
    strbuf_fini(&sb);
}
