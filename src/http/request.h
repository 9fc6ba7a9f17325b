/* request.h - one HTTP request, from its raw target to its answer. */
#ifndef FF_HTTP_REQUEST_H
#define FF_HTTP_REQUEST_H

#include "auth/auth.h"
#include "base/strbuf.h"
#include "core/permit.h"
#include "hook/hook.h"
#include "http/server.h"
#include "proto/origin.h"
#include "proto/target.h"

#include <microhttpd.h>

/* A connection that libmicrohttpd still has, or has in the fallback. */
struct http_conn {
    struct http_server *srv;
    struct MHD_Connection *mhd; /* NULL until libmicrohttpd has announced it */
    struct wheel_timer timer;
    uint64_t deadline; /* monotonic ms */
    uint64_t look;     /* ms until the next look at the peer */
    struct peer peer;
    struct http_secure *secure; /* TLS; NULL: plain, or taken by the stream */
    int fd;
    enum limit_kind over;
    bool answered; /* bytes of an answer may be out: no raw 408 any more */
    bool detached; /* the stream holds the connection's place in the limits */
    bool ending;   /* resumed for its end: libmicrohttpd is to bury it */
    bool parked;   /* fallback: suspended for as long as the stream lives */
    bool known;    /* a good credential was shown */
    bool nameless; /* its PROXY header named nobody */
};

/* (Re)starts the connection's deadline. */
void conn_deadline(struct http_conn *hc, enum http_timer kind, uint64_t ms);

/* It waits for its next request. */
void conn_idle(struct http_conn *hc);

/* libmicrohttpd must be run until it has buried the connection. */
void conn_ending(struct http_conn *hc);

/* What a 4xx or 5xx answer says; zero what does not apply. */
struct problem {
    int status;
    const char *code;
    const char *field;
    bool has_offset;
    size_t offset;
    unsigned retry_after_s;
    const char *allow;     /* the Allow header of a 405 */
    const char *challenge; /* the WWW-Authenticate header of a 401 */
    const char *last;      /* a cursor: the member "last" */
    const char *detail;
};

struct route;
struct publish_error;

#define REQUEST_OWNED 6

struct request {
    struct http_server *srv;
    struct http_conn *hc;
    struct MHD_Connection *mhd;
    const char *method; /* static or libmicrohttpd's; valid while served */
    const char *version;
    const struct route *route;
    struct target target;
    struct peer client;     /* whom it is from: behind a trusted proxy not the connection's peer */
    bool behind_proxy;      /* the limits of its address count here, not at the connection */
    bool from_proxy;        /* a trusted proxy's own: its address has no limits */
    struct str origin;      /* allowed Origin to be echoed, or empty */
    bool origin_named;      /* it is our own or listed, and not only let in by `*` */
    bool stream;            /* asks for an event stream: see respond_auth */
    enum auth_place place;  /* of the credential */
    struct grant *grant;    /* what it permits; a reference */
    uint64_t acts_as;       /* POST /publish: the connection whose client key it showed */
    struct str ticket_text; /* a ticket that was spent, in `target` */
    struct hook_answer answer; /* of the application: http/asking.h */
    struct str *asked_names;   /* it was asked about, in one block */
    int asked;                 /* enum ask_result */
    unsigned nasked;
    enum MHD_Result (*asker)(struct request *rq); /* goes on after it */
    struct strbuf body;
    struct strbuf out;    /* answer under construction */
    char *raw;            /* the raw target */
    struct request *next; /* in the line of the server */
    bool woken;           /* what it waited for has come: see request_resume, stream_line_move */
    enum { REQ_NEW, REQ_BODY, REQ_WAITING, REQ_ANSWERED } state;
    bool head;
    bool close;  /* the connection must not be used again */
    bool called; /* libmicrohttpd has called once */
    bool has_body;
    bool oversize;
    bool overload;
    size_t held; /* of http_shared.bodies */
    enum MHD_Result (*endpoint)(struct request *rq);
    enum MHD_Result (*finish)(struct request *rq); /* after REQ_WAITING */
    struct stream_start *start;                    /* an upgrade under way */
    struct visit *visit;                           /* come back from other shards */
    struct publish_ticket ticket;                  /* http/commit.h */
    struct mail commit_mail;
    struct errmsg why;
    char *owned[REQUEST_OWNED]; /* joined headers */
    unsigned nowned;
};

struct json_error;
/* A problem of a body that is no JSON, or no publication. `text` holds the
 * detail of the former. */
struct problem problem_of_json(const struct json_error *err, struct errmsg *text);
struct problem problem_of_publish(const struct publish_error *pe);
struct problem problem_of_nomem(void);

/* Stops serving the request until request_resume, then `finish` answers it. Until
 * then the gateway does not stop. */
void request_suspend(struct request *rq, enum MHD_Result (*finish)(struct request *rq));
/* On its shard's thread, once. */
void request_resume(struct request *rq);

/* ---- answers (each ends the request; the value goes back to libmicrohttpd) ---- */

