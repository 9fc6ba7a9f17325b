/* fault.c - frames lost, doubled, exchanged or damaged on purpose. */
#include "raw.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void send_whole(const struct reader *s, const char *p, size_t len)
{
    while (len > 0) {
        struct pollfd wait = {.fd = s->fd, .events = POLLOUT};
        if (poll(&wait, 1, 10000) != 1) {
            return;
        }
        ssize_t n = send(s->fd, p, len, MSG_NOSIGNAL);
        if (n < 0) {
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static char *copy(const char *p, size_t len)
{
    char *c = malloc(len);
    if (c == NULL) {
        abort();
    }
    return memcpy(c, p, len);
}

static void send_damaged(const struct reader *s, const char *p, size_t len)
{
    char *bad = copy(p, len);
    /* Within the filler, which is most of a frame's end. */
    bad[len - 10] ^= 1;
    send_whole(s, bad, len);
    free(bad);
}

static void send_one(struct raw *r, const struct reader *s, const char *p, size_t len, bool due)
{
    if (due && r->fault == FAULT_LOSE) {
        return;
    }
    if (due && r->fault == FAULT_DAMAGE) {
        send_damaged(s, p, len);
        return;
    }
    if (due && r->fault == FAULT_REORDER) {
        r->late = copy(p, len);
        r->late_len = len;
        return;
    }
    send_whole(s, p, len);
    if (due && r->fault == FAULT_DUPLICATE) {
        send_whole(s, p, len);
    }
    if (r->late != NULL) {
        send_whole(s, r->late, r->late_len);
        free(r->late);
        r->late = NULL;
    }
}

void fault_send(struct raw *r, struct reader *s, const char *p, size_t len)
{
    const char *end = p + len;
    while (p < end) {
        const char *empty = memmem(p, (size_t)(end - p), "\n\n", 2);
        size_t one = (size_t)(empty - p) + 2;
        r->frames++;
        send_one(r, s, p, one, r->frames % r->fault_every == 0);
        p += one;
    }
}
