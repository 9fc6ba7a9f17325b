/* hook.h - questions to the application by HTTP (docs/security.md, "Asking your
 * application"): may this client connect, subscribe, publish? One thread with libcurl
 * asks; answers are remembered for as long as the application says; when it fails again
 * and again it is left alone for a while (circuit breaker), and whoever would have to be
 * asked is refused for now. Never is anything permitted because no answer came.
 *
 * The request: POST <auth-url>, Content-Type: application/json, body
 *   {"event":"connect"|"subscribe"|"publish","userId":…,"clientId":…,"channels":["…"],
 *    "address":"…","origin":"…","headers":{"cookie":"…","authorization":"…"}}
 * (members that are not known are left out; headers only with connect), with
 * Fanfare-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(secret, "<t>." body)> if a secret is
 * configured. The answer: 200 {"allow":true|false, "ttl":seconds, "reason":"…"} and, for
 * connect, {"userId","channels","publish","meta","info","expiresIn"} as in POST /tickets. 401 and
 * 403 are a no; everything else, and silence for longer than --auth-timeout, is no answer. */
#ifndef FF_HOOK_HOOK_H
#define FF_HOOK_HOOK_H

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "core/grant.h"
#include "stat/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct hook;

struct hook_config {
    const char *url;       /* http:// or https:// */
    const char *secret;    /* or NULL */
    const char *ca_file;   /* for https; NULL: the system's */
    uint64_t timeout_ms;   /* of one question, connecting included */
    uint64_t cache_ms;     /* longest time that an answer is remembered; 0: never */
    unsigned max_waiting;  /* questions at once, an eighth of them for each network; over it:
                            * HOOK_UNAVAILABLE at once */
    unsigned failures;     /* in a row until it is left alone */
    uint64_t pause_ms;     /* for how long, then one question tries again */
    uint64_t max_meta;     /* bytes of meta and info in an answer */
    unsigned max_channels; /* names in each list of an answer */
    struct log *log;
    struct metrics *metrics; /* the hook's alone; written by any thread under its lock */
};

/* Questions on their way at once, each with a descriptor; others wait in a line. */
#define HOOK_CONNECTIONS 64

/* All texts are copied. Starts the thread. */
int hook_new(const struct hook_config *cfg, struct hook **out, struct errmsg *why) FF_USE_RESULT;
/* Any thread; NULL is fine. Questions that wait, and all that come later, are answered
 * HOOK_UNAVAILABLE soon. */
void hook_stop(struct hook *h);
/* The same, and waits for the thread. Nobody may ask any more. */
void hook_free(struct hook *h);

enum hook_event { HOOK_CONNECT, HOOK_SUBSCRIBE, HOOK_PUBLISH };
enum hook_verdict { HOOK_ALLOWED, HOOK_DENIED, HOOK_UNAVAILABLE };

/* Borrowed until hook_ask returns. */
struct hook_question {
    enum hook_event event;
    struct str user, client_id, address, origin, cookie, authorization;
    struct str network; /* whose share it takes, if it is not asked already; empty: nobody's */
    const struct str *channels; /* all of them are meant: one no is a no */
    unsigned nchannels;
};

struct hook_answer {
    enum hook_verdict verdict;
    bool unknown;        /* denied with 401: the application does not know who that is */
    struct grant *grant; /* HOOK_CONNECT and allowed: a reference for the asker */
    char reason[160];    /* of a no, from the application; may be told to the client */
};

/* Belongs to the asker until `done`, which is called once, on the hook's thread (or in
 * hook_ask's own call, if the answer is known): hand it on to the right thread. */
struct hook_call {
    void (*done)(struct hook_call *c);
    struct hook_answer answer;
    struct hook_call *next; /* the hook's */
};

/* Always leads to `done`. Any thread. Does not wait. */
void hook_ask(struct hook *h, const struct hook_question *q, struct hook_call *c);

/* Questions from now on are signed with this secret (copied; NULL: not at all). Any thread.
 * ERR_NOMEM: it stays as it was. */
int hook_set_secret(struct hook *h, const char *secret) FF_USE_RESULT;

/* The user's credentials are revoked: what was answered about its subscriptions and publications,
 * or is being asked now, is not remembered any more. (What was answered about its connecting is,
 * since such a grant is judged whenever it is used.) Any thread. */
void hook_forget_user(struct hook *h, struct str user);

#endif
