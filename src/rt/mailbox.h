/* mailbox.h - work handed to a reactor's thread by any thread, in order.
 *
 * A lock-free list with many producers and one consumer, and an eventfd that
 * is written only when the list was empty. Mails pushed under one lock are run
 * in the order of that lock. */
#ifndef FF_RT_MAILBOX_H
#define FF_RT_MAILBOX_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Intrusive; the mailbox never frees one. `run` is called once on the
 * consumer's thread with the mailbox's ctx and may free the mail. */
struct mail {
    struct mail *next;
    void (*run)(struct mail *m, void *ctx);
};

struct mailbox;

int mailbox_new(void *ctx, struct mailbox **out, struct errmsg *why) FF_USE_RESULT;
/* Mails still inside are dropped without running: stop producers first and
 * drain. */
void mailbox_free(struct mailbox *mb);
/* The eventfd, to be watched for EPOLLIN (level-triggered is fine). */
int mailbox_fd(const struct mailbox *mb);
/* Any thread. Wakes the consumer if needed. */
void mailbox_push(struct mailbox *mb, struct mail *m);
/* Consumer only. Runs up to `max` mails (0: all there are, those pushed
 * meanwhile included); returns how many ran. Clears the eventfd; if mails are
 * left because of `max`, mailbox_pending() is true and the fd may be quiet. */
unsigned mailbox_drain(struct mailbox *mb, unsigned max);
/* Consumer only. */
bool mailbox_pending(const struct mailbox *mb);
/* Any thread: about how many mails wait. */
uint32_t mailbox_depth(const struct mailbox *mb);

#endif
