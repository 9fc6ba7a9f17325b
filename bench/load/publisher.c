/* publisher.c */
#include "publisher.h"

#include "bench.h"
#include "clock.h"
#include "report.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IN_ROOM = 4 << 20,
    MOST_BATCH = 1000, /* in one request, where windows are made of batches */
};

static struct publisher *const p = &bench.publisher;

void publisher_init(void)
{
    p->fd = -1;
    p->in = malloc(IN_ROOM);
    if (p->in == NULL) {
        fail("out of memory");
    }
}

/* ---- answers ---- */

static void refusal(const char *text, size_t n, size_t *used)
{
    int status;
    const char *body;
    size_t len;
    if (p->may_refuse) {
        *used = http_answer(text, n, &status, &body, &len);
        if (*used > 0 && status == 503 && p->unanswered > 0) {
            slot_of(bench.messages.published - p->unanswered)->refused = true;
            p->unanswered--;
            p->refused++;
            return;
        }
    }
    fail("a publication was refused: %.*s", (int)(n < 700 ? n : 700), text);
}

static void take_answers(void)
{
    size_t at = 0;
    while (at < p->in_len) {
        unsigned accepted = 0;
        long used = bench.plan.dialect->answer(&bench.plan, p->in + at, p->in_len - at, &accepted);
        if (used == 0) {
            break;
        }
        if (used < 0) {
            size_t len = 0;
            refusal(p->in + at, p->in_len - at, &len);
            at += len;
            continue;
        }
        if (accepted > p->unanswered) {
            fail("%u publications were answered, but only %llu were waiting", accepted,
                 (unsigned long long)p->unanswered);
        }
        p->greeted = true;
        p->unanswered -= accepted;
        p->accepted += accepted;
        at += (size_t)used;
        if (bench.plan.dialect->one_each) {
            /* Its end is on its way; the next publication opens another. */
            close(p->fd);
            p->fd = -1;
            p->in_len = 0;
            return;
        }
    }
    p->in_len -= at;
    memmove(p->in, p->in + at, p->in_len);
}

static void closed(const char *why)
{
    if (p->unanswered > 0 || p->out.len > p->out_at || !p->greeted) {
        fail("the publisher's connection ended with %llu publications unanswered: %s",
             (unsigned long long)p->unanswered, why);
    }
    /* An idle one: servers may close it; the next publication opens another. */
    close(p->fd);
    p->fd = -1;
}

static void receive(int flags, bool end)
{
    for (;;) {
        size_t room = IN_ROOM - p->in_len;
        ssize_t n = recv(p->fd, p->in + p->in_len, room, flags);
        if (n < 0 && errno == EAGAIN && flags != 0) {
            return;
        }
        if (n <= 0) {
            closed(n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        if (bench.plan.dialect->answer != NULL) {
            p->in_len += (size_t)n;
            take_answers();
            if (p->fd < 0) {
                return;
            }
            if (p->in_len == IN_ROOM) {
                fail("an answer of more than %d bytes", IN_ROOM);
            }
        }
        if (flags == 0 || ((size_t)n < room && !end)) {
            return;
        }
    }
}

/* ---- the connection ---- */

static void greet(void)
{
    const struct dialect *d = bench.plan.dialect;
    p->greeted = d->publisher_open == NULL || d->answer == NULL;
    if (d->publisher_open == NULL) {
        return;
    }
    struct buf out = {0};
    d->publisher_open(&bench.plan, &out);
    if (send(p->fd, out.p, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
        fail("the publisher cannot greet: %s", strerror(errno));
    }
    buf_free(&out);
    while (!p->greeted) {
        receive(0, false);
    }
}

static void open_connection(void)
{
    const int on = 1;
    const struct timeval limit = {.tv_sec = bench.args.timeout_s};
    const struct sockaddr_in *to = &bench.args.publish;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) != 0) {
        fail("the publisher cannot connect: %s", strerror(errno));
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    p->in_len = p->out_at = p->out.len = 0;
    greet();
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = p,
    };
    if (epoll_ctl(bench.epoll, EPOLL_CTL_ADD, p->fd, &ev) != 0) {
        fail("epoll_ctl: %s", strerror(errno));
    }
}

void publisher_flush(void)
{
    while (p->out_at < p->out.len) {
        ssize_t n =
            send(p->fd, p->out.p + p->out_at, p->out.len - p->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            closed(strerror(errno));
            return;
        }
        p->out_at += (size_t)n;
    }
    p->out.len = p->out_at = 0;
}

void publisher_event(uint32_t events)
{
    if ((events & EPOLLOUT) != 0) {
        publisher_flush();
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && p->fd >= 0) {
        receive(MSG_DONTWAIT, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
}

/* ---- publications ---- */

uint64_t publisher_room(void)
{
    const struct dialect *d = bench.plan.dialect;
    if (d->answer == NULL || d->pipeline) {
        return UINT64_MAX;
    }
    if (p->unanswered > 0) {
        return 0;
    }
    return d->batch_only ? MOST_BATCH : 1;
}

/* The messages have slots, which say their targets. */
static void put(uint64_t first, unsigned k)
{
    const struct dialect *d = bench.plan.dialect;
    struct msg *m = reallocarray(p->batch, k, sizeof(*m));
    if (m == NULL) {
        fail("out of memory");
    }
    p->batch = m;
    if (p->fd < 0) {
        open_connection();
    }
    p->data.len = 0;
    for (unsigned i = 0; i < k; i++) {
        uint32_t target = slot_of(first + i)->target;
        size_t start = p->data.len;
        messages_data(first + i, target, &p->data);
        m[i] = (struct msg){.n = first + i, .target = target, .len = p->data.len - start};
    }
    const char *at = p->data.p;
    for (unsigned i = 0; i < k; i++) {
        m[i].data = at;
        at += m[i].len;
    }
    d->publish(&bench.plan, m, k, &p->out);
    if (d->answer != NULL) {
        p->unanswered += k;
    } else {
        p->accepted += k;
    }
}

void publisher_put(unsigned k, bool batch, const int64_t *due)
{
    uint64_t first = bench.messages.published;
    for (unsigned i = 0; i < k; i++) {
        struct slot *s = messages_next(0, bench.live + bench.away);
        if (due != NULL) {
            s->due = due[i];
        }
    }
    if (batch) {
        put(first, k);
        return;
    }
    for (unsigned i = 0; i < k; i++) {
        put(first + i, 1);
    }
}

void publisher_put_spread(unsigned k, uint32_t targets)
{
    uint64_t first = bench.messages.published;
    for (unsigned i = 0; i < k; i++) {
        messages_next((uint32_t)((first + i) % targets), 0);
    }
    put(first, k);
}

void publisher_put_to(uint32_t target)
{
    uint64_t n = bench.messages.published;
    uint32_t index = target;
    if (bench.plan.topology == TOPOLOGY_CHANNELS) {
        index /= bench.plan.per_client;
    }
    struct expected *e = &bench.expected[index];
    messages_next(target, 1);
    if (e->head == NOWHERE) {
        e->head = n;
    } else {
        slot_of(e->tail)->link = n;
    }
    e->tail = n;
    put(n, 1);
}
