#include "proto/wshandshake.h"

#include <criterion/criterion.h>

static const struct ws_request fine = {
    .method = STR_LIT("GET"),
    .http_version = STR_LIT("HTTP/1.1"),
    .upgrade = STR_LIT("websocket"),
    .connection = STR_LIT("Upgrade"),
    .version = STR_LIT("13"),
    .key = STR_LIT("dGhlIHNhbXBsZSBub25jZQ=="),
    .key_lines = 1,
};

static struct ws_answer answer(const struct ws_request *r)
{
    struct ws_answer a;

    memset(&a, 0x55, sizeof(a));
    ws_handshake(r, &a);
    if (a.status == 101) {
        cr_expect_str_empty(a.detail);
    } else {
        cr_expect_str_not_empty(a.detail);
        cr_expect_str_empty(a.accept);
        cr_expect_not(a.subprotocol);
    }
    return a;
}

Test(wshandshake, vector_of_the_rfc)
{
    struct ws_answer a = answer(&fine);

    cr_expect_eq(a.status, 101);
    cr_expect_str_eq(a.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    cr_expect_not(a.subprotocol);
}

#define CHECK(field, value, want)                                                           \
    do {                                                                                    \
        struct ws_request r = fine;                                                         \
        r.field = STR_LIT(value);                                                           \
        struct ws_answer a = answer(&r);                                                    \
        cr_expect_eq(a.status, (want), #field " \"%s\": %d %s", value, a.status, a.detail); \
    } while (0)

Test(wshandshake, method_and_http_version)
{
    CHECK(method, "POST", 405);
    CHECK(method, "HEAD", 405);
    CHECK(method, "get", 405);
    CHECK(method, "", 405);
    CHECK(http_version, "HTTP/1.0", 400);
    CHECK(http_version, "HTTP/0.9", 400);
    CHECK(http_version, "HTTP/2.0", 400);
    CHECK(http_version, "", 400);
    CHECK(http_version, "HTTP/1.2", 101);
}

Test(wshandshake, upgrade_and_connection)
{
    CHECK(upgrade, "", 426);
    CHECK(upgrade, "h2c", 426);
    CHECK(upgrade, "websockets", 426);
    CHECK(upgrade, "web socket", 426);
    CHECK(upgrade, "WebSocket", 101);
    CHECK(upgrade, "h2c , WEBSOCKET", 101);
    CHECK(connection, "", 400);
    CHECK(connection, "keep-alive", 400);
    CHECK(connection, "upgraded", 400);
    CHECK(connection, "keep-alive, Upgrade", 101);
    CHECK(connection, "keep-alive,\tUPGRADE ,x", 101);
}

Test(wshandshake, version)
{
    CHECK(version, "", 426);
    CHECK(version, "8", 426);
    CHECK(version, "12", 426);
    CHECK(version, "14", 426);
    CHECK(version, "013", 426);
    CHECK(version, "1", 426);
    CHECK(version, "13, 8", 426);
    CHECK(version, "13, 13", 426);
    CHECK(version, "13,", 426);
    CHECK(version, " 13 ", 101);
}

Test(wshandshake, key)
{
    CHECK(key, "", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25jZQ=", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25jZQ", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25jZQ===", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25jZVE=", 400); /* 17 bytes */
    CHECK(key, "dGhlIHNhbXBsZSBub25jZVFR", 400); /* 18 bytes */
    CHECK(key, "dGhlIHNhbXBsZSBub25jZR==", 400); /* spare bits */
    CHECK(key, "dGhlIHNhbXBsZSBub25j!Q==", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25 ZQ==", 400);
    CHECK(key, "dGhl IHNhbXBsZSBub25jZQ==", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25jZQ==, x", 400);
    CHECK(key, "dGhlIHNhbXBs-SBub25j_Q==", 400); /* the URL alphabet */
    CHECK(key, "========================", 400);
    CHECK(key, "                        ", 400);
    CHECK(key, "dGhlIHNhbXBsZSBub25jZ\0==", 400);
    CHECK(key, "AAAAAAAAAAAAAAAAAAAAAA==", 101);
    CHECK(key, "////////////////////+w==", 101);

    struct ws_request r = fine;
    r.key_lines = 2;
    cr_expect_eq(answer(&r).status, 400);
    r.key_lines = 0;
    r.key = STR_NONE;
    cr_expect_eq(answer(&r).status, 400);
}

Test(wshandshake, subprotocols)
{
    static const struct {
        const char *list;
        int status;
        bool ours;
    } cases[] = {
        {"", 101, false},
        {"fanfare.v1", 101, true},
        {"chat, fanfare.v1", 101, true},
        {"fanfare.v1 ,bearer.abc", 101, true},
        {"chat", 101, false},
        {"Fanfare.v1", 101, false},
        {"fanfare.v10", 101, false},
        {"fanfare.v1,", 400, false},
        {",fanfare.v1", 400, false},
        {"a,,b", 400, false},
        {",", 400, false},
        {" ", 400, false},
        {"a b", 400, false},
        {"fanfare.v1, \"q\"", 400, false},
        {"a=b", 400, false},
        {"caf\xC3\xA9", 400, false},
        {"a/b", 400, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ws_request r = fine;
        r.protocol = str_of(cases[i].list);
        struct ws_answer a = answer(&r);
        cr_expect_eq(a.status, cases[i].status, "%s: %s", cases[i].list, a.detail);
        cr_expect_eq(a.subprotocol, cases[i].ours, "%s", cases[i].list);
    }
}

Test(wshandshake, which_fault_is_named_first)
{
    struct ws_request nothing = {.method = STR_LIT("GET"), .http_version = STR_LIT("HTTP/1.1")};

    cr_expect_eq(answer(&nothing).status, 426);
    nothing.method = STR_LIT("PUT");
    cr_expect_eq(answer(&nothing).status, 405);
    /* Another version may have another key: say the version first. */
    struct ws_request old = fine;
    old.version = STR_LIT("8");
    old.key = STR_NONE;
    old.key_lines = 0;
    cr_expect_eq(answer(&old).status, 426);
}

Test(wshandshake, tokens)
{
    cr_expect(header_has_token(STR_LIT("a"), "A"));
    cr_expect(header_has_token(STR_LIT("x, y ,Z"), "z"));
    cr_expect(header_has_token(STR_LIT(",,a"), "a"));
    cr_expect_not(header_has_token(STR_LIT("ab"), "a"));
    cr_expect_not(header_has_token(STR_LIT("a b"), "a"));
    cr_expect_not(header_has_token(STR_LIT("a;q=1"), "a"));
    cr_expect_not(header_has_token(STR_NONE, "a"));
    cr_expect_not(header_has_token(STR_LIT("a\0"), "a"));
}
