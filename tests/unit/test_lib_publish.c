/* Broadcast, send, disconnect and the figures, from the embedding program. */
#include "support_gateway.h"

#include <pthread.h>

static struct fanfare *gw;

static void start(void)
{
    gw = gw_start();
}

static void stop(void)
{
    fanfare_free(gw);
}

TestSuite(publish, .init = start, .fini = stop);

/* The seq of a cursor. */
static unsigned long seq(const struct fanfare_receipt *r)
{
    const char *dash = strchr(r->cursor, '-');

    cr_assert_not_null(dash, "%s", r->cursor);
    return strtoul(dash + 1, NULL, 10);
}

/* ---- receipts ---- */

Test(publish, to_channel_user_and_everyone)
{
    struct gw_client a = gw_sse(gw, "channel=orders&userId=ann");
    struct gw_client b = gw_ws(gw, "channel=orders.%3E&userId=ann");
    struct gw_client c = gw_sse(gw, "userId=bob");
    struct fanfare_receipt r;

    cr_assert_eq(fanfare_broadcast_channel(gw, "orders", "created", "{\"id\": 7}", &r), 0);
    cr_assert_eq(r.matched, 1);
    cr_assert_eq(seq(&r), 1);
    cr_assert_eq(strlen(r.id), 36);
    gw_expect(&a, "event: created\n");
    gw_expect(&a, r.id);
    gw_expect(&a, "\"channel\":\"orders\"");
    gw_expect(&a, "\"data\":{\"id\":7}}");
    cr_assert_eq(fanfare_broadcast_channel(gw, "orders.eu", NULL, NULL, &r), 0);
    cr_assert_eq(r.matched, 1);
    gw_expect(&b, "\"channel\":\"orders.eu\"");
    gw_expect(&b, "\"data\":null}");
    cr_assert_eq(fanfare_broadcast_user(gw, "ann", NULL, "1", &r), 0);
    cr_assert_eq(r.matched, 2);
    gw_expect(&a, "\"userId\":\"ann\"");
    gw_expect(&b, "\"userId\":\"ann\"");
    cr_assert_eq(fanfare_broadcast_everyone(gw, "bye", "[1,2,3]", &r), 0);
    cr_assert_eq(r.matched, 3);
    cr_assert_eq(seq(&r), 4);
    gw_expect(&a, "\"data\":[1,2,3]}");
    gw_expect(&b, "\"data\":[1,2,3]}");
    gw_expect(&c, "\"data\":[1,2,3]}");
    cr_assert_null(strstr(c.in.data, "\"userId\":\"ann\""));
    cr_assert_null(strstr(c.in.data, "\"channel\":\"orders\""));
    gw_close(&a);
    gw_close(&b);
    gw_close(&c);
}

Test(publish, receipt_is_optional)
{
    cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, NULL, NULL), 0);
    cr_assert_eq(fanfare_broadcast_user(gw, "a", NULL, NULL, NULL), 0);
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0);
    cr_assert_eq(gw_stats(gw).published, 3);
}

Test(publish, any_json)
{
    static const char *const good[] = {"null",
                                       "true",
                                       "1",
                                       "-0.5e+3",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       " 1 ",
                                       "{\"a\":1,\"b\":2,\"c\":[1,2,3,{}],\"d\":null}",
                                       "[1,2,3,4,5,6,7,8,9,10]",
                                       "123456789012345678901234567890"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, good[i], NULL), 0, "%s", good[i]);
    }
}

/* ---- errors ---- */

Test(publish, bad_json)
{
    static const char *const bad[] = {"", " ", "{", "tru", "1 2", "{\"a\":}", "\"\xff\"", "'x'"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, bad[i], NULL), FANFARE_ERR_INVALID, "%s",
                     bad[i]);
        cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, bad[i], NULL), FANFARE_ERR_INVALID);
        cr_assert_eq(fanfare_broadcast_user(gw, "a", NULL, bad[i], NULL), FANFARE_ERR_INVALID);
    }
    cr_assert_eq(gw_stats(gw).published, 0);
}

Test(publish, too_deep)
{
    char text[200];

    memset(text, '[', 70);
    memset(text + 70, ']', 70);
    text[140] = '\0';
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, text, NULL), FANFARE_ERR_INVALID);
}

