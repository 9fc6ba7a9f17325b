/* client.h - subscribers: their connections, and the check of all they get. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "buf.h"
#include "dialect.h"

#include <stdbool.h>
#include <stdint.h>

enum phase {
    PHASE_CLOSED,
    PHASE_CONNECTING,
    PHASE_OPENING, /* connected, not subscribed yet */
    PHASE_READY,
    PHASE_LEAVING, /* said goodbye, waits for the server's end */
};

/* A stalled client stops reading; nobody waits for it. Later it reads what there is
 * until it has caught up. */
enum stall { STALL_NONE, STALL_DEAF, STALL_CATCHES_UP };

/* What is touched for each delivery fills one cache line, the rest the second. */
struct client {
    struct sub sub;
    int fd;
    uint8_t phase;
    uint8_t stalled; /* enum stall */
    bool gap;        /* was told that messages are missing */
    bool unsent;     /* something is in `out` */
    uint64_t next;   /* number of the message it waits for */
    uint64_t place;  /* in the stream of units; NOWHERE: goes by the parser */
    char *held;      /* beginning of a unit that is not complete */
    uint32_t held_len, held_cap;

    struct buf out;
    int64_t since;     /* connecting since */
    int64_t retry_at;  /* reconnect: not before this */
    uint64_t gap_most; /* how many messages the gap may have; NOWHERE: unknown */
    uint32_t got, missed, gaps;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct client) == 128, "two cache lines");

/* The messages one subscriber waits for, while they have single targets. */
struct expected {
    uint64_t head, tail;
};

/* What the present command makes of it; NULL: the run fails. Of stalled clients
 * neither refusals nor ends are told. */
struct hooks {
    void (*ready)(struct client *c);
    /* Afterwards the client is as before: the hook may close it. */
    void (*refused)(struct client *c, const char *text, size_t len);
    /* The server ended the connection, which was in this phase; it is closed now. */
    void (*ended)(struct client *c, enum phase was, const char *why);
    bool may_gap;  /* messages may be missing if the server says so */
    bool may_skip; /* messages may be missing if their publication is refused */
};

void client_init(struct client *c, uint32_t index);
/* Starts to connect. */
void client_open(struct client *c);
/* With `reset` the server gets an RST. What it waited for is not waited for any
 * more. */
void client_close(struct client *c, bool reset);
/* Says goodbye; the server's end is told by hooks.ended. */
void client_leave(struct client *c);
void client_event(struct client *c, uint32_t events);
void client_stall(struct client *c, enum stall stall);
/* Its own address as text. */
const char *client_peer(const struct client *c, char *to, size_t size);
/* Nothing is under way: all stand at the end of what was published. */
void clients_align(void);

/* ---- check.c ---- */

/* Takes what was received; before `p` there is room for MOST_UNIT bytes. */
void check_bytes(struct client *c, char *p, size_t n);
/* It came back with a position: it must have got all that it missed. */
void check_came_back(const struct client *c);
/* Nobody waits for this client any more. */
void check_forget(struct client *c);

enum { MOST_UNIT = 1 << 21 };

#endif
