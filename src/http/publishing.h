/* publishing.h - from a parsed publication to the router. Used by the HTTP
 * endpoint and by the library's own broadcast functions. */
#ifndef FF_HTTP_PUBLISHING_H
#define FF_HTTP_PUBLISHING_H

#include "base/rng.h"
#include "http/server.h"
#include "proto/publish.h"

/* Most results of one publication that need no memory. */
#define PUBLISH_FEW 8

struct publish_outcome {
    char id[NAME_MAX_LEN + 1];
    struct publish_result few[PUBLISH_FEW];
    struct publish_result *results; /* p->count; few, or memory */
    struct publish_verdict verdict; /* also of a refusal */
};

/* Who publishes. */
struct publishing_from {
    struct str scope; /* of its ids; at most NAME_MAX_LEN + 2 bytes */
    bool is_client;   /* and not a backend */
    struct str user;  /* what the envelope's `sender` says; empty and 0: nothing */
    uint64_t client;
};

/* A publication to many targets makes a message for each: bounded together. */
#define PUBLISH_MAX_BYTES (16u << 20)

/* Fills in id and timestamp where absent, publishes, and tells the handlers. With
 * an id of the publisher's it is published once, however often it is tried: ids of
 * one `scope` (empty: of all that have no name) do not meet those of another.
 * Without one and with `rng` NULL the caller has put an id into out->id. `ticket`
 * (NULL: nobody waits) as in struct publication. Errors are those of
 * router_publish; ERR_RANGE also over PUBLISH_MAX_BYTES. publish_outcome_fini
 * after success. */
int publishing_run(struct http_shared *shared, struct rng *rng, const struct publish *p,
                   const struct publishing_from *from, struct publish_ticket *ticket,
                   struct publish_outcome *out) FF_USE_RESULT;
void publish_outcome_fini(struct publish_outcome *out);
/* Sum of `matched`. */
uint64_t publish_outcome_matched(const struct publish_outcome *out, const struct publish *p);
/* The name of target `i`; empty for everyone. */
struct str publishing_target(const struct publish *p, unsigned i);

#endif
