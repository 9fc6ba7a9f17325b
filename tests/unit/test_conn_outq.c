#include "conn/outq.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct held held; /* every test ends with nothing held */

static void nothing_held(void)
{
    cr_assert_eq(held.here, 0, "%llu bytes are still counted", (unsigned long long)held.here);
    cr_assert_eq(held.share, 0);
}

TestSuite(outbuf, .fini = nothing_held);
TestSuite(outq, .fini = nothing_held);

static struct outbuf *bytes(const char *text)
{
    struct outbuf *b = outbuf_of_bytes(str_of(text), &held);

    cr_assert_not_null(b);
    return b;
}

/* Puts one and leaves the only reference to the queue. */
static void put(struct outq *q, const char *text)
{
    struct outbuf *b = bytes(text);

    cr_assert_eq(outq_put(q, b, TRANSPORT_SSE), 0);
    outbuf_unref(b);
}

/* Everything unsent, in order. */
static const char *content(const struct outq *q)
{
    static char text[4096];
    struct iovec iov[256];
    int n = outq_iov(q, TRANSPORT_SSE, iov, 256);
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        memcpy(text + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    text[len] = '\0';
    cr_assert_eq(len, q->bytes, "%zu bytes, but q->bytes is %llu", len,
                 (unsigned long long)q->bytes);
    return text;
}

static struct frame *frame(const char *json, uint64_t seq)
{
    struct envelope e = {.kind = TARGET_EVERYONE,
                         .type = STR_LIT("t"),
                         .id = STR_LIT("i"),
                         .timestamp = STR_LIT("2026-11-20T10:00:00.000Z"),
                         .data = str_of(json),
                         .epoch = 1};
    struct frame *f;

    cr_assert_eq(frame_new(&e, frame_digits(seq), &f), 0);
    frame_seal(f, seq);
    return f;
}

Test(outbuf, holds_both_forms_of_a_frame)
{
    struct frame *f = frame("1", 7);
    struct outbuf *b = outbuf_of_frame(f, 7, &held);

    frame_unref(f); /* the outbuf has its own */
    cr_assert_not_null(b);
    cr_assert_eq(b->seq, 7);
    cr_assert_eq(b->refs, 1);
    cr_assert_eq(b->len[TRANSPORT_SSE], b->frame->sse_len);
    cr_assert_eq(b->len[TRANSPORT_WS], b->frame->ws_len);
    cr_assert(memcmp(b->data[TRANSPORT_SSE], "event: t\n", 9) == 0);
    cr_assert_eq((unsigned char)b->data[TRANSPORT_WS][0], 0x81);
    outbuf_unref(b);
}

Test(outbuf, bytes_are_copied_and_may_be_none)
{
    char text[] = "abc";
    struct outbuf *b = outbuf_of_bytes((struct str){text, 3}, &held);
    struct outbuf *none = outbuf_of_bytes(STR_NONE, &held);

    text[0] = 'x';
    cr_assert_eq(b->len[0], 3);
    cr_assert_eq(b->len[1], 3);
    cr_assert(memcmp(b->data[TRANSPORT_WS], "abc", 3) == 0);
    cr_assert_null(b->frame);
    cr_assert_eq(none->len[0], 0);
    outbuf_unref(b);
    outbuf_unref(none);
}

Test(outq, empty_is_zero)
{
    struct outq q = {0};
    struct iovec iov[4];

    cr_assert_eq(outq_iov(&q, TRANSPORT_SSE, iov, 4), 0);
    outq_clear(&q, TRANSPORT_SSE, false);
    outq_clear(&q, TRANSPORT_SSE, true);
    cr_assert_eq(q.n, 0);
}

Test(outq, keeps_order_and_counts_references)
{
    struct outq q = {0};
    struct outbuf *b = bytes("shared");
    uint64_t messages = 0;

    cr_assert_eq(outq_put(&q, b, TRANSPORT_SSE), 0);
    cr_assert_eq(outq_put(&q, b, TRANSPORT_SSE), 0);
    cr_assert_eq(b->refs, 3);
    put(&q, "-tail");
    cr_assert_str_eq(content(&q), "sharedshared-tail");
    cr_assert_eq(outq_at(&q, 1), b);
    outq_written(&q, 6, TRANSPORT_SSE, &messages);
    cr_assert_eq(b->refs, 2);
    outq_written(&q, q.bytes, TRANSPORT_SSE, &messages);
    cr_assert_eq(b->refs, 1);
    cr_assert_eq(q.n, 0);
    cr_assert_eq(q.bytes, 0);
    cr_assert_null(q.ring, "an idle queue has no memory");
    cr_assert_eq(messages, 0, "private bytes are no messages");
    outbuf_unref(b);
}

Test(outq, counts_published_messages_when_whole)
{
    struct outq q = {0};
    struct frame *f = frame("12345", 1);
    struct outbuf *b = outbuf_of_frame(f, 1, &held);
    uint64_t messages = 0;

    cr_assert_eq(outq_put(&q, b, TRANSPORT_WS), 0);
    cr_assert_eq(q.bytes, f->ws_len);
    outq_written(&q, f->ws_len - 1, TRANSPORT_WS, &messages);
    cr_assert_eq(messages, 0);
    cr_assert_eq(q.bytes, 1);
    outq_written(&q, 1, TRANSPORT_WS, &messages);
    cr_assert_eq(messages, 1);
    outbuf_unref(b);
    frame_unref(f);
}

/* Every way of cutting the writing of a queue gives the same bytes. */
Test(outq, partial_writes_at_every_byte)
{
    static const char whole[] = "onetwothreefourfivesixseveneightnineten";

    for (size_t step = 1; step <= sizeof(whole); step++) {
        struct outq q = {0};
        char got[64];
        size_t len = 0;
        uint64_t messages = 0;
        static const char *const parts[] = {"one", "two",   "three", "four", "five",
                                            "six", "seven", "eight", "nine", "ten"};

        for (size_t i = 0; i < 10; i++) {
            put(&q, parts[i]);
        }
        while (q.n) {
            size_t n = q.bytes < step ? q.bytes : step;
            memcpy(got + len, content(&q), n);
            len += n;
            outq_written(&q, n, TRANSPORT_SSE, &messages);
        }
        got[len] = '\0';
        cr_assert_str_eq(got, whole, "in steps of %zu", step);
        cr_assert_eq(q.sent, 0);
    }
}

Test(outq, iov_takes_no_more_than_asked)
{
    struct outq q = {0};
    struct iovec iov[3];

    for (int i = 0; i < 20; i++) {
        put(&q, "xy");
    }
    cr_assert_eq(outq_iov(&q, TRANSPORT_SSE, iov, 3), 3);
    cr_assert_eq(outq_iov(&q, TRANSPORT_SSE, iov, 0), 0);
    outq_clear(&q, TRANSPORT_SSE, false);
}

/* The ring is used round its end, in all sizes. */
Test(outq, ring_wraps_while_it_grows)
{
    struct outq q = {0};
    unsigned next_in = 0, next_out = 0;
    uint64_t messages = 0;
    char text[16];

    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i <= round % 7; i++) {
            snprintf(text, sizeof(text), "%06u", next_in++);
            put(&q, text);
        }
        for (unsigned i = 0; i < round % 6 && q.n; i++) {
            struct iovec iov;
            snprintf(text, sizeof(text), "%06u", next_out++);
            cr_assert_eq(outq_iov(&q, TRANSPORT_SSE, &iov, 1), 1);
            cr_assert(memcmp(iov.iov_base, text, 6) == 0);
            outq_written(&q, 6, TRANSPORT_SSE, &messages);
        }
    }
    cr_assert_eq(q.n, next_in - next_out);
    cr_assert_eq(q.bytes, 6ull * q.n);
    outq_clear(&q, TRANSPORT_SSE, false);
    cr_assert_eq(q.bytes, 0);
}

