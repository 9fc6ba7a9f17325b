/* Options: listen addresses, origins, paths and what no single value shows. */
#include "support_conf.h"

TestSuite(conf_check, .init = setup, .fini = teardown);

static void listens(const char *text, const char *host, unsigned port)
{
    struct listen_addr a;
    cr_assert_eq(options_parse_listen(text, &a, &why), 0, "%s: %s", text, why.text);
    cr_assert_not(a.is_unix);
    cr_assert_str_eq(a.host, host);
    cr_assert_eq(a.port, port);
}

Test(conf_check, listen_addresses)
{
    struct listen_addr a;
    listens("127.0.0.1:8080", "127.0.0.1", 8080);
    listens("0.0.0.0:0", "0.0.0.0", 0);
    listens("127.0.0.1:65535", "127.0.0.1", 65535);
    listens("[::1]:80", "::1", 80);
    listens("[::]:00080", "::", 80);
    listens("[fe80::1%eth0]:80", "fe80::1%eth0", 80);
    listens("[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80);
    listens("localhost:1", "localhost", 1);
    listens("my-host.example:80", "my-host.example", 80);
    cr_assert_eq(options_parse_listen("unix:/run/x.sock", &a, &why), 0);
    cr_assert(a.is_unix);
    cr_assert_str_eq(a.host, "/run/x.sock");
}

Test(conf_check, wrong_listen_addresses)
{
    static const char *const wrong[][2] = {
        {"", "the host is missing"},
        {"8080", "the host is missing"},
        {":8080", "for every address write"},
        {"*:8080", "for every address write"},
        {"127.0.0.1", "the port is missing"},
        {"localhost", "the port is missing"},
        {"[::1]", "the port is missing"},
        {"[::1]80", "the port is missing"},
        {"::1", "needs brackets"},
        {"::1:8080", "needs brackets"},
        {"127.0.0.1:", "the port is not a number"},
        {"127.0.0.1:65536", "the port is not a number"},
        {"127.0.0.1:99999999999", "the port is not a number"},
        {"127.0.0.1:-1", "the port is not a number"},
        {"127.0.0.1:8o", "the port is not a number"},
        {"127.0.0.1: 80", "the port is not a number"},
        {"127.0.0.1:80/x", "the port is not a number"},
        {"256.0.0.1:80", "not an address or a name"},
        {"1.2.3:80", "not an address or a name"},
        {"http://127.0.0.1:80", "the port is not a number"},
        {"a b:80", "not an address or a name"},
        {"a..b:80", "not an address or a name"},
        {"-a:80", "not an address or a name"},
        {"[]:80", "no IPv6 address"},
        {"[127.0.0.1]:80", "no IPv6 address"},
        {"[::1:80", "no IPv6 address"},
        {"[::1%]:80", "no IPv6 address"},
        {"unix:", "must begin with /"},
        {"unix:x.sock", "must begin with /"},
        {"unix:/run/", "names a directory"},
    };
    struct listen_addr a;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(options_parse_listen(wrong[i][0], &a, &why), ERR_INVALID, "%s", wrong[i][0]);
        cr_assert_not_null(strstr(why.text, wrong[i][1]), "%s: %s", wrong[i][0], why.text);
    }
    char text[600] = "unix:/";
    memset(text + 6, 'a', 106);
    cr_assert_eq(options_parse_listen(text, &a, &why), 0, "107 bytes of path fit");
    text[6 + 106] = 'a';
    cr_assert_eq(options_parse_listen(text, &a, &why), ERR_INVALID);
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 4, ":80", 4);
    cr_assert_eq(options_parse_listen(text, &a, &why), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "too long"));
    cr_assert_eq(options_parse_listen(text, &a, NULL), ERR_INVALID);
}

Test(conf_check, origins)
{
    static const char *const right[] = {"https://app.example", "http://localhost:3000",
                                        "http://[::1]:80",     "capacitor://localhost",
                                        "http://127.0.0.1",    "chrome-extension://abcdef"};
    static const char *const wrong[] = {"null",
                                        "**",
                                        "*.example",
                                        "app.example",
                                        "//app.example",
                                        "https://",
                                        "https:/app.example",
                                        "https://app.example/",
                                        "https://app.example/x",
                                        "https://app.example?x",
                                        "https://user@app.example",
                                        "https://app.example:",
                                        "https://app.example:0",
                                        "https://app.example:65536",
                                        "https://app.example:80x",
                                        "https://app.example:80/",
                                        "https://[::1",
                                        "https://*.example",
                                        "1http://x",
                                        "https://a,https://b",
                                        "https://a https://b"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        cr_assert_eq(set("allow-origin", right[i]), 0, "%s", why.text);
    }
    cr_assert_eq(o.allow_origin.n, sizeof right / sizeof *right);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(set("allow-origin", wrong[i]), ERR_INVALID, "%s", wrong[i]);
    }
    cr_assert_eq(options_check(&o, &why), 0);
}

