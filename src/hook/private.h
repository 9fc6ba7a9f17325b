/* private.h - the parts of src/hook among each other. */
#ifndef FF_HOOK_PRIVATE_H
#define FF_HOOK_PRIVATE_H

#include "base/map.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "hook/hook.h"
#include "hook/webhook.h"
#include "proto/json.h"

#include <curl/curl.h>
#include <pthread.h>

#define HOOK_DIGEST 32
#define HOOK_ANSWER_MAX 65536

/* ---- what an answer means ---- */

struct answer_limits {
    unsigned max_channels;
    uint64_t max_meta;
};

/* `why` (for the log) says what is wrong with one that means nothing. */
struct reading {
    struct hook_answer answer; /* with a reference of the grant */
    uint64_t ttl_ms;           /* for how long it counts */
    bool works;                /* the application does, whatever it made of this question */
    struct errmsg why;
};
void answer_read(struct json_doc *doc, enum hook_event event, long status, struct str body,
                 const struct answer_limits *lim, uint64_t now_ms, struct reading *out);

/* ---- what was answered before ---- */

/* An answer that counts for a while. */
struct remembered {
    UT_hash_handle hh;
    uint8_t key[HOOK_DIGEST];
    uint64_t until_ms; /* monotonic */
    size_t bytes;
    unsigned
        user; /* cache_user of whom it is about; 0: whoever uses it looks whether he is revoked */
    struct hook_answer answer;
};

/* Answers by their questions; the oldest gives way. Not locked. */
struct cache {
    struct remembered *table;
    uint64_t seed;
    unsigned max;
    size_t bytes, max_bytes;
};

/* True: *out is what was answered, with a reference of its grant. */
bool cache_find(struct cache *c, const uint8_t key[HOOK_DIGEST], uint64_t now_ms,
                struct hook_answer *out);
/* `bytes` is about what the grant takes, `user` whom it is about. Without memory it is not
 * remembered. */
void cache_add(struct cache *c, const uint8_t key[HOOK_DIGEST], uint64_t until_ms, size_t bytes,
               unsigned user, const struct hook_answer *a);
/* Stands for a user, never 0; others may have the same. */
unsigned cache_user(const struct cache *c, struct str user);
/* What is remembered about the user goes. */
void cache_forget(struct cache *c, unsigned user);
void cache_free(struct cache *c);

/* ---- who asks how much ---- */

/* How many questions of one network wait. */
struct share {
    UT_hash_handle hh;
    unsigned n;
    size_t len;
    char network[];
};

/* Not locked. */
struct shares {
    struct share *table;
    uint64_t seed;
    unsigned max; /* of each */
};

/* One more of `network`: *out, to be given back; NULL for an empty one, which has no share.
 * ERR_LIMIT, ERR_NOMEM. */
int shares_take(struct shares *s, struct str network, struct share **out) FF_USE_RESULT;
/* NULL is fine. */
void shares_give(struct shares *s, struct share *share);

/* ---- when to leave it alone ---- */

/* Leaves a broken application alone. Not locked. */
struct breaker {
    unsigned max; /* failures in a row */
    uint64_t pause_ms;
    unsigned failures;
    uint64_t again_ms; /* monotonic: when one may try; 0: it works */
    bool trying;
};

enum breaker_says {
    BREAKER_NO,
    BREAKER_YES,
    BREAKER_TRY /* yes, and on this question it depends how things go on */
};
enum breaker_says breaker_lets(struct breaker *b, uint64_t now_ms);
/* What became of a question, and whether it was one of BREAKER_TRY. True: its state changed, so it
 * is worth a log line. */
bool breaker_tell(struct breaker *b, bool trial, bool works, uint64_t now_ms);
/* The trial did not take place. */
void breaker_take_back(struct breaker *b);

/* ---- a thread ---- */

/* One that signals leave alone. `name` is at most 15 bytes. ERR_SYSTEM. */
int worker_start(pthread_t *t, void *(*run)(void *ctx), void *ctx, const char *name) FF_USE_RESULT;

/* ---- a question ---- */

