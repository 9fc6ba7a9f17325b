/* webhook.h - tells the application what happens, by HTTP (docs/webhooks.md). Events are queued
 * by any thread, and posted by one thread with libcurl: in batches, in their order, one request
 * at a time. A request that fails is tried again, with the same events first, until they are too
 * old; then they are given up (dead letters): counted and logged.
 *
 * The request: POST <url>, Content-Type: application/json, body
 *   {"gateway":"<epoch>","started":"<RFC 3339>","events":[{"seq":12,"id":"<uuid7>",
 *    "event":"user.online","at":"<RFC 3339>",…},…]}
 * with Fanfare-Signature as in hook.h if a secret is configured. Any 2xx is a success, whatever
 * its body; everything else, and silence for longer than the timeout, is none.
 *
 * Each event of a run has the next number, from 1 on, also one that is lost: so a receiver sees
 * that something is missing. Number and id stay the same however often it is posted. */
#ifndef FF_HOOK_WEBHOOK_H
#define FF_HOOK_WEBHOOK_H

#include "base/err.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "stat/metrics.h"

#include <stdint.h>

struct webhook;

struct webhook_config {
    const char *url;       /* http:// or https:// */
    const char *secret;    /* or NULL */
    const char *ca_file;   /* for https; NULL: the system's */
    const char *gateway;   /* who is telling: printable ASCII without quotes */
    uint64_t started_ms;   /* real time: the run whose events are numbered */
    uint64_t timeout_ms;   /* of one request, connecting included */
    uint64_t retry_ms;     /* an event that is older than that is not tried again */
    uint64_t wait_ms;      /* after the first failure; doubles with each one, */
    uint64_t most_wait_ms; /* up to this. Half of it to all of it, at random */
    unsigned batch;        /* events in a request */
    unsigned max_events;   /* that wait, those on their way included */
    uint64_t max_bytes;    /* the same in memory */
    struct log *log;
    struct metrics *metrics; /* the webhook's alone; written by any thread under its lock */
};

/* A request is not made longer than this by a further event. */
#define WEBHOOK_BODY (1u << 20)

/* Who causes events has no more of max_events than one in so many, but at least WEBHOOK_LEAST: so
 * one client cannot have everybody's events lost. */
#define WEBHOOK_SHARES 8
#define WEBHOOK_LEAST 16

/* Who caused an event: the user, if there is one, else the client, else whoever is in the channel.
 * Without any of them the event counts for nobody, and has no share to keep to. */
struct webhook_cause {
    struct str user;
    uint64_t client; /* or 0 */
    struct str channel;
};

/* All texts are copied. Starts the thread. */
int webhook_new(const struct webhook_config *cfg, struct webhook **out, struct errmsg *why)
    FF_USE_RESULT;

/* Any thread, whatever it holds: does not wait for anything but memory and a few instructions of
 * others. `event` is static text. `members` are more of the event's, each with a comma before it,
 * or empty; what failed for want of memory is a dead letter, as is what finds no room, or is over
 * the share of who caused it. */
void webhook_add(struct webhook *w, const char *event, uint64_t at_ms,
                 const struct webhook_cause *by, const struct strbuf *members);

/* By the one thread that frees it: no events are taken any more. What waits is posted at once, for
 * `within_ms` at most and until a request fails; the rest are dead letters. */
void webhook_stop(struct webhook *w, uint64_t within_ms);
/* Stops it at once, if it was not. NULL is fine. Nobody may add any more. */
void webhook_free(struct webhook *w);

#endif
