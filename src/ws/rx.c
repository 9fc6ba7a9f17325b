#include "ws/rx.h"

#include "proto/wsframe.h"

#include <stdlib.h>
#include <wslay/wslay.h>

/* A message may have this many fragments, and one more for each 16 bytes that
 * it may be long: each costs memory, even an empty one. */
#define FRAGMENTS 4096

/* A whole control frame: header, mask, payload. */
#define HOLD_MAX 131

struct ws_rx {
    wslay_event_context_ptr ctx;
    struct ws_rx *next;
    /* During a feed: */
    const struct ws_rx_handler *h;
    void *h_ctx;
    struct str in;
    struct strbuf *out;
    bool dry;           /* asked for bytes when there were none */
    bool closed;        /* a Close came */
    uint16_t violation; /* close code that wslay does not know to send */
    uint64_t max_message, max_fragments;
    /* Across feeds. wslay keeps partial headers inside and cannot be asked, so
     * where frames begin is followed here: a header is handed over when it is
     * complete, and a Close frame whole, because wslay's check of the reason
     * goes wrong on a split one. */
    uint8_t hold[HOLD_MAX];
    unsigned held, handed; /* bytes in hold; how many wslay has got of them */
    bool ready;            /* hold is complete */
    uint64_t frame_left;   /* payload of the frame that is still to come */
    uint64_t announced;    /* payload of the message's frames so far */
    uint64_t fragments;
    bool message_open;
};

/* ---- where frames begin ---- */

/* How many bytes must be held before they are handed over. */
static unsigned hold_need(const struct ws_rx *rx)
{
    unsigned len, header;

    if (rx->held < 2) {
        return 2;
    }
    len = rx->hold[1] & 0x7fu;
    header = 2u + (len == 126 ? 2u : len == 127 ? 8u : 0u) + (rx->hold[1] & 0x80 ? 4u : 0u);
    return (rx->hold[0] & 0x0f) == WS_CLOSE && len <= 125 ? header + len : header;
}

static uint64_t payload_len(const uint8_t *header)
{
    unsigned len = header[1] & 0x7fu;
    unsigned n = len == 126 ? 2 : len == 127 ? 8 : 0;
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        v = v << 8 | header[2 + i];
    }
    return n ? v : len;
}

static void violate(struct ws_rx *rx, uint16_t code)
{
    if (!rx->violation) {
        rx->violation = code;
    }
    wslay_event_shutdown_read(rx->ctx);
}

/* wslay looks at a length only when the first byte of the payload is there. */
static void check_announced(struct ws_rx *rx)
{
    unsigned opcode = rx->hold[0] & 0x0fu;

    if (opcode <= WS_BINARY && rx->frame_left >> 63 == 0) { /* else wslay sees it */
        rx->announced = opcode == WS_CONT ? rx->announced : 0;
        if (rx->announced > rx->max_message || rx->frame_left > rx->max_message - rx->announced) {
            violate(rx, 1009);
        } else {
            rx->announced += rx->frame_left;
        }
    }
}

static bool fill_hold(struct ws_rx *rx)
{
    unsigned len;

    while (rx->held < hold_need(rx)) {
        if (rx->in.len == 0) {
            return false;
        }
        rx->hold[rx->held++] = (uint8_t)*rx->in.p++;
        rx->in.len--;
    }
    len = rx->hold[1] & 0x7fu;
    if ((rx->hold[0] & 0x0f) != WS_CLOSE || len > 125) {
        rx->frame_left = payload_len(rx->hold);
        check_announced(rx);
    }
    rx->ready = true;
    return true;
}

