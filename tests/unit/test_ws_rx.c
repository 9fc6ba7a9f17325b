/* One receiver: RFC 6455, and the gaps that wslay leaves open. */
#include "ws/rx.h"

#include "support_wsclient.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_MESSAGE 100000

struct seen {
    unsigned messages, binaries, pongs;
    struct strbuf text; /* messages, each with a line end */
};

static struct seen seen;
static struct ws_rx *rx;
static struct strbuf in, out;
static uint16_t code;

static void on_message(void *ctx, bool binary, struct str data)
{
    struct seen *s = ctx;

    cr_assert_not_null(data.p, "never NULL, also if empty");
    s->messages++;
    s->binaries += binary;
    strbuf_addstr(&s->text, data);
    strbuf_addc(&s->text, '\n');
}

static void on_pong(void *ctx)
{
    ((struct seen *)ctx)->pongs++;
}

static const struct ws_rx_handler handler = {on_message, on_pong};

static void start(void)
{
    cr_assert_eq(ws_rx_new(&rx), 0);
}

static void stop(void)
{
    ws_rx_free(rx);
    strbuf_fini(&in);
    strbuf_fini(&out);
    strbuf_fini(&seen.text);
}

TestSuite(rx, .init = start, .fini = stop);

/* A fresh receiver, everything forgotten. */
static void again(void)
{
    stop();
    seen = (struct seen){0};
    code = 0;
    start();
}

/* Feeds `in` in pieces of `step`, until the state is not OPEN. */
static enum ws_rx_state feed_in(size_t step)
{
    enum ws_rx_state state = WS_RX_OPEN;
    size_t at = 0;

    while (at < in.len && state == WS_RX_OPEN) {
        size_t n = in.len - at < step ? in.len - at : step;
        state = ws_rx_feed(rx, &handler, &seen, MAX_MESSAGE, (struct str){in.data + at, n}, &out,
                           &code);
        at += n;
    }
    strbuf_reset(&in);
    return state;
}

static enum ws_rx_state feed(void)
{
    return feed_in(SIZE_MAX);
}

/* The close code at the end of `out`; -1 if there is no Close. */
static int close_sent(void)
{
    size_t at = 0;
    struct wsc_got g = {.opcode = 0};
    int last = -1;

    while (wsc_next(strbuf_str(&out), &at, &g)) {
        cr_assert_eq(last, -1, "nothing follows a Close");
        last = g.opcode == 8 ? (int)g.code : -1;
    }
    return last;
}

/* Feeds a violation whole and byte by byte: both must give the code. */
#define VIOLATION(build, want)                                                    \
    do {                                                                          \
        static const size_t steps[] = {SIZE_MAX, 1, 3};                           \
        for (size_t si = 0; si < 3; si++) {                                       \
            again();                                                              \
            build;                                                                \
            cr_assert_eq(feed_in(steps[si]), WS_RX_VIOLATION, #build);            \
            cr_assert_eq(close_sent(), (want), #build ": sent %d", close_sent()); \
            cr_assert_eq(code, (want), #build ": code %d", code);                 \
        }                                                                         \
    } while (0)

static void add(unsigned first, const char *text)
{
    wsc_frame(&in, first, text, strlen(text), false);
}

static void add_bytes(const char *bytes, size_t n)
{
    strbuf_add(&in, bytes, n);
}

#define RAW(s) add_bytes((s), sizeof(s) - 1)
#define MASK "\x12\x34\x56\x78"

/* ---- messages ---- */

Test(rx, messages_of_all_lengths)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 128, 65535, 65536, MAX_MESSAGE};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *text = malloc(lengths[i] + 1);
        memset(text, 'x', lengths[i]);
        text[lengths[i]] = '\0';
        again();
        add(0x81, text);
        cr_assert_eq(feed_in(997), WS_RX_OPEN, "%zu", lengths[i]);
        cr_assert_eq(seen.messages, 1);
        cr_assert_eq(seen.text.len, lengths[i] + 1);
        cr_assert(ws_rx_clean(rx));
        cr_assert_eq(out.len, 0);
        free(text);
    }
}

Test(rx, byte_by_byte)
{
    add(0x81, "one");
    add(0x82, "two");
    add(0x89, "ping");
    add(0x01, "th");
    add(0x8a, "pong");
    add(0x00, "");
    add(0x80, "ree");
    cr_assert_eq(feed_in(1), WS_RX_OPEN);
    cr_assert_eq(seen.messages, 3);
    cr_assert_eq(seen.binaries, 1);
    cr_assert_eq(seen.pongs, 1);
    cr_assert_str_eq(seen.text.data, "one\ntwo\nthree\n");
    cr_assert_eq(out.len, 6);
    cr_assert(memcmp(out.data, "\x8a\x04ping", 6) == 0);
    cr_assert(ws_rx_clean(rx));
}