/* The body of a question. */
void question_add(const struct hook_question *q, struct strbuf *out);
/* What its answer is remembered by: everything but clientId and address of a user. */
void question_digest(const struct hook_question *q, uint8_t out[HOOK_DIGEST]);
/* The same with both: only questions that are equal in every member share an answer without the
 * application's word (ttl). */
void question_identity(const struct hook_question *q, const uint8_t digest[HOOK_DIGEST],
                       uint8_t out[HOOK_DIGEST]);
/* "t=…,v1=…" */
void question_sign(const char *secret, uint64_t now_s, struct str body, struct strbuf *out);

/* ---- a request on its way ---- */

/* Texts of its own. */
struct transfer_config {
    char *url, *secret, *ca_file; /* the last two may be NULL */
};
/* ERR_NOMEM; transfer_config_fini then, too. */
int transfer_config_init(struct transfer_config *c, const char *url, const char *secret,
                         const char *ca_file) FF_USE_RESULT;
void transfer_config_fini(struct transfer_config *c);

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct strbuf body, answer;
    uint64_t sent_ms; /* real time: what is answered was so then, if not later */
    size_t head;      /* bytes of headers in the answer */
    size_t heard;
    bool too_long;
    bool deaf; /* only the answer's status counts */
};

/* t->body is what is posted. `owner` comes back from transfer_owner. ERR_NOMEM. */
int transfer_begin(struct transfer *t, const struct transfer_config *cfg, uint64_t timeout_ms,
                   void *owner) FF_USE_RESULT;
void *transfer_owner(CURL *easy);
/* The status of the answer; 0: none has come, and `why` says why. */
long transfer_status(const struct transfer *t, CURLcode code, struct errmsg *why);
/* What came. */
void transfer_read(struct transfer *t, CURLcode code, struct json_doc *doc, enum hook_event event,
                   const struct answer_limits *lim, struct reading *out);
/* It is in no multi handle any more. */
void transfer_fini(struct transfer *t);

/* ---- events that wait to be told: webhook.h ---- */

struct letter {
    struct letter *next;
    uint64_t seq, at_ms, mono_ms; /* real time of the event; monotonic, when it was queued */
    const char *event;
    size_t len;
    uint16_t by;           /* outbox_by */
    char id[UUID_LEN + 1]; /* empty until it is posted for the first time */
    char members[];
};
/* NULL without memory. */
struct letter *letter_new(const char *event, uint16_t by, uint64_t at_ms, struct str members);
/* The event as JSON. */
void letter_add(const struct letter *l, struct strbuf *out);
void letters_free(struct letter *l);

/* Counters of who has how many letters; the last one is nobody's, and has no bound. Different ones
 * may have the same counter: without the seed nobody can choose with whom. */
#define OUTBOX_BY 1024
#define OUTBOX_NOBODY OUTBOX_BY

/* Not locked. */
struct outbox {
    struct letter *first, **end;
    unsigned n, max;           /* those that were taken and are not settled included */
    uint64_t bytes, max_bytes; /* likewise */
    uint64_t seq;              /* the last number */
    uint64_t seed;             /* never changes, */
    unsigned share;            /* nor does this: of n, for each counter */
    unsigned held[OUTBOX_BY + 1];
};
/* An empty one; `seed` is still to be set. */
void outbox_init(struct outbox *o, unsigned max, uint64_t max_bytes);
/* For whom it counts. Needs no lock. */
uint16_t outbox_by(const struct outbox *o, const struct webhook_cause *by);
/* Takes the letter (NULL: there is none, but it counts). False: there is no room, at least not for
 * whom it counts, and the letter is the caller's. */
bool outbox_put(struct outbox *o, struct letter *l, uint64_t now_ms) FF_USE_RESULT;
/* The first `*n` of them, at most `max`, and those behind the first one within `max_bytes`. */
struct letter *outbox_take(struct outbox *o, unsigned max, uint64_t max_bytes, unsigned *n);
/* The same of those that were queued until then. */
struct letter *outbox_take_old(struct outbox *o, uint64_t before_ms, unsigned max, unsigned *n);
/* A letter that was taken waits no more. */
void outbox_settle(struct outbox *o, const struct letter *l);

#endif