enum MHD_Result respond_problem(struct request *rq, const struct problem *p);
/* `rq->out` is the body, which is taken. */
enum MHD_Result respond_json(struct request *rq, int status);
enum MHD_Result respond_text(struct request *rq, int status, const char *content_type);
enum MHD_Result respond_empty(struct request *rq, int status);
/* 403: `code`, `field` (or NULL). */
enum MHD_Result respond_forbidden(struct request *rq, const char *code, const char *field,
                                  const char *detail);
/* For answers with special headers: adds the common ones, queues, lets go of it. */
enum MHD_Result respond_with(struct request *rq, int status, struct MHD_Response *r);
/* The memory is out: an answer that needs none. */
enum MHD_Result respond_nomem(struct request *rq);
struct MHD_Response *respond_buffer(struct strbuf *body);
void respond_header(struct MHD_Response *r, const char *name, const char *value);
/* 429 or 503 with Retry-After; a request that accepts an event stream gets
 * 200, a jittered retry: and fanfare.refused instead, so that EventSource
 * comes back. */
enum MHD_Result respond_refused(struct request *rq, int status, const char *code,
                                const char *detail);

/* The same, but not to come back before `least_ms` are over. */
enum MHD_Result respond_refused_for(struct request *rq, int status, const char *code,
                                    const char *detail, uint64_t least_ms);

/* The event that tells an EventSource why, and when to come back. */
void add_refusal(struct conn_env *env, const char *code, uint64_t least_ms, struct strbuf *out);
/* Counts and logs what is over a limit, with the option's name; `who` may be empty. One line a
 * second for all of them, and one for sizes. */
void note_limit(struct conn_env *env, const struct peer *client, enum metric metric,
                const char *option, struct str who);
/* The same for a request that is larger than the option allows. */
void note_size(struct request *rq, const char *option);
/* Counts and logs a refusal because too much waits already. */
void note_overload(struct http_server *srv, const struct peer *peer, const char *limit);
/* respond_refused with the limit that the connection is over, or else with the
 * lack of descriptors. */
enum MHD_Result refuse_over_limit(struct request *rq);

/* A request header, all lines of that name joined by ", "; empty if there is
 * none. `lines` (or NULL) counts them. The memory lives as long as the request. */
struct str request_header(struct request *rq, const char *name, unsigned *lines);
/* The first line of that name. */
struct str request_header_one(struct request *rq, const char *name);
void problem_add_details(struct strbuf *out, const struct problem *p, unsigned line);

/* 0, or an answer was queued and *result is to be returned. */
int guard(struct request *rq, enum MHD_Result *result);

/* A query parameter that is not in `known`, a bad `limit` (1 to 1000, default
 * 100), or no channel's name as the path's second part: the 400 is queued and
 * *result set. */
int refuse_unknown_params(struct request *rq, const char *const *known, size_t n,
                          enum MHD_Result *result) FF_USE_RESULT;
int read_limit(struct request *rq, unsigned *limit, enum MHD_Result *result) FF_USE_RESULT;
int read_channel(struct request *rq, enum MHD_Result *result) FF_USE_RESULT;
void visit_free(struct visit *v);

/* ---- endpoints ---- */

enum MHD_Result get_events(struct request *rq);
enum MHD_Result get_ws(struct request *rq);
enum MHD_Result post_broadcast(struct request *rq);
enum MHD_Result post_publish(struct request *rq);
enum MHD_Result get_health(struct request *rq);
enum MHD_Result get_ready(struct request *rq);
enum MHD_Result get_stats(struct request *rq);
enum MHD_Result get_metrics(struct request *rq);
enum MHD_Result get_channels(struct request *rq);
enum MHD_Result get_channel(struct request *rq);
enum MHD_Result get_history(struct request *rq);
enum MHD_Result get_presence(struct request *rq);
enum MHD_Result get_reads(struct request *rq);
enum MHD_Result get_user(struct request *rq);
enum MHD_Result get_unread(struct request *rq);
enum MHD_Result delete_user(struct request *rq);
enum MHD_Result post_ticket(struct request *rq);
enum MHD_Result post_client_token(struct request *rq);
enum MHD_Result get_revocations(struct request *rq);
enum MHD_Result post_revocation(struct request *rq);
enum MHD_Result delete_revocation(struct request *rq);
enum MHD_Result post_ack(struct request *rq);
enum MHD_Result post_info(struct request *rq);
enum MHD_Result post_typing(struct request *rq);
enum MHD_Result post_read(struct request *rq);
enum MHD_Result get_clients(struct request *rq);
enum MHD_Result get_client(struct request *rq);
enum MHD_Result post_client_message(struct request *rq);
enum MHD_Result delete_client(struct request *rq);
enum MHD_Result get_playground(struct request *rq);
enum MHD_Result get_room(struct request *rq);

/* Is the body's media type one that holds JSON? *ndjson tells which. Else the
 * 415 is queued, *result set, ERR_INVALID returned. */
int request_media(struct request *rq, bool *ndjson, enum MHD_Result *result) FF_USE_RESULT;

#endif