Test(rx, many_in_one_read)
{
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "m%d", i);
        wsc_text(&in, text);
    }
    cr_assert_eq(feed(), WS_RX_OPEN);
    cr_assert_eq(seen.messages, 1000);
}

Test(rx, fragments_with_control_frames_between)
{
    add(0x01, "a");
    add(0x89, "p1");
    add(0x00, "b");
    add(0x89, "p2");
    add(0x80, "c");
    cr_assert_eq(feed(), WS_RX_OPEN);
    cr_assert_str_eq(seen.text.data, "abc\n");
    cr_assert_eq(out.len, 8);
    cr_assert(memcmp(out.data, "\x8a\x02p1\x8a\x02p2", 8) == 0);
}

Test(rx, utf8_split_over_fragments_and_reads)
{
    add(0x01, "\xe2\x82");
    add(0x00, "\xac\xf0\x9f");
    add(0x80, "\x98\x80");
    cr_assert_eq(feed_in(1), WS_RX_OPEN);
    cr_assert_str_eq(seen.text.data, "\xe2\x82\xac\xf0\x9f\x98\x80\n");
}

Test(rx, binary_may_be_any_bytes)
{
    wsc_frame(&in, 0x82, "\xff\x00\xfe", 3, false);
    cr_assert_eq(feed(), WS_RX_OPEN);
    cr_assert_eq(seen.binaries, 1);
    cr_assert_eq(seen.text.len, 4);
}

/* ---- sharing ---- */

/* At every cut of a sequence: clean exactly between frames of whole messages. */
Test(rx, clean_only_between_messages)
{
    size_t whole[4];
    struct strbuf all = STRBUF_INIT;

    wsc_text(&all, "one");
    whole[0] = all.len;
    wsc_frame(&all, 0x89, "ping", 4, false);
    whole[1] = all.len;
    wsc_frame(&all, 0x01, "th", 2, false);
    wsc_frame(&all, 0x89, "x", 1, false);
    wsc_frame(&all, 0x80, "ree", 3, false);
    whole[2] = all.len;
    wsc_text(&all, "");
    whole[3] = all.len;
    for (size_t cut = 0; cut <= all.len; cut++) {
        bool want =
            cut == 0 || cut == whole[0] || cut == whole[1] || cut == whole[2] || cut == whole[3];
        again();
        strbuf_add(&in, all.data, cut);
        cr_assert_eq(feed(), WS_RX_OPEN);
        cr_assert_eq(ws_rx_clean(rx), want, "after %zu of %zu bytes", cut, all.len);
        strbuf_add(&in, all.data + cut, all.len - cut);
        cr_assert_eq(feed(), WS_RX_OPEN);
        cr_assert_eq(seen.messages, 3);
        cr_assert(ws_rx_clean(rx));
    }
    strbuf_fini(&all);
}

Test(rx, clean_with_long_headers)
{
    static const size_t lengths[] = {126, 65535, 65536};

    for (size_t i = 0; i < 3; i++) {
        char *text = malloc(lengths[i] + 1);
        memset(text, 'x', lengths[i]);
        text[lengths[i]] = '\0';
        add(0x81, text);
        cr_assert_eq(feed_in(4096), WS_RX_OPEN);
        cr_assert(ws_rx_clean(rx), "%zu", lengths[i]);
        free(text);
    }
}

Test(rx, a_clean_one_serves_another)
{
    struct seen other = {0};

    wsc_text(&in, "first");
    cr_assert_eq(feed(), WS_RX_OPEN);
    cr_assert(ws_rx_clean(rx));
    wsc_text(&in, "second");
    cr_assert_eq(ws_rx_feed(rx, &handler, &other, MAX_MESSAGE, strbuf_str(&in), &out, &code),
                 WS_RX_OPEN);
    cr_assert_eq(seen.messages, 1);
    cr_assert_eq(other.messages, 1);
    cr_assert_str_eq(other.text.data, "second\n");
    strbuf_fini(&other.text);
}

Test(rx, list_of_spares)
{
    struct ws_rx *two;

    cr_assert_eq(ws_rx_new(&two), 0);
    cr_assert_null(ws_rx_next(two));
    ws_rx_set_next(two, rx);
    cr_assert_eq(ws_rx_next(two), rx);
    ws_rx_free(two);
    ws_rx_free(NULL);
}

/* ---- closing ---- */