/* Every set of entries taken out of queues of every small size, with and
 * without a partly written first entry, and with the ring beginning anywhere. */
static void replace_set(uint32_t n, uint32_t set, uint32_t sent, uint32_t turn)
{
    struct outq q = {0};
    struct outbuf *b = bytes("..");
    bool drop[16] = {false};
    char want[64] = "";
    uint64_t messages = 0;
    bool placed = false;

    for (uint32_t k = 0; k < turn; k++) {
        put(&q, "xx");
    }
    for (uint32_t k = 0; k < n; k++) {
        char text[4] = {(char)('a' + k), (char)('A' + k), '\0', '\0'};
        put(&q, text);
        drop[k] = set >> k & 1;
        strcat(want, !drop[k] ? text : placed ? "" : "..");
        placed |= drop[k];
    }
    outq_written(&q, (size_t)turn * 2 + sent, TRANSPORT_SSE, &messages);
    outq_replace(&q, drop, b, TRANSPORT_SSE);
    cr_assert_eq(b->refs, 1, "the reference is taken over");
    cr_assert_eq(q.n, n - (uint32_t)__builtin_popcount(set) + 1);
    cr_assert_str_eq(content(&q), want + sent, "n %u, set %x, sent %u", n, set, sent);
    put(&q, "end");
    cr_assert_str_eq(content(&q) + strlen(want + sent), "end");
    outq_clear(&q, TRANSPORT_SSE, false);
}

