/* stream.h - one client connection, whatever its transport: descriptor, output
 * queue, flushing, timers, end. SSE and WebSocket embed it and give it ops.
 *
 * Life: stream_open -> (stream_put ..., stream_end) -> buried by
 * conn_env_flush at the end of a turn of the loop, never earlier, so a pointer
 * got in a callback stays good until that callback returns.
 *
 * Everything here runs on the shard's thread. */
#ifndef FF_CONN_STREAM_H
#define FF_CONN_STREAM_H

#include "conn/env.h"
#include "conn/outq.h"
#include "conn/peer.h"
#include "core/member.h"
#include "proto/control.h"
#include "proto/position.h"
#include "rt/transport.h"

#include <stddef.h>

struct stream_ops {
    enum transport transport;
    /* The socket is readable, or the peer is gone (events has RDHUP, HUP or ERR). */
    void (*readable)(struct stream *s, uint32_t events);
    /* `heartbeat` of silence is over. */
    void (*beat)(struct stream *s);
    /* Puts the transport's farewell, if it has one, before the queue is
     * closed. `code` is a WebSocket close code. */
    void (*farewell)(struct stream *s, uint16_t code, const char *reason);
    /* read_paused was set, and the queue is short again. NULL: never pauses. */
    void (*resume)(struct stream *s);
    /* Frees what the transport added, and the stream's memory. */
    void (*free)(struct stream *s);
};

enum stream_timer {
    STREAM_TIMER_BEAT,
    STREAM_TIMER_PONG,
    STREAM_TIMER_LEAVE,
    STREAM_TIMER_LINGER,
    STREAM_TIMER_ACCESS, /* the one of conn/access.c, not the stream's */
    STREAM_TIMER_PACE    /* likewise, of conn/pace.c */
};

/* Timers of streams have kinds below this; other users of the wheel above. */
#define STREAM_TIMER_KINDS 16

struct grant;
struct load_user;
struct stream_access;
struct stream_slow;
struct stream_replay;

struct stream {
    struct rt_source src; /* first */
    const struct stream_ops *ops;
    struct conn_env *env;
    struct member member;
    /* what every delivery touches, side by side */
    struct outq q;
    struct rt_transport *tls; /* NULL: bytes are the socket's own */
    int fd;
    uint8_t blocked : 1; /* the socket took no more */
    uint8_t is_dirty : 1;
    uint8_t ending : 1;         /* takes no more messages; closes once written */
    uint8_t shut : 1;           /* our side is shut down; waiting for the peer's */
    uint8_t dead : 1;           /* to be buried */
    uint8_t read_paused : 1;    /* no more is read until the queue is short */
    uint8_t lagging : 1;        /* conn/slow.h: was blocked, and something still waits */
    uint8_t from_proxy : 1;     /* a trusted proxy's own: its address has no limits */
    uint32_t loaded_names : 23; /* as many of its subscriptions count, see `loaded` */
    uint32_t left : 1;          /* hooks.leaves was called */
    uint64_t position;          /* seq of the newest message put, or as resumed */
    uint64_t messages, bytes;
    uint64_t active_ms; /* monotonic: last byte in or out */
    /* the rest */
    struct stream *next_dirty;
    struct wheel_timer timer;
    struct interned *agent;
    char *meta;                    /* JSON object, or NULL */
    struct stream_slow *slow;      /* it lags; or NULL */
    struct stream_replay *replays; /* what it is yet to get from history */
    struct load_user *loaded;      /* for whom it counts, or NULL: conn/load.h */
    struct stream_access *access;  /* what it may do; NULL: everything (conn/access.h) */
    const char *end_reason;        /* static text */
    void *owner;           /* for the HTTP floor: what it must be told of the end, or NULL */
    uint64_t connected_at; /* real ms */
    struct peer peer;
    uint16_t waiting;    /* ops of its that are answered later: ws/later.h */
    uint16_t acts;       /* what it did in that second among people: conn/acting.h */
    uint32_t act_second; /* monotonic */
};

/* What a client causes by sending waits for it to read: with more than this
 * many bytes waiting, a transport sets read_paused and reads no more. */
#define STREAM_REPLY_BACKLOG 65536

/* What the HTTP floor knows of a client that becomes a stream. */
struct stream_intro {
    int fd;                   /* taken over, also on failure */
    struct rt_transport *tls; /* likewise; NULL: plain */
    struct peer peer;
    struct str user; /* empty: anonymous */
    struct str user_agent;
    struct grant *grant; /* the stream takes a reference; NULL, GRANT_OPEN: open mode */
    struct str meta;     /* checked, minified JSON object, or empty; the grant's goes before it */
    struct str info;     /* checked, minified JSON, or empty; likewise (conn/notes.h) */
    const struct str *names; /* checked channels and patterns */
    unsigned nnames;
    const struct str *signed_names; /* those that it showed a good signature for */
    unsigned nsigned;
    bool from_proxy;          /* see struct stream */
    bool reads;               /* it wants the read positions of its channels (conn/notes.h) */
    struct load_user *loaded; /* it counts for that, with nnames subscriptions: conn/load.h */
    struct position position; /* where it wants to begin */
    void *owner;              /* see struct stream */
};

/* Joins the router, registers the descriptor and queues the greeting: connected,
 * then, if a position was asked for or something waits for the user, gaps and
 * the first messages from history (conn/replays.h), and, when there are no more,
 * synced. `s` is zeroed except what the transport added; on failure nothing is
 * left but `s`, which the caller frees. */
int stream_open(struct stream *s, struct conn_env *env, const struct stream_ops *ops,
                const struct stream_intro *intro) FF_USE_RESULT;
/* Closes what a stream that cannot be made would have taken over. */
void stream_intro_drop(const struct stream_intro *intro);