Test(rx, close_is_answered_with_its_code)
{
    static const unsigned ok[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                  1010, 1011, 3000, 3999, 4000, 4999};

    for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
        again();
        wsc_close(&in, ok[i], "bye \xe2\x82\xac");
        cr_assert_eq(feed_in(i % 2 ? 1 : SIZE_MAX), WS_RX_CLOSED, "%u", ok[i]);
        cr_assert_eq(code, ok[i]);
        cr_assert_eq(close_sent(), (int)ok[i]);
    }
}

Test(rx, close_without_a_code)
{
    add(0x88, "");
    cr_assert_eq(feed(), WS_RX_CLOSED);
    cr_assert_eq(code, 0);
    cr_assert_eq(close_sent(), 0);
    cr_assert_eq(out.len, 2);
}

Test(rx, close_with_the_longest_reason)
{
    char reason[124];

    memset(reason, 'r', 123);
    reason[123] = '\0';
    wsc_close(&in, 1000, reason);
    cr_assert_eq(feed_in(1), WS_RX_CLOSED);
    cr_assert_eq(close_sent(), 1000);
}

Test(rx, what_follows_a_close_is_ignored)
{
    wsc_text(&in, "before");
    wsc_close(&in, 1000, "");
    wsc_text(&in, "after");
    add(0x89, "ping");
    cr_assert_eq(feed(), WS_RX_CLOSED);
    cr_assert_str_eq(seen.text.data, "before\n");
    cr_assert_eq(close_sent(), 1000);
}

Test(rx, bad_close_frames)
{
    static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015,
                                   1016, 1100, 2000, 2999, 5000, 65535};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        VIOLATION(wsc_close(&in, bad[i], ""), 1002);
    }
    VIOLATION(wsc_frame(&in, 0x88, "x", 1, false), 1002);
}

/* wslay begins its check anew with every read. */
Test(rx, bad_reason_of_a_close_however_it_is_split)
{
    static const char *const bad[] = {"\xff",         "a\xc3",    "abc\xe2\x82",
                                      "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t step = 1; step < 16; step++) {
            again();
            wsc_close(&in, 1000, bad[i]);
            cr_assert_eq(feed_in(step), WS_RX_VIOLATION, "reason %zu in steps of %zu", i, step);
            cr_assert_eq(close_sent(), 1007, "reason %zu in steps of %zu: %d", i, step,
                         close_sent());
            cr_assert_eq(code, 1007);
        }
    }
}

/* A good reason must not be refused because a read ends inside a character. */
Test(rx, good_reason_of_a_close_however_it_is_split)
{
    for (size_t step = 1; step < 32; step++) {
        again();
        wsc_close(&in, 1000, "\xe2\x82\xac\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa4");
        cr_assert_eq(feed_in(step), WS_RX_CLOSED, "in steps of %zu", step);
        cr_assert_eq(close_sent(), 1000, "in steps of %zu", step);
    }
}

/* ---- violations ---- */

Test(rx, unmasked_frames)
{
    VIOLATION(wsc_frame(&in, 0x81, "x", 1, true), 1002);
    VIOLATION(wsc_frame(&in, 0x89, "x", 1, true), 1002);
    VIOLATION(wsc_frame(&in, 0x88, "", 0, true), 1002);
}

Test(rx, reserved_bits)
{
    for (unsigned bits = 0x10; bits <= 0x70; bits += 0x10) {
        VIOLATION(add(0x81 | bits, "x"), 1002);
        VIOLATION(add(0x82 | bits, "x"), 1002);
        VIOLATION(add(0x89 | bits, "x"), 1002);
        VIOLATION(add(0x88 | bits, ""), 1002);
    }
}

Test(rx, reserved_opcodes)
{
    for (unsigned op = 3; op <= 7; op++) {
        VIOLATION(add(0x80 | op, ""), 1002);
        VIOLATION(add(0x80 | op, "x"), 1002);
    }
    for (unsigned op = 11; op <= 15; op++) {
        VIOLATION(add(0x80 | op, ""), 1002);
    }
}

Test(rx, bad_continuations)
{
    VIOLATION(add(0x80, "x"), 1002);
    VIOLATION(add(0x00, "x"), 1002);
    VIOLATION((add(0x01, "x"), add(0x81, "y")), 1002);
    VIOLATION((add(0x01, "x"), add(0x02, "y")), 1002);
    VIOLATION((add(0x01, "x"), add(0x80, "y"), add(0x80, "z")), 1002);
}

static void long_ping(void)
{
    char text[127];

    memset(text, 'p', 126);
    text[126] = '\0';
    add(0x89, text);
}

static void long_close(void)
{
    char text[126];

    memset(text, 'r', 124);
    text[124] = '\0';
    wsc_close(&in, 1000, text);
}

