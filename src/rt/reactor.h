/* reactor.h - one epoll set and one loop, for one thread.
 *
 * Registered objects embed a struct rt_source as their FIRST member; epoll's
 * user data points at it, so an idle client costs nothing here. */
#ifndef FF_RT_REACTOR_H
#define FF_RT_REACTOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct rt_source;
/* `events` are EPOLL* bits. Runs on the reactor's thread. A source must not be
 * freed before reactor_wait has returned: a later event of the same wait could
 * still point at it. */
typedef void rt_source_fn(struct rt_source *src, uint32_t events);

struct rt_source {
    rt_source_fn *on_event;
};

struct reactor;

int reactor_new(struct reactor **out, struct errmsg *why) FF_USE_RESULT;
void reactor_free(struct reactor *r);
/* `woken` runs after each wait, before the callbacks: to read the clock, say. */
void reactor_on_wake(struct reactor *r, void (*woken)(void *ctx), void *ctx);
/* epoll_ctl ADD / MOD / DEL. `events` as for epoll (EPOLLET included). */
int reactor_add(struct reactor *r, int fd, uint32_t events, struct rt_source *src) FF_USE_RESULT;
int reactor_mod(struct reactor *r, int fd, uint32_t events, struct rt_source *src) FF_USE_RESULT;
void reactor_del(struct reactor *r, int fd);
/* Waits up to timeout_ms (-1: for ever, 0: not at all) and runs the callbacks of
 * what is ready. Returns the number of events, or ERR_SYSTEM; EINTR counts as
 * none. */
int reactor_wait(struct reactor *r, int timeout_ms) FF_USE_RESULT;
/* Did the last wait return as many events as it can? Then others that are as
 * ready may stand behind thousands more. */
bool reactor_crowded(const struct reactor *r);

#endif
