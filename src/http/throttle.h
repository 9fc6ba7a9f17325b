/* throttle.h - the limits of clients, users and publishers, applied to a request: what is over
 * one is refused, counted, and logged with the option's name. Internal to src/http. */
#ifndef FF_HTTP_THROTTLE_H
#define FF_HTTP_THROTTLE_H

#include "core/grant.h"
#include "http/publication.h"
#include "http/stream_query.h"

/* ---- auth-failure-rate ---- */

/* Before a credential is read: 0, or too many bad ones came from the client's address: an
 * answer is queued and *result set. Costs nothing as long as there are none. */
int throttle_auth(struct request *rq, enum MHD_Result *result) FF_USE_RESULT;
/* A credential was bad. */
void throttle_auth_failed(struct request *rq);
/* The same for tokens that a stream shows in ops: conn_hooks. */
uint64_t throttle_token_wait(struct http_server *srv, const struct stream *s);
void throttle_token_failed(struct http_server *srv, const struct stream *s);

/* ---- publish-rate, publish-bytes, rate-for ---- */

/* May the publisher publish this now? If so it counts; else *r says why not. `bytes` is the
 * publication's own length. */
bool throttle_publication(const struct publisher *pb, const struct publish *p, size_t bytes,
                          struct refusal *r) FF_USE_RESULT;

/* ---- read-rate, read-bytes ---- */

/* May a client read something now that is no stream? Then the request counts: 0. Else an answer
 * is queued and *result set. Keys, and open mode, are not limited. */
int throttle_read(struct request *rq, enum MHD_Result *result) FF_USE_RESULT;
/* So many bytes were read: known only afterwards, so the last answer may be one too much, which
 * is then waited for. */
void throttle_was_read(struct request *rq, size_t bytes);

/* ---- op-rate, op-bytes ---- */

/* May the client of this id say something now by a request with its key? Then it counts, with
 * its body: 0. Else an answer is queued and *result set. */
int throttle_client(struct request *rq, uint64_t id, enum MHD_Result *result) FF_USE_RESULT;

/* ---- streams ---- */

/* May the stream begin, for its address (behind a trusted proxy), its user and its channels?
 * Then it counts, until stream_start_free or, after throttle_taken, until it ends. Otherwise
 * an answer is queued and *result set. */
int throttle_stream(struct request *rq, struct stream_start *st, enum MHD_Result *result)
    FF_USE_RESULT;
/* The stream was opened: its places are its own. */
void throttle_taken(struct stream_start *st);
/* It never was: they are given back. */
void throttle_give_back(struct stream_start *st);

#endif