static size_t hand_hold(struct ws_rx *rx, uint8_t *buf, size_t len)
{
    size_t n = rx->held - rx->handed;

    n = n < len ? n : len;
    memcpy(buf, rx->hold + rx->handed, n);
    rx->handed += (unsigned)n;
    if (rx->handed == rx->held) {
        rx->held = rx->handed = 0;
        rx->ready = false;
    }
    return n;
}

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *u)
{
    struct ws_rx *rx = u;
    size_t n = rx->in.len < len ? rx->in.len : len;

    (void)flags;
    if (rx->ready || (rx->frame_left == 0 && fill_hold(rx))) {
        n = rx->violation ? 0 : hand_hold(rx, buf, len);
    } else {
        n = n < rx->frame_left ? n : (size_t)rx->frame_left;
        memcpy(buf, rx->in.p, n);
        rx->in.p += n;
        rx->in.len -= n;
        rx->frame_left -= n;
    }
    if (n == 0) {
        rx->dry = true;
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *u)
{
    struct ws_rx *rx = u;

    (void)ctx;
    (void)flags;
    strbuf_add(rx->out, data, len); /* always whole: frames never interleave */
    return (ssize_t)len;
}

static void on_frame_start(wslay_event_context_ptr ctx,
                           const struct wslay_event_on_frame_recv_start_arg *arg, void *u)
{
    struct ws_rx *rx = u;

    (void)ctx;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1) {
        violate(rx, 1002); /* wslay lets it pass (RFC 6455 5.5.1) */
    }
    if (!wslay_is_ctrl_frame(arg->opcode)) {
        rx->message_open = !arg->fin;
        rx->fragments = arg->opcode == WSLAY_CONTINUATION_FRAME ? rx->fragments + 1 : 1;
        if (rx->fragments > rx->max_fragments) {
            violate(rx, 1009);
        }
    }
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                       void *u)
{
    struct ws_rx *rx = u;
    struct str data = {(const char *)arg->msg, arg->msg_length};

    (void)ctx;
    if (!data.p) {
        data = STR_LIT(""); /* wslay gives NULL for an empty message */
    }
    switch (arg->opcode) {
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (!rx->violation && !rx->closed) {
            rx->h->message(rx->h_ctx, arg->opcode == WSLAY_BINARY_FRAME, data);
        }
        break;
    case WSLAY_CONNECTION_CLOSE:
        rx->closed = true;
        break;
    case WSLAY_PING:
        (void)wslay_event_send(rx->ctx); /* the pong goes before what comes next */
        break;
    case WSLAY_PONG:
        rx->h->pong(rx->h_ctx);
        break;
    default:
        break;
    }
}

int ws_rx_new(struct ws_rx **out)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame_start,
        .on_msg_recv_callback = on_message,
    };
    struct ws_rx *rx = calloc(1, sizeof(*rx));

    if (!rx) {
        return ERR_NOMEM;
    }
    if (wslay_event_context_server_init(&rx->ctx, &callbacks, rx) != 0) {
        free(rx);
        return ERR_NOMEM;
    }
    *out = rx;
    return 0;
}

void ws_rx_free(struct ws_rx *rx)
{
    if (rx) {
        wslay_event_context_free(rx->ctx);
        free(rx);
    }
}

bool ws_rx_clean(const struct ws_rx *rx)
{
    return rx->held == 0 && rx->frame_left == 0 && !rx->message_open;
}

struct ws_rx *ws_rx_next(const struct ws_rx *rx)
{
    return rx->next;
}

void ws_rx_set_next(struct ws_rx *rx, struct ws_rx *next)
{
    rx->next = next;
}

/* Our own Close, where wslay would send none or one without a code. */
static enum ws_rx_state refuse(struct strbuf *out, uint16_t as, uint16_t *code)
{
    wsframe_add_close(out, as, STR_NONE);
    *code = as;
    return WS_RX_VIOLATION;
}

enum ws_rx_state ws_rx_feed(struct ws_rx *rx, const struct ws_rx_handler *h, void *ctx,
                            uint64_t max_message, struct str in, struct strbuf *out, uint16_t *code)
{
    int r;

    rx->h = h;
    rx->h_ctx = ctx;
    rx->in = in;
    rx->out = out;
    rx->dry = false;
    rx->max_message = max_message;
    rx->max_fragments = FRAGMENTS + max_message / 16;
    wslay_event_config_set_max_recv_msg_length(rx->ctx, max_message);
    do {
        r = wslay_event_recv(rx->ctx);
    } while (r == 0 && !rx->dry && wslay_event_want_read(rx->ctx));
    if (r == WSLAY_ERR_NOMEM) {
        return WS_RX_NOMEM;
    }
    if (rx->violation) {
        return refuse(out, rx->violation, code);
    }
    if (r != 0) {
        return refuse(out, 1002, code); /* control frame too long or split, bad length */
    }
    if (wslay_event_send(rx->ctx) != 0) {
        return WS_RX_NOMEM;
    }
    if (rx->closed) {
        uint16_t got = wslay_event_get_status_code_received(rx->ctx);
        *code = got == WSLAY_CODE_NO_STATUS_RCVD ? 0 : got;
        return WS_RX_CLOSED;
    }
    if (wslay_event_get_close_sent(rx->ctx)) {
        *code = wslay_event_get_status_code_sent(rx->ctx);
        return WS_RX_VIOLATION;
    }
    return WS_RX_OPEN;
}
