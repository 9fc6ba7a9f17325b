/* stress_rt_mailbox [mails per producer] - the mailbox under a sanitizer that
 * does not get on with the test framework. Exit status 0: all was well. */
#include "rt/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRODUCERS = 4 };

struct letter {
    struct mail mail; /* first */
    unsigned from;
    unsigned number;
};

struct producer {
    struct mailbox *mb;
    unsigned id;
    unsigned count;
    bool ok;
};

struct reader {
    unsigned next[PRODUCERS];
    unsigned ran;
    unsigned bad;
};

static void run_letter(struct mail *m, void *ctx)
{
    struct letter *l = (struct letter *)m;
    struct reader *r = ctx;
    r->bad += r->next[l->from] != l->number;
    r->next[l->from] = l->number + 1;
    r->ran++;
    free(l);
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (unsigned i = 0; i < p->count; i++) {
        struct letter *l = malloc(sizeof *l);
        if (!l) {
            return NULL;
        }
        *l = (struct letter){{NULL, run_letter}, p->id, i};
        mailbox_push(p->mb, &l->mail);
    }
    p->ok = true;
    return NULL;
}

/* False if no wake-up came for mails that must come. */
static bool consume(struct mailbox *mb, struct reader *r, unsigned all)
{
    for (unsigned turn = 0; r->ran < all; turn++) {
        struct pollfd p = {.fd = mailbox_fd(mb), .events = POLLIN};
        if (mailbox_rest(mb)) {
            if (poll(&p, 1, 60000) != 1) {
                return false;
            }
            mailbox_clear(mb);
        }
        mailbox_awake(mb);
        (void)mailbox_drain(mb, turn % 3 * 50);
        if (mailbox_depth(mb) > all) {
            r->bad++;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    struct reader reader = {{0}, 0, 0};
    struct mailbox *mb;
    struct errmsg why;
    if (mailbox_new(&reader, &mb, &why) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    struct producer p[PRODUCERS];
    pthread_t t[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        p[i] = (struct producer){mb, i, count, false};
        if (pthread_create(&t[i], NULL, produce, &p[i]) != 0) {
            fputs("no thread\n", stderr);
            return 1;
        }
    }
    bool woken = consume(mb, &reader, PRODUCERS * count);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(t[i], NULL);
        reader.bad += !p[i].ok || reader.next[i] != count;
    }
    mailbox_free(mb);
    printf("%u mails, %u out of order, %s\n", reader.ran, reader.bad,
           woken ? "every wake-up came" : "a wake-up was lost");
    return woken && reader.bad == 0 ? 0 : 1;
}