Test(publish, bad_names)
{
    char longest[202];

    memset(longest, 'x', 201);
    longest[201] = '\0';
    cr_assert_eq(fanfare_broadcast_channel(gw, "", NULL, NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_broadcast_channel(gw, "a b", NULL, NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_broadcast_channel(gw, "a.*", NULL, NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_lt(fanfare_broadcast_channel(gw, longest, NULL, NULL, NULL), 0);
    cr_assert_eq(fanfare_broadcast_user(gw, "", NULL, NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_broadcast_user(gw, "a\nb", NULL, NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_lt(fanfare_broadcast_user(gw, longest, NULL, NULL, NULL), 0);
    cr_assert_eq(fanfare_broadcast_everyone(gw, "", NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_broadcast_everyone(gw, "a\rb", NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_broadcast_everyone(gw, "\xff", NULL, NULL), FANFARE_ERR_INVALID);
    longest[200] = '\0';
    cr_assert_eq(fanfare_broadcast_channel(gw, longest, longest, NULL, NULL), 0);
    cr_assert_eq(fanfare_broadcast_user(gw, longest, longest, NULL, NULL), 0);
}

Test(publish, reserved_names)
{
    cr_assert_eq(fanfare_broadcast_channel(gw, "fanfare.x", NULL, NULL, NULL),
                 FANFARE_ERR_RESERVED);
    cr_assert_eq(fanfare_broadcast_everyone(gw, "fanfare.x", NULL, NULL), FANFARE_ERR_RESERVED);
    cr_assert_eq(fanfare_broadcast_everyone(gw, "open", NULL, NULL), FANFARE_ERR_RESERVED);
    cr_assert_eq(fanfare_broadcast_user(gw, "a", "error", NULL, NULL), FANFARE_ERR_RESERVED);
}

Test(publish, too_large)
{
    size_t n = 256 * 1024;
    char *text = malloc(n + 2);

    memset(text, '1', n + 1);
    text[n + 1] = '\0';
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, text, NULL), FANFARE_ERR_RANGE);
    cr_assert_eq(fanfare_send_client(gw, "0000000000000000", NULL, text), FANFARE_ERR_RANGE);
    text[n] = '\0';
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, text, NULL), 0);
    free(text);
}

Test(publish, only_while_it_runs, .init = NULL, .fini = NULL)
{
    struct fanfare *g = gw_new(gw_options());
    static const char id[] = "0000000000000000";

    cr_assert_eq(fanfare_broadcast_channel(g, "a", NULL, NULL, NULL), FANFARE_ERR_STATE);
    cr_assert_eq(fanfare_broadcast_user(g, "a", NULL, NULL, NULL), FANFARE_ERR_STATE);
    cr_assert_eq(fanfare_broadcast_everyone(g, NULL, NULL, NULL), FANFARE_ERR_STATE);
    cr_assert_eq(fanfare_send_client(g, id, NULL, NULL), FANFARE_ERR_STATE);
    cr_assert_eq(fanfare_disconnect(g, id, NULL), FANFARE_ERR_STATE);
    gw_run(g);
    cr_assert_eq(fanfare_broadcast_everyone(g, NULL, NULL, NULL), 0);
    fanfare_stop(g);
    cr_assert_eq(fanfare_broadcast_channel(g, "a", NULL, NULL, NULL), FANFARE_ERR_CLOSED);
    cr_assert_eq(fanfare_broadcast_user(g, "a", NULL, NULL, NULL), FANFARE_ERR_CLOSED);
    cr_assert_eq(fanfare_broadcast_everyone(g, NULL, NULL, NULL), FANFARE_ERR_CLOSED);
    cr_assert_eq(fanfare_send_client(g, id, NULL, NULL), FANFARE_ERR_CLOSED);
    cr_assert_eq(fanfare_disconnect(g, id, NULL), FANFARE_ERR_CLOSED);
    fanfare_free(g);
}

/* ---- one client ---- */

Test(publish, send_to_one_client)
{
    struct gw_client a = gw_sse(gw, ""), b = gw_ws(gw, ""), c = gw_sse(gw, "");

    cr_assert_eq(fanfare_send_client(gw, a.id, "hello", "{\"n\": [1,2]}"), 0);
    cr_assert_eq(fanfare_send_client(gw, b.id, NULL, NULL), 0);
    gw_expect(&a, "event: hello\n");
    gw_expect(&a, "\"data\":{\"n\":[1,2]}}\n\n");
    gw_expect(&b, "\"type\":\"message\"");
    gw_expect(&b, "\"data\":null}");
    cr_assert_eq(fanfare_broadcast_everyone(gw, "last", NULL, NULL), 0);
    gw_expect(&c, "event: last\n");
    cr_assert_null(strstr(c.in.data, "hello"));
    cr_assert_eq(gw_stats(gw).published, 1, "it takes no place in the log");
    gw_close(&a);
    gw_close(&b);
    gw_close(&c);
}

/* It keeps its place behind what the same thread published before. */
Test(publish, sent_and_published_keep_their_order)
{
    struct gw_client a = gw_sse(gw, "channel=c");
    char data[20];
    const char *at;

    for (int i = 0; i < 200; i++) {
        snprintf(data, sizeof(data), "\"n%d.\"", i);
        if (i % 2) {
            cr_assert_eq(fanfare_send_client(gw, a.id, NULL, data), 0);
        } else {
            cr_assert_eq(fanfare_broadcast_channel(gw, "c", NULL, data, NULL), 0);
        }
    }
    gw_expect(&a, "\"n199.\"");
    at = a.in.data;
    for (int i = 0; i < 200; i++) {
        snprintf(data, sizeof(data), "\"n%d.\"", i);
        at = strstr(at, data);
        cr_assert_not_null(at, "%s is not behind the one before", data);
    }
    gw_close(&a);
}

Test(publish, send_errors)
{
    struct gw_client a = gw_sse(gw, "");

    cr_assert_eq(fanfare_send_client(gw, "", NULL, NULL), FANFARE_ERR_NOT_FOUND);
    cr_assert_eq(fanfare_send_client(gw, "nobody", NULL, NULL), FANFARE_ERR_NOT_FOUND);
    cr_assert_eq(fanfare_send_client(gw, "ffffffffffffffff", NULL, NULL), FANFARE_ERR_NOT_FOUND,
                 "no such shard");
    cr_assert_eq(fanfare_send_client(gw, "0000000000000000", NULL, NULL), 0, "gone is fine");
    cr_assert_eq(fanfare_send_client(gw, a.id, NULL, "{"), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_send_client(gw, a.id, "", "1"), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_send_client(gw, a.id, "open", "1"), FANFARE_ERR_RESERVED);
    cr_assert_eq(fanfare_disconnect(gw, "x", NULL), FANFARE_ERR_NOT_FOUND);
    cr_assert_eq(fanfare_disconnect(gw, "0000000000000000", "bye"), 0);
    gw_close(&a);
}

Test(publish, disconnect_one_client)
{
    struct gw_client a = gw_sse(gw, ""), b = gw_ws(gw, ""), c = gw_ws(gw, ""), d = gw_sse(gw, "");

    cr_assert_eq(fanfare_disconnect(gw, a.id, NULL), 0);
    cr_assert_eq(fanfare_disconnect(gw, b.id, "banned"), 0);
    cr_assert_eq(fanfare_disconnect(gw, c.id, NULL), 0);
    gw_expect_end(&a);
    gw_expect(&b, "\x88\x08\x0f\xa1"
                  "banned");
    gw_expect_end(&b);
    gw_expect(&c, "\x88\x02\x0f\xa1");
    gw_expect_end(&c);
    cr_assert_eq(fanfare_disconnect(gw, a.id, NULL), 0, "twice is fine");
    cr_assert_eq(fanfare_send_client(gw, d.id, "still", NULL), 0);
    gw_expect(&d, "event: still\n");
    gw_close(&a);
    gw_close(&b);
    gw_close(&c);
    gw_close(&d);
    GW_UNTIL(gw_stats(gw).clients_sse + gw_stats(gw).clients_websocket == 0);
}

/* A reason that does not fit into a Close is cut at a character. */
Test(publish, disconnect_with_a_long_reason)
{
    struct gw_client a = gw_ws(gw, "");
    char reason[1001];

    for (int i = 0; i < 500; i++) {
        memcpy(reason + 2 * i, "\xc3\xa4", 2);
    }
    reason[1000] = '\0';
    cr_assert_eq(fanfare_disconnect(gw, a.id, reason), 0);
    gw_expect(&a, "\x88\x7c\x0f\xa1");
    gw_expect_end(&a);
    gw_close(&a);
}

/* ---- figures ---- */

Test(publish, stats)
{
    struct gw_client a = gw_sse(gw, "channel=a&channel=b&userId=ann");
    struct gw_client b = gw_ws(gw, "channel=a&userId=bob");
    struct fanfare_stats s;

    cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, NULL, NULL), 0);
    gw_expect(&a, "\"channel\":\"a\"");
    gw_expect(&b, "\"channel\":\"a\"");
    GW_UNTIL(gw_stats(gw).delivered == 2);
    s = gw_stats(gw);
    cr_assert_eq(s.size, sizeof(s));
    cr_assert_eq(s.clients_sse, 1);
    cr_assert_eq(s.clients_websocket, 1);
    cr_assert_eq(s.published, 1);
    cr_assert_eq(s.dropped, 0);
    cr_assert_eq(s.channels, 2);
    cr_assert_eq(s.users, 2);
    cr_assert_eq(s.shards, 2);
    cr_assert_gt(s.bytes_sent, 100);
    cr_assert_lt(s.uptime_ms, 60000);
    gw_close(&a);
    gw_close(&b);
    GW_UNTIL(gw_stats(gw).clients_sse + gw_stats(gw).clients_websocket == 0);
    GW_UNTIL(gw_stats(gw).channels == 0);
}

/* A program built with an older, shorter struct. */
Test(publish, stats_of_a_short_size)
{
    union {
        struct fanfare_stats s;
        unsigned char bytes[sizeof(struct fanfare_stats) + 16];
    } u;

    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0);
    for (size_t size = 0; size < sizeof(u); size++) {
        int rc;
        memset(&u, 0xee, sizeof(u));
        u.s.size = size;
        rc = fanfare_get_stats(gw, &u.s);
        if (size < sizeof(size_t)) {
            cr_assert_eq(rc, FANFARE_ERR_INVALID, "%zu", size);
            continue;
        }
        cr_assert_eq(rc, 0, "%zu", size);
        cr_assert_leq(u.s.size, size);
        cr_assert_leq(u.s.size, sizeof(struct fanfare_stats));
        for (size_t i = size < sizeof(u.s) ? size : sizeof(u.s); i < sizeof(u); i++) {
            cr_assert_eq(u.bytes[i], 0xee, "size %zu: byte %zu was written", size, i);
        }
        if (size >= offsetof(struct fanfare_stats, delivered)) {
            cr_assert_eq(u.s.published, 1);
        }
    }
}

Test(publish, stats_when_it_does_not_run, .init = NULL, .fini = NULL)
{
    struct fanfare *g = gw_new(gw_options());

    cr_assert_eq(gw_stats(g).shards, 0);
    gw_run(g);
    cr_assert_eq(gw_stats(g).shards, 2);
    fanfare_stop(g);
    cr_assert_eq(gw_stats(g).clients_sse, 0);
    fanfare_free(g);
}

/* ---- threads ---- */

#define THREADS 4
#define EACH 300

static void *publish_many(void *arg)
{
    unsigned long last = 0;

    for (int i = 0; i < EACH; i++) {
        struct fanfare_receipt r;
        int rc = fanfare_broadcast_channel(gw, "c", NULL, arg, &r);
        if (rc != 0 || seq(&r) <= last) {
            return (void *)1;
        }
        last = seq(&r);
    }
    return NULL;
}

Test(publish, one_order_for_all)
{
    static char data[] = "\"x\"";
    struct gw_client c[4] = {gw_sse(gw, "channel=c"), gw_ws(gw, "channel=c"),
                             gw_sse(gw, "channel=%3E"), gw_ws(gw, "channel=*")};
    pthread_t t[THREADS];
    char last[60], epoch[20];
    struct fanfare_receipt r;

    for (int i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_create(&t[i], NULL, publish_many, data), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(t[i], &failed);
        cr_assert_null(failed);
    }
    cr_assert_eq(fanfare_broadcast_everyone(gw, "last", NULL, &r), 0);
    cr_assert_eq(seq(&r), THREADS * EACH + 1);
    snprintf(epoch, sizeof(epoch), "%.*s", (int)strcspn(r.cursor, "-"), r.cursor);
    snprintf(last, sizeof(last), "\"cursor\":\"%s\"", r.cursor);
    for (int i = 0; i < 4; i++) {
        const char *at, *end;
        char want[60];
        gw_expect(&c[i], last);
        at = c[i].in.data;
        end = at + c[i].in.len;
        for (unsigned n = 1; n <= THREADS * EACH + 1; n++) {
            size_t len = (size_t)snprintf(want, sizeof(want), "\"cursor\":\"%s-%u\",\"timestamp\"",
                                          epoch, n);
            at = memmem(at, (size_t)(end - at), want, len);
            cr_assert_not_null(at, "client %d: %u is not behind %u", i, n, n - 1);
        }
        gw_close(&c[i]);
    }
}
