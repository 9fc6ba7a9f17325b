/* ws/rx: a client's bytes, in one piece and in pieces. Both see the same messages
 * and the same end; all that goes back are whole frames, and text that comes out
 * is UTF-8. Input: a byte for the limit, one for the pieces, then bytes as they
 * come from the socket. */
#include "fuzz.h"

#include "support_wsclient.h"
#include "ws/rx.h"

struct seen {
    struct strbuf messages; /* kind, length, bytes */
    unsigned n, pongs;
    uint64_t max;
};

static void on_message(void *ctx, bool binary, struct str data)
{
    struct seen *s = ctx;

    FUZZ_CHECK(data.p != NULL && data.len <= s->max, "%zu bytes", data.len);
    FUZZ_CHECK(binary || utf8_valid(data), "text that is no UTF-8");
    strbuf_addf(&s->messages, "%d %zu ", binary, data.len);
    strbuf_addstr(&s->messages, data);
    s->n++;
}

static void on_pong(void *ctx)
{
    ((struct seen *)ctx)->pongs++;
}

static const struct ws_rx_handler handler = {on_message, on_pong};

struct outcome {
    struct seen seen;
    enum ws_rx_state state;
    uint16_t code;
    struct strbuf out;
};

/* All of it in pieces; the sizes come from `seed`, 0: in one. */
static void feed(struct str in, uint8_t seed, struct outcome *o)
{
    struct ws_rx *rx;
    uint32_t next = seed;

    FUZZ_CHECK(ws_rx_new(&rx) == 0);
    o->state = WS_RX_OPEN;
    while (in.len && o->state == WS_RX_OPEN) {
        next = next * 1664525u + 1013904223u;
        size_t n = seed == 0 ? in.len : seed == 1 ? 1 : 1 + (next >> 24) % seed;
        n = n < in.len ? n : in.len;
        struct str piece = fuzz_copy(in.p, n);
        o->state = ws_rx_feed(rx, &handler, &o->seen, o->seen.max, piece, &o->out, &o->code);
        fuzz_free(piece);
        in.p += n;
        in.len -= n;
    }
    ws_rx_free(rx);
}

/* Whole unmasked frames, a Close at most as the last. */
static void check_out(const struct outcome *o)
{
    struct wsc_got g;
    size_t at = 0;
    bool closed = false;

    while (o->out.len && wsc_next(strbuf_str(&o->out), &at, &g)) {
        FUZZ_CHECK(!closed, "a frame behind the Close");
        FUZZ_CHECK(g.opcode == 8 || g.opcode == 10, "opcode %u", g.opcode);
        FUZZ_CHECK(g.payload.len <= 125 && (g.opcode != 8 || g.payload.len != 1));
        closed = g.opcode == 8;
        if (closed && g.payload.len) {
            struct str reason = {g.payload.p + 2, g.payload.len - 2};
            FUZZ_CHECK(utf8_valid(reason), "a reason that is no UTF-8");
            FUZZ_CHECK((g.code >= 1000 && g.code <= 1014 && g.code != 1004 && g.code != 1005 &&
                        g.code != 1006) ||
                           (g.code >= 3000 && g.code <= 4999),
                       "code %u", g.code);
        }
    }
    FUZZ_CHECK(closed == (o->state != WS_RX_OPEN), "state %d", o->state);
}

static void finish(struct outcome *o)
{
    strbuf_fini(&o->seen.messages);
    strbuf_fini(&o->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint64_t max = 1 + (uint64_t)fuzz_byte(&in) * 16;
    uint8_t seed = fuzz_byte(&in);
    struct outcome whole = {.seen = {.max = max}}, pieces = {.seen = {.max = max}};
    struct str bytes = fuzz_rest(&in);

    feed(bytes, 0, &whole);
    feed(bytes, seed ? seed : 1, &pieces);
    check_out(&whole);
    check_out(&pieces);
    FUZZ_CHECK(whole.state == pieces.state && whole.code == pieces.code, "%d %u, %d %u",
               whole.state, whole.code, pieces.state, pieces.code);
    FUZZ_CHECK(whole.seen.n == pieces.seen.n && whole.seen.pongs == pieces.seen.pongs);
    FUZZ_CHECK(str_eq(strbuf_str(&whole.seen.messages), strbuf_str(&pieces.seen.messages)));
    FUZZ_CHECK(str_eq(strbuf_str(&whole.out), strbuf_str(&pieces.out)), "other frames went back");
    finish(&whole);
    finish(&pieces);
    return 0;
}
