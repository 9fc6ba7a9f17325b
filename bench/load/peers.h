/* peers.h - what the dialects of other servers share. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "dialect.h"

enum { PEER_OPENING, PEER_OPEN };

#define PEER_TOPOLOGIES (1U << TOPOLOGY_ONE | 1U << TOPOLOGY_USERS | 1U << TOPOLOGY_CHANNELS)

/* Appends the names a subscriber listens to, with commas between. */
void peer_add_names(const struct sub *s, struct buf *out);
/* Appends the name a message is published to. */
void peer_add_target(const struct plan *pl, const struct msg *m, struct buf *out);

/* Asks for the stream at `path` (or the plan's) + `query` + the names. */
void peer_sse_open(struct sub *s, const char *path, const char *query);
/* The same for a WebSocket; the names only if wanted. */
void peer_ws_open(struct sub *s, const char *path, const char *query, bool names);
/* Takes the head of the answer to either; anything but `wanted` is a refusal. The
 * state becomes PEER_OPEN. */
size_t peer_head(struct sub *s, const char *p, size_t n, int wanted);

/* Publishes one message: POST path?key=name; the key is left out if it is NULL and
 * the message is for all. */
void peer_post(const struct plan *pl, const struct msg *m, const char *path, const char *key,
               struct buf *out);
/* For struct dialect: any answer of 200 to 299 accepts one message. */
long peer_answer(const struct plan *pl, const char *p, size_t n, unsigned *accepted);

/* Takes one chunk of a body, 0 if it is not complete. A chunk without data is the
 * body's end. */
size_t peer_chunk(const char *p, size_t n, const char **data, size_t *len);

/* Units that came in pieces. `next` takes one piece (a chunk, a frame) from the
 * front and sets its payload; `whole` tells whether the payload so far ends where
 * a unit does. Returns the length of as many pieces as make that true, 0 if they
 * are not there yet; the payload is in *data, copied only if it was in pieces. */
struct pieces {
    size_t (*next)(struct sub *s, const char *p, size_t n, const char **data, size_t *len);
    bool (*whole)(const char *data, size_t len);
};
size_t peer_join(struct sub *s, const struct pieces *how, const char *p, size_t n,
                 const char **data, size_t *len);

/* Takes one message of a WebSocket, joined if it came in several frames; or a control
 * frame, then *data is NULL. */
size_t peer_ws_message(struct sub *s, const char *p, size_t n, const char **data, size_t *len);

/* A WebSocket whose subscription stands with the handshake, and whose every message
 * is one frame. */
size_t peer_plain_ws(struct sub *s, const char *p, size_t n);

/* An SSE stream in chunks: reports messages, and the event `joined` as ready. */
size_t peer_chunked_sse(struct sub *s, const char *p, size_t n);

/* Whether [p, p+n) begins with the text. */
bool peer_begins(const char *p, size_t n, const char *text);

#endif
