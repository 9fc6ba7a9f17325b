#include "rt/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CACHE_LINE = 64 };

/* Producers push onto a stack; the consumer takes the whole stack in one
 * exchange and reverses it. Each side writes its own cache line only, but for
 * that exchange. */
struct mailbox {
    alignas(CACHE_LINE) struct mail *_Atomic top; /* newest first */
    _Atomic uint32_t pushed;
    _Atomic bool resting; /* whoever makes it false writes the eventfd, or need not */
    int fd;
    alignas(CACHE_LINE) struct mail *ready; /* taken, oldest first; consumer only */
    void *ctx;
    _Atomic uint32_t done; /* written by the consumer only */
};

int mailbox_new(void *ctx, struct mailbox **out, struct errmsg *why)
{
    struct mailbox *mb = aligned_alloc(CACHE_LINE, sizeof *mb);
    if (!mb) {
        return errmsg_set(why, ERR_NOMEM, "out of memory for a mailbox");
    }
    memset(mb, 0, sizeof *mb);
    mb->ctx = ctx;
    mb->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mb->fd < 0) {
        int rc = errmsg_set(why, ERR_SYSTEM, "cannot make an eventfd: %s", strerror(errno));
        free(mb);
        return rc;
    }
    *out = mb;
    return 0;
}

void mailbox_free(struct mailbox *mb)
{
    if (mb) {
        (void)close(mb->fd);
        free(mb);
    }
}

int mailbox_fd(const struct mailbox *mb)
{
    return mb->fd;
}

void mailbox_push(struct mailbox *mb, struct mail *m)
{
    /* Counted before it can be run, so that the depth is never negative. The
     * line is needed exclusively for the exchange below anyway. */
    atomic_fetch_add_explicit(&mb->pushed, 1, memory_order_relaxed);
    struct mail *old = atomic_load_explicit(&mb->top, memory_order_relaxed);
    do {
        m->next = old;
    } while (!atomic_compare_exchange_weak_explicit(&mb->top, &old, m, memory_order_seq_cst,
                                                    memory_order_relaxed));
    /* From here on m belongs to the consumer. It says that it rests and then
     * looks for mail; we leave mail and then look whether it rests. In the one
     * order of these four steps one of us sees the other. */
    if (atomic_load(&mb->resting) && atomic_exchange(&mb->resting, false)) {
        const uint64_t one = 1;
        ssize_t n = write(mb->fd, &one, sizeof one);
        assert(n == (ssize_t)sizeof one || errno == EAGAIN); /* full: it is readable */
        (void)n;
    }
}

bool mailbox_rest(struct mailbox *mb)
{
    atomic_store(&mb->resting, true);
    return !mb->ready && !atomic_load(&mb->top);
}

void mailbox_clear(struct mailbox *mb)
{
    uint64_t count;
    ssize_t n = read(mb->fd, &count, sizeof count);

    (void)n; /* EAGAIN: it was clear */
}

void mailbox_awake(struct mailbox *mb)
{
    atomic_store(&mb->resting, false);
}

/* The next mail, or NULL; refills `ready` from the stack. */
static struct mail *take(struct mailbox *mb)
{
    if (!mb->ready) {
        /* A plain look first: it does not take the line from the producers. */
        if (!atomic_load_explicit(&mb->top, memory_order_relaxed)) {
            return NULL;
        }
        struct mail *m = atomic_exchange_explicit(&mb->top, NULL, memory_order_acquire);
        while (m) {
            struct mail *older = m->next;
            m->next = mb->ready;
            mb->ready = m;
            m = older;
        }
    }
    struct mail *first = mb->ready;
    mb->ready = first->next;
    return first;
}

unsigned mailbox_drain(struct mailbox *mb, unsigned max)
{
    uint32_t done = atomic_load_explicit(&mb->done, memory_order_relaxed);
    unsigned ran = 0;
    while (max == 0 || ran < max) {
        struct mail *m = take(mb);
        if (!m) {
            break;
        }
        ran++;
        atomic_store_explicit(&mb->done, ++done, memory_order_release);
        m->run(m, mb->ctx); /* may free m */
    }
    return ran;
}

bool mailbox_pending(const struct mailbox *mb)
{
    return mb->ready || atomic_load_explicit(&mb->top, memory_order_relaxed);
}

uint32_t mailbox_depth(const struct mailbox *mb)
{
    uint32_t done = atomic_load_explicit(&mb->done, memory_order_acquire);
    return atomic_load_explicit(&mb->pushed, memory_order_relaxed) - done;
}
