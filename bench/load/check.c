/* check.c - what subscribers get is what was published, all of it, in order.
 *
 * The fast way: bytes are compared with the stream of units. Where they differ or
 * no unit is known yet, the dialect's parser reads one unit, its messages are
 * checked one by one, and the fast way is tried again behind it. */
#include "bench.h"
#include "clock.h"
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LATE_MS = 300 };

/* ---- faults ---- */

static _Noreturn void fault(const struct client *c, const char *kind, uint64_t expected,
                            uint64_t seen, const char *detail)
{
    char peer[32];
    struct fault f = {
        .kind = kind,
        .subscriber = c->sub.index,
        .peer = client_peer(c, peer, sizeof(peer)),
        .expected = (int64_t)expected,
        .seen = (int64_t)seen,
    };
    fail_with(&f, "%s: subscriber %u (%s) waited for message %llu and got %llu%s", kind,
              c->sub.index, peer, (unsigned long long)expected, (unsigned long long)seen, detail);
}

/* Does the message come after all, within a moment? */
static bool comes_late(const struct client *c, uint64_t n, const char *rest, size_t len)
{
    char wanted[32];
    struct buf seen = {0};
    int64_t end = clock_now() + LATE_MS * (SECOND / 1000);
    int wanted_len = snprintf(wanted, sizeof(wanted), "{\"n\":%llu,", (unsigned long long)n);
    buf_add(&seen, rest, len);
    bool found = false;
    for (;;) {
        found = memmem(seen.p, seen.len, wanted, (size_t)wanted_len) != NULL;
        int64_t left = end - clock_now();
        if (found || left <= 0) {
            break;
        }
        char more[4096];
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        ssize_t got = 0;
        if (poll(&p, 1, (int)(left / (SECOND / 1000)) + 1) > 0) {
            got = recv(c->fd, more, sizeof(more), MSG_DONTWAIT);
        }
        if (got <= 0) {
            break;
        }
        buf_add(&seen, more, (size_t)got);
    }
    buf_free(&seen);
    return found;
}

/* ---- one message ---- */

static inline void delivered(const struct client *c, struct slot *s)
{
    if (bench.latency != NULL && s->due >= bench.record_from && c->sub.index % bench.sample == 0) {
        histogram_add(bench.latency, bench.now - s->due);
    }
    if (--s->left == 0) {
        bench.messages.finished++;
    }
}

/* Message n was not handed to c: its publication was refused, or the run is wrong.
 * Which of the two is known later; until then all must see the same. */
static void leave_out(const struct client *c, uint64_t n, uint64_t seen)
{
    struct messages *m = &bench.messages;
    struct slot *s = slot_of(n);
    if (n == m->known) {
        s->start = s->end = m->stream_end;
        m->known++;
    } else if (n < m->known && !s->skipped) {
        fault(c, "lost", n, seen, ", which others got");
    }
    s->skipped = true;
}

/* The message is not the next one: right only if the server said that there are
 * some missing, or if it refused to take them. */
static void skip(struct client *c, uint64_t n, const char *rest, size_t len)
{
    uint64_t missing = n - c->next - messages_refused(c->next, n);
    bool gap = c->gap;
    if (n < c->next) {
        fault(c, "duplicate", c->next, n, "");
    } else if (n >= bench.messages.published) {
        fault(c, "unknown", c->next, n, ", which was not published");
    } else if (missing > 0 && !gap && !bench.hooks.may_skip) {
        if (comes_late(c, c->next, rest, len)) {
            fault(c, "reordered", c->next, n, ", and the other later");
        }
        fault(c, "lost", c->next, n, "");
    } else if (gap && !bench.hooks.may_skip && missing > c->gap_most) {
        fault(c, "lost", c->next, n, ", more than the server said is missing");
    }
    for (uint64_t i = c->next; i < n && !c->stalled; i++) {
        if (!gap) {
            leave_out(c, i, n);
        }
        if (--slot_of(i)->left == 0) {
            bench.messages.finished++;
        }
    }
    c->next = n;
    if (gap) {
        c->missed += (uint32_t)missing;
    }
}