Test(rx, bad_control_frames)
{
    VIOLATION(add(0x09, "x"), 1002);
    VIOLATION(add(0x0a, "x"), 1002);
    VIOLATION(add(0x08, ""), 1002);
    VIOLATION(long_ping(), 1002);
    VIOLATION(long_close(), 1002);
}

Test(rx, bad_lengths)
{
    VIOLATION(RAW("\x81\xfe\x00\x05" MASK "xxxxx"), 1002); /* 16 bits for 5 */
    VIOLATION(RAW("\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05" MASK "xxxxx"), 1002);
    VIOLATION(RAW("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" MASK), 1002); /* highest bit */
}

Test(rx, too_large)
{
    char *text = malloc(MAX_MESSAGE + 2);

    memset(text, 'x', MAX_MESSAGE + 1);
    text[MAX_MESSAGE + 1] = '\0';
    add(0x81, text);
    cr_assert_eq(feed_in(4096), WS_RX_VIOLATION);
    cr_assert_eq(close_sent(), 1009);
    /* The whole message counts, not each frame. */
    again();
    text[MAX_MESSAGE / 2 + 1] = '\0';
    add(0x01, text);
    add(0x80, text);
    cr_assert_eq(feed_in(4096), WS_RX_VIOLATION);
    cr_assert_eq(close_sent(), 1009);
    cr_assert_eq(seen.messages, 0);
    /* The announced length is enough: no memory is taken for it. */
    VIOLATION(RAW("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK), 1009);
    VIOLATION(RAW("\x82\xff\x00\x00\x00\x00\x70\x00\x00\x00" MASK), 1009);
    free(text);
}

/* 4096 fragments, and one for each 16 bytes of the limit: empty ones cost memory
 * too. */
Test(rx, number_of_fragments_is_bounded)
{
    const int most = 4096 + MAX_MESSAGE / 16;

    add(0x01, "");
    for (int i = 2; i < most; i++) {
        add(0x00, "");
    }
    add(0x80, "end");
    cr_assert_eq(feed(), WS_RX_OPEN, "%d are allowed", most);
    cr_assert_str_eq(seen.text.data, "end\n");
    /* The count begins anew with each message. */
    add(0x01, "");
    for (int i = 1; i < most; i++) {
        add(0x00, "");
    }
    cr_assert_eq(feed(), WS_RX_OPEN);
    add(0x00, "");
    cr_assert_eq(feed(), WS_RX_VIOLATION);
    cr_assert_eq(close_sent(), 1009);
}

Test(rx, bad_utf8_in_text)
{
    static const char *const bad[] = {"\x80",         "\xc0\xaf",         "\xe0\x80\xaf",
                                      "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
                                      "\xfe",         "ok\xce\xba\xff",   "cut\xe2\x82"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        VIOLATION(add(0x81, bad[i]), 1007);
    }
    VIOLATION((add(0x01, "\xce"), add(0x80, "\xff")), 1007);
    VIOLATION((add(0x01, "\xce"), add(0x80, "")), 1007);
    cr_assert_eq(seen.messages, 0);
}

Test(rx, messages_before_a_violation_count)
{
    wsc_text(&in, "good");
    add(0x83, "bad");
    wsc_text(&in, "never");
    cr_assert_eq(feed(), WS_RX_VIOLATION);
    cr_assert_str_eq(seen.text.data, "good\n");
}

Test(rx, pongs_keep_payload_and_order)
{
    for (int i = 0; i < 10; i++) {
        char text[4] = {'p', (char)('0' + i), '\0', '\0'};
        add(0x89, text);
    }
    wsc_frame(&in, 0x89, "\xff\x00\xfe", 3, false);
    cr_assert_eq(feed_in(5), WS_RX_OPEN);
    {
        size_t at = 0;
        struct wsc_got g;
        for (int i = 0; i < 10; i++) {
            cr_assert(wsc_next(strbuf_str(&out), &at, &g));
            cr_assert_eq(g.opcode, 10);
            cr_assert_eq(g.payload.p[1], '0' + i);
        }
        cr_assert(wsc_next(strbuf_str(&out), &at, &g));
        cr_assert(str_eq(g.payload, (struct str){"\xff\x00\xfe", 3}));
        cr_assert_not(wsc_next(strbuf_str(&out), &at, &g));
    }
}

Test(rx, freed_in_any_state)
{
    again();
    RAW("\x81\xfe");
    cr_assert_eq(feed(), WS_RX_OPEN);
    again();
    add(0x01, "begun");
    cr_assert_eq(feed(), WS_RX_OPEN);
    again();
    RAW("\x81\xfe\xff\xff" MASK "half");
    cr_assert_eq(feed(), WS_RX_OPEN);
    again();
    add(0x83, "");
    cr_assert_eq(feed(), WS_RX_VIOLATION);
}
