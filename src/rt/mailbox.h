/* mailbox.h - work handed to a reactor's thread by any thread, in order.
 *
 * A lock-free list with many producers and one consumer, and an eventfd that
 * is written only while the consumer rests: what a busy thread is sent, or
 * sends itself, costs no system call. Mails pushed under one lock are run in
 * the order of that lock.
 *
 * The consumer's loop: mailbox_rest on each of its mailboxes; wait for the
 * descriptors, without a timeout only if all said true; mailbox_clear for each
 * that is readable, whenever it is; mailbox_awake on each; mailbox_drain. */
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
/* The eventfd, to be watched for EPOLLIN, level-triggered. */
int mailbox_fd(const struct mailbox *mb);
/* Any thread. Wakes the consumer if it rests. */
void mailbox_push(struct mailbox *mb, struct mail *m);
/* Consumer only: from now on a push makes the descriptor readable. False if
 * there is mail already: do not wait for more. */
bool mailbox_rest(struct mailbox *mb) FF_USE_RESULT;
/* Consumer only: the descriptor is readable. That may be long after the mail was
 * run, since a producer may be interrupted before it writes. */
void mailbox_clear(struct mailbox *mb);
/* Consumer only, after the wait: a push need not wake it any more. */
void mailbox_awake(struct mailbox *mb);
/* Consumer only. Runs up to `max` mails (0: all there are, those pushed
 * meanwhile included); returns how many ran. */
unsigned mailbox_drain(struct mailbox *mb, unsigned max);
/* Consumer only. */
bool mailbox_pending(const struct mailbox *mb);
/* Any thread: about how many mails wait. */
uint32_t mailbox_depth(const struct mailbox *mb);

#endif