static void take_targeted(struct client *c, uint64_t n)
{
    struct expected *e = &bench.expected[c->sub.index];
    if (n >= bench.messages.published) {
        fault(c, "unknown", e->head, n, ", which was not published");
    } else if (n != e->head) {
        const char *detail = e->head == NOWHERE ? ", but none is for it" : "";
        fault(c, "wrong target or order", e->head, n, detail);
    }
    e->head = slot_of(n)->link;
    if (e->head == NOWHERE) {
        e->tail = NOWHERE;
    }
}

/* How the units that sub_message was called for are noted. */
static void note_unit(uint64_t n)
{
    struct unit *u = &bench.unit;
    if (u->count == 0) {
        u->first = n;
    }
    u->count++;
}

void sub_message(struct sub *s, const char *data, size_t len)
{
    struct client *c = (struct client *)s;
    const char *at = memmem(data, len, "{\"n\":", 5);
    const char *end = data + len;
    if (at == NULL) {
        sub_fail(s, "a message without data of ours: %.*s", (int)(len < 300 ? len : 300), data);
    } else if (c->phase != PHASE_READY && bench.plan.after == NULL) {
        sub_fail(s, "a message before the subscription stood");
    }
    uint64_t n = 0;
    for (const char *p = at + 5; p < end && *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (uint64_t)(*p - '0');
    }
    if (bench.expected != NULL) {
        take_targeted(c, n);
    } else if (n != c->next) {
        /* A dialect that joins pieces hands over a copy. */
        bool received = data >= bench.unit.begin && end <= bench.unit.end;
        skip(c, n, end, received ? (size_t)(bench.unit.end - end) : 0);
    }
    if (!c->stalled && slot_of(n)->skipped) {
        fault(c, "lost", n, n, ", which others did not get");
    }
    uint32_t target = bench.expected != NULL ? slot_of(n)->target : 0;
    long differs = messages_compare(n, target, at, (size_t)(end - at));
    if (differs >= 0) {
        char detail[64];
        snprintf(detail, sizeof(detail), ", but its data differ at byte %ld", differs);
        fault(c, "damaged", n, n, detail);
    }
    c->gap = false;
    c->got++;
    c->next = n + 1;
    bench.deliveries++;
    if (!c->stalled) {
        note_unit(n);
        delivered(c, slot_of(n));
    }
}

void sub_gap_of(struct sub *s, const char *text, size_t len, uint64_t missing)
{
    struct client *c = (struct client *)s;
    if (!bench.hooks.may_gap && c->stalled == STALL_NONE) {
        sub_fail(s, "was told that messages are missing: %.*s", (int)len, text);
    }
    if (c->gap && c->gap_most != NOWHERE && missing != NOWHERE) {
        missing += c->gap_most;
    }
    c->gap = true;
    c->gap_most = missing;
    c->gaps++;
}

void sub_gap(struct sub *s, const char *text, size_t len)
{
    sub_gap_of(s, text, len, NOWHERE);
}

void sub_fail(struct sub *s, const char *fmt, ...)
{
    char text[512], peer[32];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct fault f = {
        .kind = "protocol",
        .subscriber = s->index,
        .peer = client_peer((struct client *)s, peer, sizeof(peer)),
        .expected = -1,
        .seen = -1,
    };
    fail_with(&f, "subscriber %u (%s): %s", s->index, peer, text);
}

/* ---- the ways ---- */

/* Takes the whole units at the front of [p, p+n) that are as known, when all of it
 * together was not. */
