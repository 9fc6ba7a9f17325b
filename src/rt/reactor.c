#include "rt/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 256 };

struct reactor {
    int epfd;
    bool crowded;
    void (*woken)(void *ctx);
    void *woken_ctx;
    struct epoll_event events[BATCH];
};

int reactor_new(struct reactor **out, struct errmsg *why)
{
    struct reactor *r = calloc(1, sizeof *r);
    if (!r) {
        return errmsg_set(why, ERR_NOMEM, "out of memory for a reactor");
    }
    r->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epfd < 0) {
        int rc = errmsg_set(why, ERR_SYSTEM, "cannot make an epoll set: %s", strerror(errno));
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void reactor_free(struct reactor *r)
{
    if (r) {
        (void)close(r->epfd);
        free(r);
    }
}

static int control(struct reactor *r, int op, int fd, uint32_t events, struct rt_source *src)
{
    struct epoll_event ev = {.events = events, .data.ptr = src};
    return epoll_ctl(r->epfd, op, fd, &ev) == 0 ? 0 : ERR_SYSTEM;
}

int reactor_add(struct reactor *r, int fd, uint32_t events, struct rt_source *src)
{
    return control(r, EPOLL_CTL_ADD, fd, events, src);
}

int reactor_mod(struct reactor *r, int fd, uint32_t events, struct rt_source *src)
{
    return control(r, EPOLL_CTL_MOD, fd, events, src);
}

void reactor_del(struct reactor *r, int fd)
{
    (void)control(r, EPOLL_CTL_DEL, fd, 0, NULL); /* a descriptor that is not in stays out */
}

void reactor_on_wake(struct reactor *r, void (*woken)(void *ctx), void *ctx)
{
    r->woken = woken;
    r->woken_ctx = ctx;
}

bool reactor_crowded(const struct reactor *r)
{
    return r->crowded;
}

int reactor_wait(struct reactor *r, int timeout_ms)
{
    int n = epoll_wait(r->epfd, r->events, BATCH, timeout_ms);
    int rc = n;
    r->crowded = n == BATCH;
    if (n < 0) {
        rc = errno == EINTR ? 0 : ERR_SYSTEM;
    }
    if (r->woken) {
        r->woken(r->woken_ctx);
    }
    for (int i = 0; i < n; i++) {
        struct rt_source *src = r->events[i].data.ptr;
        src->on_event(src, r->events[i].events);
    }
    return rc;
}