Test(conf_check, ws_path)
{
    static const char *const right[] = {"/ws", "/a/b", "/eventsource", "/app/~x.y", "/channelsx"};
    static const char *const wrong[] = {
        "",           "ws",          "/",          "/ws?x",          "/ws#x",
        "/w s",       "/w%20",       "/events",    "/events/",       "/stats",
        "/broadcast", "/channels/x", "/clients/1", "/health",        "/ready",
        "/metrics",   "/\xc3\xa9",   "/tickets",   "/revocations/x", "/publish",
        "/info",      "/typing/x",   "/read"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        cr_assert_eq(set("ws-path", right[i]), 0, "%s", why.text);
        cr_assert_eq(options_check(&o, &why), 0);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(set("ws-path", wrong[i]), ERR_INVALID, "%s", wrong[i]);
    }
}

Test(conf_check, max_message_fits_max_body)
{
    cr_assert_eq(set("max-body", "64k"), 0);
    cr_assert_eq(options_check(&o, &why), ERR_RANGE);
    cr_assert_str_eq(why.text, "max-message: 256k is more than max-body, 64k");
    cr_assert_eq(set("max-message", "64k"), 0);
    cr_assert_eq(options_check(&o, &why), 0);
}

Test(conf_check, without_keys_only_this_host_may_connect)
{
    static const char *const local[] = {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1",
                                        "LocalHost:1", "unix:/x",     "127.0.0.1:0"};
    static const char *const open[] = {"0.0.0.0:1",      "[::]:1",         "10.0.0.1:1",
                                       "[fe80::1%lo]:1", "host.example:1", "[::ffff:10.0.0.1]:1"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        cr_assert_eq(set("listen", ""), 0);
        cr_assert_eq(set("listen", local[i]), 0);
        cr_assert_eq(options_check(&o, &why), 0, "%s", why.text);
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        cr_assert_eq(set("listen", ""), 0);
        cr_assert_eq(set("listen", "127.0.0.1:1"), 0);
        cr_assert_eq(set("listen", open[i]), 0);
        cr_assert_eq(options_check(&o, &why), ERR_STATE, "%s", open[i]);
        cr_assert_not_null(strstr(why.text, open[i]));
        cr_assert_eq(set("insecure-open", "yes"), 0);
        cr_assert_eq(options_check(&o, &why), 0);
        cr_assert_eq(set("insecure-open", "no"), 0);
    }
}

Test(conf_check, listen_needs_one_address_and_each_once)
{
    cr_assert_eq(set("listen", ""), 0);
    cr_assert_eq(options_check(&o, &why), ERR_INVALID);
    cr_assert_str_eq(why.text, "listen: give at least one address");
    cr_assert_eq(set("listen", "127.0.0.1:80"), 0);
    cr_assert_eq(set("listen", "127.0.0.1:81"), 0);
    cr_assert_eq(options_check(&o, &why), 0);
    cr_assert_eq(set("listen", "127.0.0.1:080"), 0);
    cr_assert_eq(options_check(&o, &why), ERR_EXISTS);
    cr_assert_eq(set("listen", ""), 0);
    cr_assert_eq(set("listen", "127.0.0.1:0"), 0);
    cr_assert_eq(set("listen", "127.0.0.1:0"), 0);
    cr_assert_eq(options_check(&o, &why), 0, "two free ports are two");
    cr_assert_eq(options_check(&o, NULL), 0);
}