/* Queues `b` (keeps a reference of its own), applying the slow-client policy. */
void stream_put(struct stream *s, struct outbuf *b);
/* May be written to at once: it is open, and nothing waits before. */
static inline bool stream_is_clear(const struct stream *s)
{
    return !s->q.n && !(s->blocked | s->ending | s->dead);
}
/* One attempt to write to a stream that is clear. Returns how many bytes were
 * taken; a broken stream is killed. */
size_t stream_write(struct stream *s, const char *bytes, size_t n);
/* Writes as much of the queue as the socket takes. False if it is broken. */
bool stream_write_queue(struct stream *s);
/* Like recv on the socket, never waiting; see rt/transport.h. */
ssize_t stream_read(struct stream *s, void *buf, size_t n);
/* Queues `b`, of which stream_write has written the first `sent` bytes. */
void stream_put_begun(struct stream *s, struct outbuf *b, size_t sent);
/* Queues private bytes; without memory the stream ends. */
void stream_put_bytes(struct stream *s, struct str bytes);
/* The same, but written at once, without a queue, if nothing waits before. */
void stream_put_now(struct stream *s, struct str bytes);
/* Queues a control event, at the stream's position. `data` is minified JSON. */
void stream_put_control(struct stream *s, struct str type, struct str data);
/* Queues a message to this client alone, at the stream's position. False
 * without memory. */
bool stream_put_direct(struct stream *s, const struct envelope *e);
/* Queues a message once more, without moving the stream's position; the
 * `attempt` is told if it is not the first. False without memory. */
bool stream_put_again(struct stream *s, const struct frame *f, unsigned attempt);

/* Subscribes to a checked channel or pattern (WebSocket). *at is what the reply
 * says: where live delivery begins, or, if a position was asked for, that; then
 * what history has comes later in this turn or in later ones, ends with
 * fanfare.synced {channel, ref}, and goes over into live delivery. So it is too,
 * from the top on, while the stream's own replay is not through. `ref` is exact
 * JSON text, or empty. ERR_EXISTS (with *at): subscribed, or being replayed,
 * already. ERR_NOMEM. */
int stream_subscribe(struct stream *s, struct str name, const struct position *pos, struct str ref,
                     struct cursor *at) FF_USE_RESULT;
/* ERR_NOT_FOUND: neither subscribed nor being replayed. ERR_NOMEM. */
int stream_unsubscribe(struct stream *s, struct str name) FF_USE_RESULT;
/* The same, but not of its own accord. `reason` is static text. */
int stream_drop_name(struct stream *s, struct str name, const char *reason) FF_USE_RESULT;
/* Channels and patterns that it subscribes to, or is being replayed. */
unsigned stream_name_count(const struct stream *s);
bool stream_has_name(const struct stream *s, struct str name);
void stream_names(const struct stream *s, void (*visit)(void *ctx, struct str name), void *ctx);
/* The same, as a JSON array. */
void stream_add_names(const struct stream *s, struct strbuf *out);
/* The user, empty if anonymous; also before the member is joined. */
struct str stream_user(const struct stream *s);
/* Ends in order: farewell, write what waits, shut down, wait for the peer a
 * little, close. `reason` is static text for log and handlers. */
void stream_end(struct stream *s, uint16_t code, const char *reason);
/* After the transport said its farewell itself: write, shut down, close. */
void stream_finish(struct stream *s, const char *reason);
/* Ends at once: the socket is broken or not worth waiting for. */
void stream_kill(struct stream *s, const char *reason);
/* fanfare.draining with a reconnection time of its own, and the end at a random
 * moment within env->drain_ms. */
void stream_ask_to_leave(struct stream *s);
void stream_mark_dirty(struct stream *s);
static inline void stream_list_add(struct stream_list *l, struct stream *s)
{
    s->next_dirty = NULL;
    *l->end = s;
    l->end = &s->next_dirty;
}
/* Gives back everything but the memory of the stream itself: its burial. */
void stream_release(struct stream *s);
/* (Re)starts the heartbeat timer. */
void stream_start_beat(struct stream *s);
/* The wheel fired a timer with a kind below STREAM_TIMER_KINDS. */
void stream_timer_fired(struct wheel_timer *t);

/* A log line about the client: its id, user, transport, peer, then `key` and
 * `value` (both may be NULL). */
void stream_log(const struct stream *s, enum log_level level, const char *msg, const char *key,
                const char *value);
/* Counts what a client asks for over a limit, and logs it with the option's name: one line a
 * second for all of them, and one for sizes. */
void stream_note_limit(const struct stream *s, enum metric metric, const char *option);
/* A log line, with how much waits for it and since when; `because` may be NULL. */
void stream_log_lag(const struct stream *s, enum log_level level, const char *msg,
                    const char *because);
/* The secret that lets a client act as this connection over plain requests. */
#define CLIENT_KEY_LEN (CLIENT_ID_LEN + 1 + 22) /* "<client id>.<secret>" */
void stream_client_key(const struct stream *s, char out[CLIENT_KEY_LEN + 1]);
/* Is it the key of a client, now or once, of any shard? Then *id is the client's.
 * Takes the same time for any wrong secret. */
bool client_key_ok(const struct conn_env *env, struct str key, uint64_t *id) FF_USE_RESULT;
/* The JSON object of GET /clients/{id}. */
void stream_describe(const struct stream *s, struct strbuf *out);
/* Appends retry (SSE) and connected, with the position that the client stands at. */
void stream_add_greeting(const struct stream *s, struct str position, bool recovered,
                         struct strbuf *out);

#define STREAM_OF(ptr, member_name) \
    ((struct stream *)(void *)((char *)(ptr)-offsetof(struct stream, member_name)))

#endif
