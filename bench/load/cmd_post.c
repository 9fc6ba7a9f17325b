/* cmd_post.c - post: several connections publish, each one request at a time. Nobody is
 * subscribed; what is measured is when the answers come. */
#include "bench.h"
#include "clock.h"
#include "commands.h"
#include "report.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 256, MOST_BATCH = 1000, IN_ROOM = 64 << 10 };

struct poster {
    int fd;
    unsigned unanswered; /* messages of the request that is under way */
    int64_t since;       /* when that was sent */
    struct buf out, in, data;
    struct msg *batch;
};

struct post {
    uint64_t size, connections, batch;
    double seconds, warmup;
    int epoll;
    struct poster *posters;
    unsigned busy; /* posters with a request under way */
    uint64_t accepted, requests;
    int64_t record_from, end;
    struct histogram *took;
};

/* Blocks while the server does not take it: it is one request, whose answer is small. */
static void send_all(const struct poster *p)
{
    for (size_t at = 0; at < p->out.len;) {
        ssize_t n = send(p->fd, p->out.p + at, p->out.len - at, MSG_NOSIGNAL);
        if (n < 0) {
            fail("post: a publication cannot be sent: %s", strerror(errno));
        }
        at += (size_t)n;
    }
}

static void post(struct post *o, struct poster *p)
{
    uint64_t first = bench.messages.published;
    p->out.len = p->data.len = 0;
    for (uint64_t i = 0; i < o->batch; i++) {
        size_t start = p->data.len;
        messages_next(0, 0);
        messages_data(first + i, 0, &p->data);
        p->batch[i] = (struct msg){.n = first + i, .len = p->data.len - start};
    }
    const char *at = p->data.p;
    for (uint64_t i = 0; i < o->batch; i++) {
        p->batch[i].data = at;
        at += p->batch[i].len;
    }
    bench.plan.dialect->publish(&bench.plan, p->batch, (unsigned)o->batch, &p->out);
    p->unanswered = (unsigned)o->batch;
    p->since = clock_now();
    o->busy++;
    send_all(p);
}

/* False: the answer is not complete. */
static bool take_answer(struct post *o, struct poster *p)
{
    unsigned accepted = 0;
    long used = bench.plan.dialect->answer(&bench.plan, p->in.p, p->in.len, &accepted);
    if (used == 0) {
        return false;
    }
    if (used < 0 || (size_t)used != p->in.len || accepted != p->unanswered) {
        fail("post: %u publications were refused, or not answered as one: %.*s", p->unanswered,
             (int)(p->in.len < 700 ? p->in.len : 700), p->in.p);
    }
    int64_t now = clock_now();
    if (now >= o->record_from && now <= o->end) {
        o->accepted += accepted;
        o->requests++;
    }
    /* Also of the one that takes longer than the time that is measured. */
    if (p->since >= o->record_from) {
        histogram_add(o->took, now - p->since);
    }
    p->in.len = 0;
    p->unanswered = 0;
    o->busy--;
    return true;
}

static void receive(struct post *o, struct poster *p)
{
    char text[IN_ROOM];
    ssize_t n = recv(p->fd, text, sizeof(text), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0 || p->unanswered == 0) {
        fail("post: a connection ended, or was answered twice: %s",
             n < 0 ? strerror(errno) : "closed by the server");
    }
    buf_add(&p->in, text, (size_t)n);
    if (take_answer(o, p) && clock_now() < o->end) {
        post(o, p);
    }
}

static void open_poster(const struct post *o, struct poster *p)
{
    const int on = 1;
    const struct timeval limit = {.tv_sec = bench.args.timeout_s};
    const struct sockaddr_in *to = &bench.args.publish;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->batch = reallocarray(NULL, o->batch, sizeof(*p->batch));
    if (p->fd < 0 || p->batch == NULL || connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) ||
        epoll_ctl(o->epoll, EPOLL_CTL_ADD, p->fd, &ev) != 0) {
        fail("post: cannot connect: %s", strerror(errno));
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void close_poster(struct poster *p)
{
    close(p->fd);
    free(p->batch);
    buf_free(&p->out);
    buf_free(&p->in);
    buf_free(&p->data);
}

/* All requests that were begun are answered at the end. */
static struct span run(struct post *o)
{
    struct span span = {0};
    int64_t start = clock_now();
    bool measuring = false;
    o->record_from = start + (int64_t)(o->warmup * 1e9);
    o->end = o->record_from + (int64_t)(o->seconds * 1e9);
    for (uint64_t i = 0; i < o->connections; i++) {
        post(o, &o->posters[i]);
    }
    while (o->busy > 0) {
        struct epoll_event events[MOST_CONNECTIONS];
        int n = epoll_wait(o->epoll, events, MOST_CONNECTIONS, (int)bench.args.timeout_s * 1000);
        if (n == 0) {
            fail("nothing happened for %u seconds: %u requests have no answer",
                 bench.args.timeout_s, o->busy);
        }
        if (!measuring && clock_now() >= o->record_from) {
            measuring = true;
            span.from = meter_now();
        }
        for (int i = 0; i < n; i++) {
            receive(o, events[i].data.ptr);
        }
    }
    span.to = meter_now();
    return span;
}

static void report(const struct post *o, const struct span *span)
{
    report_start("cmd", "post");
    report_count("size", o->size);
    report_count("connections", o->connections);
    report_count("batch", o->batch);
    report_count("messages", o->accepted);
    report_count("requests", o->requests);
    report_count("published", bench.messages.published);
    report_number("rate", (double)o->accepted / o->seconds);
    report_time("answer_p50_us", histogram_at(o->took, 0.5));
    report_time("answer_p99_us", histogram_at(o->took, 0.99));
    report_time("answer_max_us", o->took->max);
    report_meter(&span->from, &span->to);
    report_end();
}

void run_post(struct command *c)
{
    struct post o = {
        .size = command_count(c, "size", 200, LEAST_SIZE, MOST_SIZE),
        .connections = command_count(c, "connections", 1, 1, MOST_CONNECTIONS),
        .batch = command_count(c, "batch", 1, 1, MOST_BATCH),
        .seconds = command_number(c, "seconds", 1, 0.001, 3600),
        .warmup = command_number(c, "warmup", 0.2, 0, 3600),
    };
    command_checked(c);
    const struct dialect *d = bench.plan.dialect;
    if (bench.args.clients > 0 || bench.plan.topology != TOPOLOGY_ONE) {
        fail_command("post is for --clients 0 and --topology one");
    } else if (d->answer == NULL || d->publisher_open != NULL || d->one_each) {
        fail_command("post: this server's publishers are not of the kind that it is for");
    } else if (o.batch > 1 && !d->more_in_one) {
        fail_command("post: this server has no batches");
    }
    messages_prepare((uint32_t)o.size, o.connections * o.batch);
    o.epoll = epoll_create1(EPOLL_CLOEXEC);
    o.posters = calloc(o.connections, sizeof(*o.posters));
    o.took = calloc(1, sizeof(*o.took));
    if (o.epoll < 0 || o.posters == NULL || o.took == NULL) {
        fail("post: no memory, or no descriptor");
    }
    for (uint64_t i = 0; i < o.connections; i++) {
        open_poster(&o, &o.posters[i]);
    }
    struct span span = run(&o);
    report(&o, &span);
    for (uint64_t i = 0; i < o.connections; i++) {
        close_poster(&o.posters[i]);
    }
    close(o.epoll);
    free(o.posters);
    free(o.took);
}