static size_t match_some(const struct client *c, const char *p, size_t n)
{
    const struct messages *m = &bench.messages;
    uint64_t place = c->place;
    size_t same = 0;
    for (uint64_t i = c->next; i < m->known; i++) {
        uint64_t end = slot_of(i)->end;
        size_t len = (size_t)(end - place);
        if (len > n - same ||
            memcmp(p + same, m->stream + (place & (m->stream_size - 1)), len) != 0) {
            break;
        }
        same += len;
        place = end;
    }
    return same;
}

/* Takes what is as the stream says; returns how much that is. */
static size_t match(struct client *c, const char *p, size_t n)
{
    const struct messages *m = &bench.messages;
    uint64_t known = m->stream_end - c->place;
    size_t same = n < known ? n : (size_t)known;
    if (same == 0) {
        return 0;
    }
    if (memcmp(p, m->stream + (c->place & (m->stream_size - 1)), same) != 0) {
        same = match_some(c, p, same);
    }
    uint64_t place = c->place + same, next = c->next;
    while (next < m->known && slot_of(next)->end <= place) {
        delivered(c, slot_of(next));
        next++;
    }
    bench.deliveries += next - c->next;
    c->place = place;
    c->next = next;
    return same;
}

static void hold(struct client *c, const char *p, size_t n)
{
    if (n > MOST_UNIT) {
        sub_fail(&c->sub, "a unit of more than %d bytes", MOST_UNIT);
    }
    if (c->held_cap < n) {
        free(c->held);
        c->held_cap = (uint32_t)n + 1024;
        c->held = malloc(c->held_cap);
        if (c->held == NULL) {
            fail("out of memory");
        }
    }
    memcpy(c->held, p, n);
    c->held_len = (uint32_t)n;
    c->place = NOWHERE;
}

/* One unit by the parser; its length, or 0 if it is not complete. */
static size_t parse(struct client *c, const char *p, size_t n)
{
    bench.unit = (struct unit){.begin = p, .end = p + n};
    size_t used = bench.plan.dialect->unit(&c->sub, p, n);
    if (used > n) {
        sub_fail(&c->sub, "the dialect took more than there is");
    }
    bool reads = c->phase == PHASE_READY || (c->phase == PHASE_OPENING && bench.plan.after != NULL);
    if (used > 0 && reads && bench.expected == NULL) {
        if (bench.unit.count > 0) {
            messages_unit(bench.unit.first, bench.unit.count, p, used);
        }
        c->place = c->stalled ? NOWHERE : messages_place(c->next);
    }
    return used;
}

void check_bytes(struct client *c, char *p, size_t n)
{
    if (c->held_len > 0) {
        p -= c->held_len;
        n += c->held_len;
        memcpy(p, c->held, c->held_len);
        c->held_len = 0;
    }
    for (;;) {
        if (c->place != NOWHERE) {
            size_t same = match(c, p, n);
            p += same;
            n -= same;
            if (n == 0) {
                return;
            }
            /* What is different begins a unit, or there is one half taken. */
            uint64_t start = messages_place(c->next);
            size_t back = (size_t)(c->place - start);
            if (start != NOWHERE && back > 0) {
                p -= back;
                n += back;
                memcpy(p, bench.messages.stream + (start & (bench.messages.stream_size - 1)), back);
            }
        }
        size_t used = parse(c, p, n);
        if (c->fd < 0) {
            return;
        }
        p += used;
        n -= used;
        if (n == 0) {
            return;
        }
        if (used == 0) {
            hold(c, p, n);
            return;
        }
    }
}

void check_came_back(const struct client *c)
{
    uint64_t missing = bench.expected != NULL ? bench.expected[c->sub.index].head : c->next;
    if (missing != NOWHERE && missing < bench.messages.published) {
        fault(c, "lost", missing, bench.messages.published, ": the end of what it missed");
    }
}

void check_forget(struct client *c)
{
    struct messages *m = &bench.messages;
    if (c->stalled || bench.expected != NULL) {
        return;
    }
    for (; c->next < m->published; c->next++) {
        if (--slot_of(c->next)->left == 0) {
            m->finished++;
        }
    }
}