Test(conf_check, policies_by_prefix)
{
    static const char *const right[] = {"ticks.=conflate", "o=drop-oldest", "a=b=disconnect",
                                        "Aa0_-.:@=,;/=conflate", "fanfare=disconnect"};
    static const char *const wrong[][2] = {
        {"ticks", "slow-client-for: \"ticks\": there is no \"=\" and policy; write PREFIX=POLICY, "
                  "such as ticks.=conflate"},
        {"=conflate",
         "slow-client-for: \"=conflate\": the prefix is missing (for all channels there "
         "is slow-client); write PREFIX=POLICY, such as ticks.=conflate"},
        {"ticks.*=conflate",
         "slow-client-for: \"ticks.*=conflate\": a prefix has no wildcards; write "
         "PREFIX=POLICY, such as ticks.=conflate"},
        {"a b=conflate",
         "slow-client-for: \"a b=conflate\": the prefix has a byte that no channel's "
         "name may have; write PREFIX=POLICY, such as ticks.=conflate"},
        {"ticks.=", "slow-client-for: \"\" is not one of disconnect|drop-oldest|conflate"},
        {"ticks.=conflat", "slow-client-for: \"conflat\" is not one of "
                           "disconnect|drop-oldest|conflate; did you mean conflate?"},
        {"ticks.=conflate=", "slow-client-for: \"\" is not one of disconnect|drop-oldest|conflate"},
    };
    char text[220];

    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        cr_assert_eq(set("slow-client-for", right[i]), 0, "%s", why.text);
    }
    cr_assert_eq(o.slow_client_for.n, sizeof right / sizeof *right);
    cr_assert_eq(options_check(&o, &why), 0, "%s", why.text);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(set("slow-client-for", wrong[i][0]), ERR_INVALID, "%s", wrong[i][0]);
        cr_assert_str_eq(why.text, wrong[i][1]);
    }
    memset(text, 'a', sizeof text);
    strcpy(text + 200, "=conflate");
    cr_assert_eq(set("slow-client-for", text), 0);
    strcpy(text + 201, "=conflate");
    text[200] = 'a';
    cr_assert_eq(set("slow-client-for", text), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "longer than a channel's name may be, 200 bytes"));
}

Test(conf_check, a_prefix_has_one_policy)
{
    cr_assert_eq(set("slow-client-for", "ticks.=conflate"), 0);
    cr_assert_eq(set("slow-client-for", "ticks=drop-oldest"), 0);
    cr_assert_eq(set("slow-client-for", "ticks.=conflate"), 0);
    cr_assert_eq(options_check(&o, &why), 0, "the same twice is no harm");
    cr_assert_eq(set("slow-client-for", "ticks.=disconnect"), 0);
    cr_assert_eq(options_check(&o, &why), ERR_EXISTS);
    cr_assert_str_eq(why.text,
                     "slow-client-for: ticks.=disconnect gives a second policy to the same "
                     "prefix; leave one out");
    cr_assert_eq(set("slow-client-for", ""), 0);
    cr_assert_eq(options_check(&o, &why), 0);
}

Test(conf_check, the_policy_of_a_channel)
{
    static const struct {
        const char *channel;
        enum slow_client policy;
    } cases[] = {
        {"", SLOW_DROP_OLDEST},           {"x", SLOW_DROP_OLDEST},
        {"ticks", SLOW_DROP_OLDEST},      {"ticks.", SLOW_CONFLATE},
        {"ticks.eur", SLOW_CONFLATE},     {"ticks.raw", SLOW_DISCONNECT},
        {"ticks.raw.x", SLOW_DISCONNECT}, {"Ticks.eur", SLOW_DROP_OLDEST},
        {"a=b", SLOW_CONFLATE},           {"a=", SLOW_DROP_OLDEST},
    };

    cr_assert_not(options_slow_any(&o, SLOW_CONFLATE));
    cr_assert(options_slow_any(&o, SLOW_DISCONNECT));
    cr_assert_eq(options_slow_client(&o, STR_LIT("x")), SLOW_DISCONNECT, "the default");
    cr_assert_eq(set("slow-client", "drop-oldest"), 0);
    cr_assert_eq(set("slow-client-for", "ticks.raw=disconnect"), 0);
    cr_assert_eq(set("slow-client-for", "ticks.=conflate"), 0);
    cr_assert_eq(set("slow-client-for", "a=b=conflate"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(options_slow_client(&o, str_of(cases[i].channel)), cases[i].policy, "%s",
                     cases[i].channel);
    }
    for (unsigned p = SLOW_DISCONNECT; p <= SLOW_CONFLATE; p++) {
        cr_assert(options_slow_any(&o, (enum slow_client)p));
    }
}
