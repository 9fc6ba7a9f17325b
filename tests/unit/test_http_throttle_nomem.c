/* Limits while the memory runs out at every allocation in turn: what cannot be counted is let
 * through, nothing is counted for good, and nothing crashes. */
#include "test_core_nomem.h"

#include "support_http.h"

#include "conn/load.h"

static struct loads loads;

static void start(void)
{
    http_start();
    http.peer_kind = PEER_INET;
    cr_assert_eq(loads_init(&loads, 7), 0);
    http.r->env.loads = &loads;
    rig_set(http.r, "trusted-proxy", "127.0.0.1");
    rig_set(http.r, "max-connections-per-address", "1000");
    rig_set(http.r, "connect-rate", "1000");
    rig_set(http.r, "max-connections-per-user", "1000");
    rig_set(http.r, "max-channels-per-user", "1000");
    rig_set(http.r, "user-connect-rate", "1000");
    rig_set(http.r, "max-subscribers-for", "a=1000");
    rig_set(http.r, "publish-rate", "1000");
    rig_set(http.r, "rate-for", "a=1000");
    http_server_options(&http.srv);
    cr_assert_eq(http.srv.proxies.n, 1);
}

static void stop(void)
{
    http_stop();
    for (unsigned i = 0; i < LOAD_PARTS; i++) {
        cr_assert_null(loads.part[i].table, "every user's place was given back");
    }
    cr_assert_null(http.shared.limits.table, "and every address's");
    loads_fini(&loads);
}

TestSuite(throttle_nomem, .init = start, .fini = stop);

static void survives(const char *request, const char *good)
{
    bool failed = true;

    for (int n = 0; failed; n++) {
        struct strbuf in = STRBUF_INIT;
        int fd = http_connect();

        http_turn();
        left = n;
        rig_send(fd, request, strlen(request));
        for (int i = 0; i < 6; i++) {
            http_turn();
        }
        failed = left < 0;
        left = -1;
        (void)http_read(fd, &in);
        cr_assert(failed || (in.len && strstr(in.data, good)), "%d: %s", n, in.data);
        strbuf_fini(&in);
        close(fd);
        for (int i = 0; i < 4; i++) {
            http_turn();
        }
        cr_assert_lt(n, 3000);
    }
}

Test(throttle_nomem, streams)
{
    nomem_ready();
    survives("GET /events?userId=ann&channel=a&channel=b HTTP/1.1\r\nHost: localhost\r\n"
             "X-Forwarded-For: 192.0.2.1\r\n\r\n",
             "fanfare.connected");
}

Test(throttle_nomem, streams_from_history)
{
    nomem_ready();
    rig_publish(http.r, "a", "1");
    survives("GET /events?userId=ann&channel=a&history=5 HTTP/1.1\r\nHost: localhost\r\n"
             "Forwarded: for=192.0.2.1\r\n\r\n",
             "fanfare.connected");
}

Test(throttle_nomem, publications)
{
    nomem_ready();
    survives("POST /broadcast HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n"
             "Content-Length: 15\r\n\r\n{\"channel\":\"a\"}",
             "\"matched\":");
}

Test(throttle_nomem, tables)
{
    struct peer p = {.addr = {10, 0, 0, 1}, .kind = PEER_INET};
    struct rate_use u = {.kind = RATE_AUTH, .who = STR_LIT("x"), .limit = {1, 0, 1000}, .count = 1};
    struct rate_over over;
    struct cidr_set set;
    char text[] = "10.0.0.0/8";
    char *const items[] = {text};
    struct load_user *counted = NULL;

    nomem_ready();
    left = 0;
    cr_assert_eq(cidr_set_make(items, 1, &set), ERR_NOMEM);
    cr_assert_eq(set.n, 0);
    for (int n = 0; n < 2; n++) {
        left = n;
        cr_expect(rates_take(&http.shared.rates, &u, 1000, &over));
        left = n;
        rates_charge(&http.shared.rates, &u, 1000);
        left = n;
        cr_expect(limits_count_address(&http.shared.limits, &p, 1));
        cr_expect_eq(p.counted, 0);
        left = n;
        cr_expect_eq(loads_enter(&loads, STR_LIT("ann"), 1, 1, 1, &counted), LOAD_OK);
        cr_expect_null(counted);
    }
    left = -1;
    cr_expect_not(rates_any(&http.shared.rates, RATE_AUTH));
    cr_expect(rates_take(&http.shared.rates, &u, 1000, &over));
    cr_expect_not(rates_take(&http.shared.rates, &u, 1000, &over));
}
