#include "conn/outq.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct outbuf *bytes(const char *text)
{
    struct outbuf *b = outbuf_of_bytes(str_of(text));

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
    struct outbuf *b = outbuf_of_frame(f, 7);

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
    struct outbuf *b = outbuf_of_bytes((struct str){text, 3});
    struct outbuf *none = outbuf_of_bytes(STR_NONE);

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
    struct outbuf *b = outbuf_of_frame(f, 1);
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

/* Removing at every place of queues of every small size, with and without a
 * partly written first entry. */
Test(outq, remove_keeps_the_order_of_the_rest)
{
    for (uint32_t n = 1; n <= 12; n++) {
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t sent = 0; sent <= (i > 0 ? 1u : 0u); sent++) {
                struct outq q = {0};
                char want[64] = "";
                uint64_t messages = 0;

                for (uint32_t k = 0; k < n; k++) {
                    char text[4] = {(char)('a' + k), (char)('A' + k), '\0', '\0'};
                    put(&q, text);
                    if (k != i) {
                        strcat(want, text);
                    }
                }
                if (sent) {
                    outq_written(&q, 1, TRANSPORT_SSE, &messages);
                }
                outq_remove(&q, i, TRANSPORT_SSE);
                cr_assert_eq(q.n, n - 1);
                cr_assert_str_eq(content(&q), want + sent, "n %u, i %u, sent %u", n, i, sent);
                outq_clear(&q, TRANSPORT_SSE, false);
            }
        }
    }
}

Test(outq, insert_at_every_place)
{
    for (uint32_t n = 0; n <= 12; n++) {
        for (uint32_t i = 0; i <= n; i++) {
            for (uint32_t sent = 0; sent <= (i > 0 ? 1u : 0u); sent++) {
                struct outq q = {0};
                struct outbuf *b = bytes("..");
                char want[64] = "";
                uint64_t messages = 0;

                for (uint32_t k = 0; k < n; k++) {
                    char text[4] = {(char)('a' + k), (char)('A' + k), '\0', '\0'};
                    put(&q, text);
                    strcat(want, k == i ? ".." : "");
                    strcat(want, text);
                }
                strcat(want, i == n ? ".." : "");
                if (sent) {
                    outq_written(&q, 1, TRANSPORT_SSE, &messages);
                }
                cr_assert_eq(outq_insert(&q, i, b, TRANSPORT_SSE), 0);
                cr_assert_eq(b->refs, 1, "the reference is taken over");
                cr_assert_str_eq(content(&q), want + sent, "n %u, i %u, sent %u", n, i, sent);
                outq_clear(&q, TRANSPORT_SSE, false);
            }
        }
    }
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
