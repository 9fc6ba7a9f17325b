#include "rt/mailbox.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { PRODUCERS = 4, EACH = 50000 };

struct letter {
    struct mail mail; /* first */
    unsigned from;
    unsigned number;
};

struct reader {
    struct mailbox *mb;
    unsigned next[PRODUCERS];
    unsigned ran;
    unsigned bad;
};

static struct reader reader;

static void start(void)
{
    struct errmsg why;
    cr_assert_eq(mailbox_new(&reader, &reader.mb, &why), 0);
}

static void stop(void)
{
    mailbox_free(reader.mb);
}

TestSuite(mailbox, .init = start, .fini = stop);

static void run_letter(struct mail *m, void *ctx)
{
    struct letter *l = (struct letter *)m;
    struct reader *r = ctx;
    r->bad += r->next[l->from] != l->number;
    r->next[l->from] = l->number + 1;
    r->ran++;
    free(l);
}

static void post(unsigned from, unsigned number)
{
    struct letter *l = malloc(sizeof *l);
    cr_assert_not_null(l);
    *l = (struct letter){{NULL, run_letter}, from, number};
    mailbox_push(reader.mb, &l->mail);
}

static bool readable(int timeout_ms)
{
    struct pollfd p = {.fd = mailbox_fd(reader.mb), .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

Test(mailbox, empty)
{
    cr_assert_not(readable(0));
    cr_assert(mailbox_rest(reader.mb));
    mailbox_awake(reader.mb);
    cr_assert_not(readable(0));
    cr_assert_not(mailbox_pending(reader.mb));
    cr_assert_eq(mailbox_depth(reader.mb), 0);
    cr_assert_eq(mailbox_drain(reader.mb, 0), 0);
    cr_assert_eq(mailbox_drain(reader.mb, 5), 0);
    mailbox_free(NULL);
}

Test(mailbox, runs_in_order)
{
    for (unsigned i = 0; i < 10; i++) {
        post(0, i);
    }
    cr_assert_not(mailbox_rest(reader.mb), "it must not sleep on mail");
    mailbox_awake(reader.mb);
    cr_assert(mailbox_pending(reader.mb));
    cr_assert_eq(mailbox_depth(reader.mb), 10);
    cr_assert_eq(mailbox_drain(reader.mb, 0), 10);
    cr_assert_eq(reader.ran, 10);
    cr_assert_eq(reader.bad, 0);
    cr_assert_not(readable(0));
    cr_assert_not(mailbox_pending(reader.mb));
    cr_assert_eq(mailbox_depth(reader.mb), 0);
}

Test(mailbox, the_descriptor_is_written_once_and_only_for_one_who_rests)
{
    post(0, 0);
    cr_assert_not(readable(0), "nobody rests");
    cr_assert_eq(mailbox_drain(reader.mb, 0), 1);
    cr_assert(mailbox_rest(reader.mb));
    for (unsigned i = 1; i < 5; i++) {
        post(0, i);
    }
    uint64_t count = 0;
    cr_assert_eq(read(mailbox_fd(reader.mb), &count, sizeof count), (ssize_t)sizeof count);
    cr_assert_eq(count, 1);
    cr_assert_eq(mailbox_drain(reader.mb, 0), 4);
}

Test(mailbox, one_write_a_rest)
{
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(mailbox_rest(reader.mb));
        post(0, i);
        cr_assert(readable(0));
        mailbox_clear(reader.mb);
        mailbox_awake(reader.mb);
        cr_assert_not(readable(0));
        cr_assert_eq(mailbox_drain(reader.mb, 0), 1);
    }
    cr_assert(mailbox_rest(reader.mb)); /* woken by something else */
    mailbox_awake(reader.mb);
    post(0, 3);
    cr_assert_not(readable(0));
    cr_assert_eq(mailbox_drain(reader.mb, 0), 1);
    cr_assert_eq(reader.bad, 0);
}

/* A write that comes late, when the mail has long been run, is cleared like any
 * other: the descriptor does not stay readable. */
Test(mailbox, a_late_write_is_cleared)
{
    const uint64_t one = 1;

    cr_assert(mailbox_rest(reader.mb));
    mailbox_awake(reader.mb);
    cr_assert_eq(write(mailbox_fd(reader.mb), &one, sizeof one), (ssize_t)sizeof one);
    cr_assert(readable(0));
    mailbox_clear(reader.mb);
    cr_assert_not(readable(0));
    mailbox_clear(reader.mb); /* clear already: nothing happens */
}

Test(mailbox, max_leaves_the_rest_in_order)
{
    for (unsigned i = 0; i < 7; i++) {
        post(0, i);
    }
    cr_assert_eq(mailbox_drain(reader.mb, 3), 3);
    cr_assert(mailbox_pending(reader.mb));
    cr_assert_eq(mailbox_depth(reader.mb), 4);
    cr_assert_not(mailbox_rest(reader.mb), "some are left over");
    mailbox_awake(reader.mb);
    post(0, 7); /* after those left over */
    cr_assert_eq(mailbox_drain(reader.mb, 2), 2);
    cr_assert_eq(mailbox_drain(reader.mb, 100), 3);
    cr_assert_not(mailbox_pending(reader.mb));
    cr_assert_eq(reader.bad, 0);
    cr_assert_eq(reader.ran, 8);
}

static void run_repost(struct mail *m, void *ctx)
{
    struct letter *l = (struct letter *)m;
    struct reader *r = ctx;
    r->ran++;
    if (--l->number > 0) {
        mailbox_push(r->mb, m);
    }
}

Test(mailbox, drain_includes_what_is_pushed_meanwhile)
{
    struct letter l = {{NULL, run_repost}, 0, 20};
    mailbox_push(reader.mb, &l.mail);
    cr_assert_eq(mailbox_drain(reader.mb, 5), 5);
    cr_assert(mailbox_pending(reader.mb));
    cr_assert_eq(mailbox_drain(reader.mb, 0), 15);
    cr_assert_not(mailbox_pending(reader.mb));
    cr_assert_eq(reader.ran, 20);
}

static void *produce(void *arg)
{
    const unsigned *from = arg;
    for (unsigned i = 0; i < EACH; i++) {
        post(*from, i);
    }
    return NULL;
}

/* A lost wake-up ends in a time-out. */
static void wait_for_mail(void)
{
    if (mailbox_rest(reader.mb)) {
        cr_assert(readable(30000), "a wake-up was lost after %u", reader.ran);
        mailbox_clear(reader.mb);
    }
    mailbox_awake(reader.mb);
}

static void consume(unsigned max)
{
    static unsigned from[PRODUCERS];
    pthread_t t[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        from[i] = i;
        cr_assert_eq(pthread_create(&t[i], NULL, produce, &from[i]), 0);
    }
    while (reader.ran < PRODUCERS * EACH) {
        wait_for_mail();
        cr_assert_leq(mailbox_drain(reader.mb, max), max ? max : UINT32_MAX);
        cr_assert_leq(mailbox_depth(reader.mb), PRODUCERS * EACH);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(t[i], NULL);
        cr_assert_eq(reader.next[i], EACH);
    }
    cr_assert_eq(reader.ran, PRODUCERS * EACH);
    cr_assert_eq(reader.bad, 0);
    cr_assert_eq(mailbox_drain(reader.mb, 0), 0);
    cr_assert_eq(mailbox_depth(reader.mb), 0);
}

Test(mailbox, four_producers)
{
    consume(0);
}

Test(mailbox, four_producers_bounded_drain)
{
    consume(64);
}

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static unsigned ticket;

static void *produce_locked(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < EACH / 4; i++) {
        pthread_mutex_lock(&order);
        post(0, ticket++);
        pthread_mutex_unlock(&order);
    }
    return NULL;
}

Test(mailbox, pushes_under_one_lock_keep_its_order)
{
    pthread_t t[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        cr_assert_eq(pthread_create(&t[i], NULL, produce_locked, NULL), 0);
    }
    while (reader.ran < PRODUCERS * (EACH / 4)) {
        wait_for_mail();
        (void)mailbox_drain(reader.mb, 0);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(t[i], NULL);
    }
    cr_assert_eq(reader.bad, 0);
}
