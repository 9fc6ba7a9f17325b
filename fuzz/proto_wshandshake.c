/* proto/wshandshake: the WebSocket's opening, as a decision over headers. Input:
 * lines "name: value" of the headers that it looks at; lines of one name are
 * joined as http/request.c joins them. */
#include "fuzz.h"

#include "base/strbuf.h"
#include "proto/wshandshake.h"

#include <strings.h>

enum { METHOD, VERSION, UPGRADE, CONNECTION, WS_VERSION, PROTOCOL, KEY, NHEADERS };

static const char *const names[NHEADERS] = {"method",
                                            "http",
                                            "Upgrade",
                                            "Connection",
                                            "Sec-WebSocket-Version",
                                            "Sec-WebSocket-Protocol",
                                            "Sec-WebSocket-Key"};

static void read_line(struct strbuf headers[NHEADERS], struct str line, unsigned *keys)
{
    const char *colon = line.len ? memchr(line.p, ':', line.len) : NULL;

    if (line.len && memchr(line.p, '\0', line.len)) {
        return; /* libmicrohttpd lets none through */
    }
    for (unsigned i = 0; colon && i < NHEADERS; i++) {
        size_t n = (size_t)(colon - line.p);
        if (n != strlen(names[i]) || strncasecmp(line.p, names[i], n) != 0) {
            continue;
        }
        *keys += i == KEY;
        strbuf_adds(&headers[i], headers[i].len ? ", " : "");
        n += n + 1 < line.len && line.p[n + 1] == ' ' ? 2 : 1;
        strbuf_add(&headers[i], line.p + n, line.len - n);
    }
}

/* The token among the elements of a list, found another way. */
static bool lists(struct str list, const char *token, bool anycase)
{
    char *copy = fuzz_cstr(list), *rest = copy, *part;
    bool found = false;

    while ((part = strsep(&rest, ","))) {
        part += strspn(part, " \t");
        size_t n = strlen(part);
        while (n && strchr(" \t", part[n - 1])) {
            part[--n] = '\0';
        }
        found |= (anycase ? strcasecmp(part, token) : strcmp(part, token)) == 0;
    }
    free(copy);
    return found;
}

static void check_accepted(const struct ws_request *rq, const struct ws_answer *a)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    FUZZ_CHECK(str_eqz(rq->method, "GET"), "%.*s", FUZZ_STR(rq->method));
    FUZZ_CHECK(lists(rq->upgrade, "websocket", true), "%.*s", FUZZ_STR(rq->upgrade));
    FUZZ_CHECK(lists(rq->connection, "upgrade", true), "%.*s", FUZZ_STR(rq->connection));
    FUZZ_CHECK(lists(rq->version, "13", false) && !memchr(rq->version.p, ',', rq->version.len),
               "%.*s", FUZZ_STR(rq->version));
    FUZZ_CHECK(rq->key_lines == 1 && rq->key.len == 24, "%.*s", FUZZ_STR(rq->key));
    for (int i = 0; i < 22; i++) { /* no NUL stands behind it */
        FUZZ_CHECK(memchr(digits, rq->key.p[i], sizeof(digits) - 1), "%.*s", FUZZ_STR(rq->key));
    }
    FUZZ_CHECK(str_eqz((struct str){rq->key.p + 22, 2}, "=="), "%.*s", FUZZ_STR(rq->key));
    FUZZ_CHECK(!a->subprotocol || lists(rq->protocol, WS_SUBPROTOCOL, false), "%.*s",
               FUZZ_STR(rq->protocol));
    FUZZ_CHECK(strlen(a->accept) == WS_ACCEPT_LEN && a->accept[WS_ACCEPT_LEN - 1] == '=', "%s",
               a->accept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct strbuf headers[NHEADERS] = {STRBUF_INIT};
    struct str v[NHEADERS];
    struct ws_request rq = {.key_lines = 0};
    struct ws_answer a;

    while (in.n) {
        read_line(headers, fuzz_line(&in), &rq.key_lines);
    }
    for (unsigned i = 0; i < NHEADERS; i++) {
        v[i] = fuzz_copy(headers[i].data, headers[i].len);
        strbuf_fini(&headers[i]);
    }
    rq.method = v[METHOD].len ? v[METHOD] : STR_LIT("GET");
    rq.http_version = v[VERSION].len ? v[VERSION] : STR_LIT("HTTP/1.1");
    rq.upgrade = v[UPGRADE];
    rq.connection = v[CONNECTION];
    rq.version = v[WS_VERSION];
    rq.protocol = v[PROTOCOL];
    rq.key = v[KEY];
    memset(&a, 0x55, sizeof(a));
    ws_handshake(&rq, &a);
    FUZZ_CHECK(a.status == 101 || a.status == 400 || a.status == 405 || a.status == 426, "%d",
               a.status);
    if (a.status == 101) {
        check_accepted(&rq, &a);
    } else {
        fuzz_sentence_cut(a.detail, sizeof(a.detail));
    }
    FUZZ_CHECK(header_has_token(rq.connection, "upgrade") == lists(rq.connection, "upgrade", true),
               "%.*s", FUZZ_STR(rq.connection));
    for (unsigned i = 0; i < NHEADERS; i++) {
        fuzz_free(v[i]);
    }
    return 0;
}
