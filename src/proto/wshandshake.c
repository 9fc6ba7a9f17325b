#include "proto/wshandshake.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <strings.h>

#define KEY_LEN 24
#define NONCE_LEN 16

/* RFC 6455 1.3. */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

bool header_next_element(struct str *list, struct str *out)
{
    if (!list->p) {
        return false;
    }
    const char *end = list->p + list->len;
    const char *comma = memchr(list->p, ',', list->len);

    *out = str_trim((struct str){list->p, (size_t)((comma ? comma : end) - list->p)});
    *list = comma ? (struct str){comma + 1, (size_t)(end - comma) - 1} : STR_NONE;
    return true;
}

bool header_has_token(struct str list, const char *token)
{
    size_t len = strlen(token);
    struct str e;

    while (header_next_element(&list, &e)) {
        if (e.len == len && strncasecmp(e.p, token, len) == 0) {
            return true;
        }
    }
    return false;
}

/* RFC 9110 5.6.2. */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
        if (!ok) {
            return false;
        }
    }
    return s.len > 0;
}

static bool version_1_1(struct str v)
{
    return v.len == 8 && memcmp(v.p, "HTTP/1.", 7) == 0 && v.p[7] >= '1' && v.p[7] <= '9';
}

static bool key_ok(struct str key)
{
    struct base64_decode_ctx ctx;
    uint8_t nonce[BASE64_DECODE_LENGTH(KEY_LEN)];
    char again[BASE64_ENCODE_RAW_LENGTH(NONCE_LEN)];
    size_t len = sizeof(nonce);

    if (key.len != KEY_LEN) {
        return false;
    }
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &len, nonce, key.len, key.p) || !base64_decode_final(&ctx) ||
        len != NONCE_LEN) {
        return false;
    }
    /* Spare bits and white space inside would be lost on the way back. */
    base64_encode_raw(again, NONCE_LEN, nonce);
    return memcmp(again, key.p, KEY_LEN) == 0;
}

static void make_accept(struct str key, char out[WS_ACCEPT_LEN + 1])
{
    struct sha1_ctx ctx;
    uint8_t digest[SHA1_DIGEST_SIZE];

    _Static_assert(BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) == WS_ACCEPT_LEN, "accept length");
    sha1_init(&ctx);
    sha1_update(&ctx, key.len, (const uint8_t *)key.p);
    sha1_update(&ctx, sizeof(ACCEPT_GUID) - 1, (const uint8_t *)ACCEPT_GUID);
    sha1_digest(&ctx, sizeof(digest), digest);
    base64_encode_raw(out, sizeof(digest), digest);
    out[WS_ACCEPT_LEN] = '\0';
}

static bool refuse(struct ws_answer *out, int status, const char *why)
{
    out->status = status;
    (void)snprintf(out->detail, sizeof(out->detail), "%s", why);
    return false;
}

static bool check_upgrade(const struct ws_request *r, struct ws_answer *out)
{
    if (!str_eqz(r->method, "GET")) {
        return refuse(out, 405, "a WebSocket handshake is a GET request");
    }
    if (!version_1_1(r->http_version)) {
        return refuse(out, 400, "a WebSocket handshake needs HTTP/1.1");
    }
    if (!header_has_token(r->upgrade, "websocket")) {
        return refuse(out, 426,
                      "this address speaks WebSocket: send \"Upgrade: websocket\" and "
                      "\"Connection: Upgrade\" (a proxy in between may have removed them)");
    }
    if (!header_has_token(r->connection, "upgrade")) {
        return refuse(out, 400,
                      "the Connection header must contain \"Upgrade\" (a proxy in between may "
                      "have removed it)");
    }
    return true;
}

static bool check_key(const struct ws_request *r, struct ws_answer *out)
{
    struct str version = r->version;
    struct str only = STR_NONE;

    (void)header_next_element(&version, &only);
    if (!str_eqz(only, "13") || version.p) {
        return refuse(out, 426,
                      "the only WebSocket version here is 13: send "
                      "\"Sec-WebSocket-Version: 13\"");
    }
    if (r->key_lines != 1) {
        return refuse(out, 400,
                      r->key_lines == 0 ? "the Sec-WebSocket-Key header is missing"
                                        : "there is more than one Sec-WebSocket-Key");
    }
    if (!key_ok(r->key)) {
        return refuse(out, 400,
                      "Sec-WebSocket-Key must be the base64 form of 16 bytes: 24 "
                      "characters that end with \"==\"");
    }
    return true;
}

static bool check_protocol(const struct ws_request *r, struct ws_answer *out)
{
    struct str list = r->protocol;
    struct str e;

    if (list.len == 0) {
        return true;
    }
    while (header_next_element(&list, &e)) {
        if (!is_token(e)) {
            return refuse(out, 400,
                          "Sec-WebSocket-Protocol must be a list of names divided by "
                          "commas, none of them empty");
        }
        if (str_eqz(e, WS_SUBPROTOCOL)) {
            out->subprotocol = true;
        }
    }
    return true;
}

void ws_handshake(const struct ws_request *req, struct ws_answer *out)
{
    memset(out, 0, sizeof(*out));
    if (!check_upgrade(req, out) || !check_key(req, out) || !check_protocol(req, out)) {
        out->subprotocol = false;
        return;
    }
    make_accept(req->key, out->accept);
    out->status = 101;
}