Test(outq, replace_keeps_the_order_of_the_rest)
{
    for (uint32_t n = 1; n <= 9; n++) {
        for (uint32_t set = 1; set < 1u << n; set++) {
            for (uint32_t turn = 0; turn < 6; turn++) {
                replace_set(n, set, 0, turn);
                if (!(set & 1)) {
                    replace_set(n, set, 1, turn);
                }
            }
        }
    }
}

Test(outq, a_ring_that_became_too_large_is_given_back)
{
    struct outq q = {0};
    static bool drop[1000];
    uint32_t cap;

    for (int i = 0; i < 1000; i++) {
        put(&q, "ab");
        drop[i] = i % 500 != 0;
    }
    cap = q.cap;
    outq_replace(&q, drop, bytes("--"), TRANSPORT_SSE);
    cr_assert_str_eq(content(&q), "ab--ab");
    cr_assert_geq(cap, 1000);
    cr_assert_leq(q.cap, 8);
    outq_clear(&q, TRANSPORT_SSE, false);
}

/* A frame in the queues of two shards is held once, whoever lets go first. */
Test(outbuf, a_shared_frame_counts_once_in_the_sum)
{
    struct frame *f = frame("12345", 1);
    struct held other = {0};

    for (int first = 0; first < 2; first++) {
        struct outbuf *a = outbuf_of_frame(f, 1, &held);
        int64_t one = held.share;
        struct outbuf *b = outbuf_of_frame(f, 1, &other);
        cr_assert_gt(one, (int64_t)frame_size(f));
        cr_assert_lt(held.share + other.share, one + 200, "the second is an outbuf alone");
        cr_assert_eq(other.here, held.here);
        outbuf_unref(first ? a : b);
        cr_assert_eq(held.share + other.share, one);
        outbuf_unref(first ? b : a);
        cr_assert_eq(held.share + other.share, 0);
        cr_assert_eq(other.here, 0);
    }
    held.share = 0; /* what the other one's is, negated */
    frame_unref(f);
}

Test(outq, clear_keeps_what_is_partly_written)
{
    struct outq q = {0};
    uint64_t messages = 0;

    for (int i = 0; i < 10; i++) {
        put(&q, "abc");
    }
    outq_written(&q, 4, TRANSPORT_SSE, &messages);
    outq_clear(&q, TRANSPORT_SSE, true);
    cr_assert_eq(q.n, 1);
    cr_assert_str_eq(content(&q), "bc");
    put(&q, "end");
    cr_assert_str_eq(content(&q), "bcend");
    outq_clear(&q, TRANSPORT_SSE, false);
    cr_assert_eq(q.n, 0);
    put(&q, "again");
    outq_clear(&q, TRANSPORT_SSE, true);
    cr_assert_eq(q.n, 0, "nothing was partly written");
}
