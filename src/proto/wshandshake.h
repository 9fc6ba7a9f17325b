/* wshandshake.h - the opening handshake (RFC 6455 4.2), as a decision over
 * header values. Knows no HTTP library. */
#ifndef FF_PROTO_WSHANDSHAKE_H
#define FF_PROTO_WSHANDSHAKE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

#define WS_ACCEPT_LEN 28
#define WS_SUBPROTOCOL "fanfare.v1"

/* The request's headers. Several lines of one name are joined by ", ". */
struct ws_request {
    struct str method, http_version; /* "GET", "HTTP/1.1" */
    struct str upgrade, connection, version, protocol;
    struct str key;
    unsigned key_lines; /* number of Sec-WebSocket-Key lines */
};

struct ws_answer {
    int status;                     /* 101, 400, 405 or 426 */
    bool subprotocol;               /* answer with WS_SUBPROTOCOL */
    char accept[WS_ACCEPT_LEN + 1]; /* Sec-WebSocket-Accept, if 101 */
    char detail[200];               /* the reason and the fix, if not 101 */
};

/* 426 for a plain GET without upgrade and for another version (the caller
 * adds Sec-WebSocket-Version: 13, Upgrade and Connection), 405 for another
 * method, 400 for the rest. A Sec-WebSocket-Protocol without `fanfare.v1` in
 * it is fine and gets no subprotocol; a malformed list (empty element,
 * non-token) is 400. */
void ws_handshake(const struct ws_request *req, struct ws_answer *out);

/* The next element of a comma-separated list, without white space around it;
 * false at the end. "a," has two elements, the second empty. */
bool header_next_element(struct str *list, struct str *out);
/* True if the comma-separated list has the token, ASCII case ignored. */
bool header_has_token(struct str list, const char *token);

#endif
