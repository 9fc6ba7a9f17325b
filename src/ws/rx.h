/* rx.h - one wslay context: bytes in, messages out. Internal to ws. */
#ifndef FF_WS_RX_H
#define FF_WS_RX_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

struct ws_rx;

/* Upcalls while bytes are fed. They must not free the rx. */
struct ws_rx_handler {
    /* A complete data message; `data` is valid UTF-8 if it is text. */
    void (*message)(void *ctx, bool binary, struct str data);
    void (*pong)(void *ctx);
};

enum ws_rx_state {
    WS_RX_OPEN,      /* goes on */
    WS_RX_CLOSED,    /* the peer closed in order; the answer is in `out` */
    WS_RX_VIOLATION, /* the peer broke the protocol or a limit; the Close is in `out` */
    WS_RX_NOMEM,
};

int ws_rx_new(struct ws_rx **out) FF_USE_RESULT;
void ws_rx_free(struct ws_rx *rx);
/* Feeds `in` whole; what wslay wants to send (pongs, Close) is appended to
 * `out`, whole frames. After any state but OPEN the rx is good for nothing but
 * ws_rx_free. `code` receives the close code of CLOSED (0: none) and VIOLATION. */
enum ws_rx_state ws_rx_feed(struct ws_rx *rx, const struct ws_rx_handler *h, void *ctx,
                            uint64_t max_message, struct str in, struct strbuf *out, uint16_t *code)
    FF_USE_RESULT;
/* No frame or message is under way: another client may use it. */
bool ws_rx_clean(const struct ws_rx *rx);

/* The list of spare ones. */
struct ws_rx *ws_rx_next(const struct ws_rx *rx);
void ws_rx_set_next(struct ws_rx *rx, struct ws_rx *next);

#endif
