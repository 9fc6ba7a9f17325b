/* fanfare.h - the public API of libfanfare: a real-time HTTP gateway that a
 * program can embed. Browsers connect with EventSource or WebSocket, the
 * program (or any backend, by HTTP) publishes, everyone gets it in one order.
 *
 *     struct fanfare_options *o;
 *     struct fanfare *gw;
 *     fanfare_options_new(&o);
 *     fanfare_options_set(o, "listen", "127.0.0.1:0", NULL);
 *     fanfare_new(o, &gw, NULL);
 *     fanfare_start(gw, NULL);
 *     fanfare_broadcast_channel(gw, "orders", "created", "{\"id\":7}", NULL);
 *     ...
 *     fanfare_stop(gw);
 *     fanfare_free(gw);
 *     fanfare_options_free(o);
 *
 * Threads. The library runs its own threads (one a shard). Unless a function
 * says otherwise it may be called from any thread, also from an event handler.
 * fanfare_new, _start, _stop, _free and fanfare_on of one gateway must not run
 * at the same time as each other, and _stop, _free and _drain not from an
 * event handler. A struct fanfare_options belongs to one thread at a time.
 * The library installs no signal handler, never exits, never writes to
 * standard output (but for an export to "-"), and keeps no state outside its
 * objects.
 *
 * Errors. Functions that can fail return 0 or a negative enum fanfare_error.
 * The last parameter `why`, where there is one, may be NULL; otherwise it
 * receives one sentence with the reason and the fix.
 *
 * Strings are UTF-8 and NUL-terminated; the library copies what it keeps. */
#ifndef FANFARE_FANFARE_H
#define FANFARE_FANFARE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FANFARE_API __attribute__((visibility("default")))
#define FANFARE_CHECK __attribute__((warn_unused_result))
#else
#define FANFARE_API
#define FANFARE_CHECK
#endif

/* Stable: numbers are never reused. */
enum fanfare_error {
    FANFARE_OK = 0,
    FANFARE_ERR_NOMEM = -1,     /* memory could not be had */
    FANFARE_ERR_INVALID = -2,   /* a value has the wrong form */
    FANFARE_ERR_RANGE = -3,     /* a value is outside its limits */
    FANFARE_ERR_NOT_FOUND = -4, /* no such client or option */
    FANFARE_ERR_EXISTS = -5,    /* it is there already */
    FANFARE_ERR_LIMIT = -6,     /* a configured limit is reached */
    FANFARE_ERR_SYSTEM = -7,    /* a system call failed */
    FANFARE_ERR_STATE = -8,     /* not possible in this state */
    FANFARE_ERR_BUSY = -9,      /* overloaded: try again later */
    FANFARE_ERR_IN_USE = -10,   /* the address is in use */
    FANFARE_ERR_RESERVED = -11, /* the name is reserved */
    FANFARE_ERR_CLOSED = -12,   /* the gateway is stopping */
    FANFARE_ERR_STORE = -13,    /* the durable store has failed */
    FANFARE_ERR_CONFLICT = -14, /* the id stands for something else */
    FANFARE_ERR_MOVED = -15     /* there is something newer than expected */
};

/* The code as a short English text; static storage. */
FANFARE_API const char *fanfare_strerror(int code);
/* "0.1.0" */
FANFARE_API const char *fanfare_version(void);

struct fanfare_why {
    char text[320];
};

/* ---- options ------------------------------------------------------------ */

struct fanfare_options;

/* What one option is; strings are static. */
struct fanfare_option_info {
    const char *name;          /* "max-body" */
    const char *argument;      /* "SIZE", or the choices "a|b"; "" for a switch */
    const char *default_value; /* as text */
    const char *group;         /* heading in --help */
    const char *help;
    int is_switch; /* takes no value on a command line */
    int is_list;   /* may be given several times */
    int is_action; /* --help, --version, ...: not for fanfare_options_set */
    int live;      /* fanfare_reload applies it */
    int cli_only;  /* not in a config file or the environment */
    int hidden;    /* left out of --help */
    int secret;    /* never on a command line, which others can see; not shown anywhere */
};

FANFARE_API FANFARE_CHECK int fanfare_options_new(struct fanfare_options **out);
FANFARE_API void fanfare_options_free(struct fanfare_options *o);
/* The option number `index` from 0, or FANFARE_ERR_NOT_FOUND past the last. */
FANFARE_API FANFARE_CHECK int fanfare_options_info(size_t index, struct fanfare_option_info *out);
/* Sets an option by name, from text as in a config file. Values set so win
 * over the environment, which wins over the file, whatever the order. A list
 * option gathers values; "" empties it. ERR_NOT_FOUND names the nearest. */
FANFARE_API FANFARE_CHECK int fanfare_options_set(struct fanfare_options *o, const char *name,
                                                  const char *value, struct fanfare_why *why);
FANFARE_API FANFARE_CHECK int fanfare_options_load_file(struct fanfare_options *o, const char *path,
                                                        struct fanfare_why *why);
/* FANFARE_MAX_BODY and the like, out of this process's environment, which is left as it is, with
 * the secrets in it. */
FANFARE_API FANFARE_CHECK int fanfare_options_load_env(struct fanfare_options *o,
                                                       struct fanfare_why *why);
/* The value of an option that is a single text, "" if it is not set; borrowed until it is
 * set again. NULL for other options, and for secrets. */
FANFARE_API const char *fanfare_options_text(const struct fanfare_options *o, const char *name);
/* What no single value shows. fanfare_new checks too. */
FANFARE_API FANFARE_CHECK int fanfare_options_check(const struct fanfare_options *o,
                                                    struct fanfare_why *why);

/* ---- life --------------------------------------------------------------- */

struct fanfare;

/* Copies the options. Opens nothing yet but the log. */
FANFARE_API FANFARE_CHECK int fanfare_new(const struct fanfare_options *o, struct fanfare **out,
                                          struct fanfare_why *why);
/* Binds and listens, and reads certificates, but serves nobody yet and starts no thread:
 * after it a program may give up the privileges that this needs. fanfare_start does it
 * where it was not called. The URLs are known from then on. */
FANFARE_API FANFARE_CHECK int fanfare_listen(struct fanfare *gw, struct fanfare_why *why);
/* Binds, starts the threads and serves. FANFARE_ERR_IN_USE if another process
 * has the address, also with SO_REUSEPORT. After a failure the gateway can
 * only be freed. */
FANFARE_API FANFARE_CHECK int fanfare_start(struct fanfare *gw, struct fanfare_why *why);
/* The URL of listener `index` ("http://127.0.0.1:41233", "unix:/run/x.sock"),
 * valid until fanfare_free; NULL past the last or before the start. */
FANFARE_API const char *fanfare_url(const struct fanfare *gw, size_t index);
/* Applies the options that are `live`, reopens the log file. Others that
 * differ are named in the log and stay as they are. If the certificates cannot be
 * read, the old ones stay, the rest applies, and the error says so. */
FANFARE_API FANFARE_CHECK int fanfare_reload(struct fanfare *gw, const struct fanfare_options *o,
                                             struct fanfare_why *why);
/* Asks every client to leave, spread over the `drain` time: /ready says 503,
 * streams are told fanfare.draining and a retry of their own, then closed.
 * Returns at once; fanfare_drained() says when all are gone or the time is up. */
FANFARE_API void fanfare_drain(struct fanfare *gw);
FANFARE_API int fanfare_drained(const struct fanfare *gw);
/* Closes everything and ends the threads. Idempotent. */
FANFARE_API void fanfare_stop(struct fanfare *gw);
FANFARE_API void fanfare_free(struct fanfare *gw); /* stops first; NULL is fine */

/* ---- publishing ---------------------------------------------------------- */

/* What became of a publication. */
struct fanfare_receipt {
    char id[201];     /* the message's id */
    char cursor[36];  /* its place in the log */
    uint64_t matched; /* clients it was for at that moment */
};

/* `type` NULL is "message"; `json` is any JSON text, NULL is null; `receipt`
 * may be NULL. FANFARE_ERR_INVALID (bad JSON, bad name), _RESERVED, _RANGE
 * (too large), _BUSY (a shard's backlog is full, or the store is behind), _STORE
 * (it is not in the store, and is not sent on), _STATE (not started). With a store
 * and sync=always the call returns when the message is durable; called by an event
 * handler it returns at once, since a shard never waits. */
FANFARE_API FANFARE_CHECK int fanfare_broadcast_channel(struct fanfare *gw, const char *channel,
                                                        const char *type, const char *json,
                                                        struct fanfare_receipt *receipt);
FANFARE_API FANFARE_CHECK int fanfare_broadcast_user(struct fanfare *gw, const char *user,
                                                     const char *type, const char *json,
                                                     struct fanfare_receipt *receipt);
FANFARE_API FANFARE_CHECK int fanfare_broadcast_everyone(struct fanfare *gw, const char *type,
                                                         const char *json,
                                                         struct fanfare_receipt *receipt);
/* To one connection. It takes no place in the log. Delivered asynchronously:
 * success means the id has the right form and the message was handed on; a
 * client that is gone meanwhile is FANFARE_OK too. */
FANFARE_API FANFARE_CHECK int fanfare_send_client(struct fanfare *gw, const char *client_id,
                                                  const char *type, const char *json);
/* Closes one connection; asynchronous in the same way. A WebSocket is told
 * `reason` (NULL: none; at most 123 bytes of it) with close code 4001; handlers
 * see "disconnected by the application". */
FANFARE_API FANFARE_CHECK int fanfare_disconnect(struct fanfare *gw, const char *client_id,
                                                 const char *reason);

/* ---- statistics ---------------------------------------------------------- */

struct fanfare_stats {
    size_t size; /* set to sizeof(struct fanfare_stats) by the caller */
    uint64_t uptime_ms;
    uint64_t clients_sse;
    uint64_t clients_websocket;
    uint64_t http_connections;
    uint64_t published;
    uint64_t delivered;
    uint64_t dropped;
    uint64_t bytes_sent;
    uint64_t channels; /* with at least one subscriber */
    uint64_t users;    /* with at least one connection */
    uint32_t shards;
};

/* Figures gathered without stopping anything. FANFARE_ERR_INVALID: no size. */
FANFARE_API FANFARE_CHECK int fanfare_get_stats(const struct fanfare *gw,
                                                struct fanfare_stats *out);

/* ---- events -------------------------------------------------------------- */

enum fanfare_event_kind {
    FANFARE_EVENT_CLIENT_CONNECTED = 0,
    FANFARE_EVENT_CLIENT_DISCONNECTED = 1,
    FANFARE_EVENT_MESSAGE_RECEIVED = 2, /* a client's `message` op; data is its JSON */
    FANFARE_EVENT_PUBLISHED = 3,
    FANFARE_EVENT_ALL = 1000 /* for fanfare_on only */
};

/* Everything is borrowed for the length of the call; fields that do not apply
 * are NULL or 0. */
struct fanfare_event {
    size_t size; /* of the struct the library fills */
    enum fanfare_event_kind kind;
    const char *client_id;
    const char *user;        /* NULL: anonymous */
    const char *transport;   /* "sse", "websocket" */
    const char *peer;        /* address and port */
    const char *reason;      /* disconnected: why */
    const char *channel;     /* published: to which channel, or NULL */
    const char *target_user; /* published: to which user, or NULL */
    const char *type;        /* published */
    const char *id;          /* published */
    const char *cursor;      /* published */
    const char *data;        /* published, received: JSON text, NUL-terminated */
    size_t data_len;
    uint64_t matched; /* published */
};

/* Called on the thread where it happens (a shard's, or the publisher's), with
 * no lock held; it must return soon, and may publish, send and disconnect. */
typedef void fanfare_handler(struct fanfare *gw, const struct fanfare_event *event, void *user);

/* Adds a handler, before fanfare_start. Several for one kind run in the order
 * added; those for FANFARE_EVENT_ALL in the same list. */
FANFARE_API FANFARE_CHECK int fanfare_on(struct fanfare *gw, enum fanfare_event_kind kind,
                                         fanfare_handler *handler, void *user);

/* ---- store tools --------------------------------------------------------- */

/* For the SQLite database of the `store` option, while no gateway uses it
 * (FANFARE_ERR_IN_USE). `path` without "sqlite:". FANFARE_ERR_INVALID: it is
 * damaged, or no store; FANFARE_ERR_RANGE: of a newer version. See
 * fanfare-store(8). */

/* `done` of `total` (0: not known) of `what`, a few times a second. */
typedef void fanfare_store_progress(const char *what, uint64_t done, uint64_t total, void *user);

struct fanfare_store_report {
    size_t size;    /* set to sizeof(struct fanfare_store_report) by the caller */
    char epoch[14]; /* of the log, as in cursors */
    uint64_t top;   /* highest number of a message, as far as it is noted */
    uint64_t messages;
    uint64_t lanes;   /* channels and users of which anything is known */
    uint64_t unacked; /* messages that wait to be acknowledged */
    uint64_t ids;     /* of publications that are remembered */
    uint64_t lost_ranges;
    uint64_t bytes; /* of the files */
    uint32_t schema;
    int clean;      /* nothing was left unwritten at the last stop */
    uint64_t reads; /* positions of users in channels */
};

/* Looks at every page and row without changing anything. `progress` may be NULL,
 * here and below. */
FANFARE_API FANFARE_CHECK int fanfare_store_check(const char *path,
                                                  fanfare_store_progress *progress, void *user,
                                                  struct fanfare_store_report *out,
                                                  struct fanfare_why *why);
/* Gives unused room back to the file system. Sizes in bytes. */
FANFARE_API FANFARE_CHECK int fanfare_store_compact(const char *path,
                                                    fanfare_store_progress *progress, void *user,
                                                    uint64_t *before, uint64_t *after,
                                                    struct fanfare_why *why);
/* Writes everything as lines of JSON. `out` "-" is standard output; an existing
 * file is not overwritten (FANFARE_ERR_EXISTS). */
FANFARE_API FANFARE_CHECK int fanfare_store_export(const char *path, const char *out,
                                                   fanfare_store_progress *progress, void *user,
                                                   uint64_t *lines, struct fanfare_why *why);
/* Makes a new database of an export; `in` "-" is standard input. All of it or
 * nothing. `new_epoch`: positions that clients have mean nothing in it. */
FANFARE_API FANFARE_CHECK int fanfare_store_import(const char *path, const char *in, int new_epoch,
                                                   fanfare_store_progress *progress, void *user,
                                                   uint64_t *lines, struct fanfare_why *why);

/* ---- keys of backends ---------------------------------------------------- */

/* The file of the `keys` option; see fanfare-key(8). A running gateway reads it
 * again at fanfare_reload. Every change is made whole or not at all; comments stay. */

enum fanfare_right {
    FANFARE_RIGHT_READ = 1,     /* read endpoints; subscribe to anything, as anybody */
    FANFARE_RIGHT_ADMIN = 2,    /* disconnect, revoke */
    FANFARE_RIGHT_TICKETS = 4,  /* make tickets */
    FANFARE_RIGHT_USERS = 8,    /* publish to users, send to single clients */
    FANFARE_RIGHT_EVERYONE = 16 /* publish to everyone */
};

struct fanfare_key {
    size_t size;             /* set to sizeof(struct fanfare_key) by whoever fills it */
    const char *id;          /* 1-40 of A-Za-z0-9- */
    const char *publish;     /* channels and patterns, ", " between; "all"; NULL: none */
    const char *certificate; /* of whose client certificate it is; NULL: none */
    const char *peer;        /* which user may come by a unix socket; NULL: none */
    uint64_t expires;        /* seconds since 1970; 0: never */
    unsigned rights;         /* of enum fanfare_right */
    unsigned secrets;        /* how many; for fanfare_key_add 0 or 1 */
};

/* Frees a text that one of the functions below made; zeroed first. */
FANFARE_API void fanfare_secret_free(char *text);

/* Adds a key to the file, which is made (mode 0600) if it is not there. *secret is the
 * key's text, which is kept nowhere; NULL with key->secrets 0. FANFARE_ERR_EXISTS. */
FANFARE_API FANFARE_CHECK int fanfare_key_add(const char *path, const struct fanfare_key *key,
                                              char **secret, struct fanfare_why *why);
/* What is in the file; everything is borrowed for the length of the call. */
typedef void fanfare_key_visit(const struct fanfare_key *key, void *user);
FANFARE_API FANFARE_CHECK int fanfare_key_list(const char *path, fanfare_key_visit *visit,
                                               void *user, struct fanfare_why *why);
/* Adds a secret to a key: old ones stay good. FANFARE_ERR_NOT_FOUND. */
FANFARE_API FANFARE_CHECK int fanfare_key_rotate(const char *path, const char *id, char **secret,
                                                 struct fanfare_why *why);
/* Drops all secrets of a key but the newest; how many goes to *dropped. */
FANFARE_API FANFARE_CHECK int fanfare_key_finish(const char *path, const char *id,
                                                 unsigned *dropped, struct fanfare_why *why);
FANFARE_API FANFARE_CHECK int fanfare_key_revoke(const char *path, const char *id,
                                                 struct fanfare_why *why);

/* ---- tokens of clients --------------------------------------------------- */

struct fanfare_claim_list {
    const char *const *items;
    size_t n;
};

/* What a token says; NULL, 0 and empty lists are left out, but for a list of channels
 * with `items` set: that one permits nothing. See fanfare-token(8). */
struct fanfare_claims {
    size_t size; /* set to sizeof(struct fanfare_claims) by the caller */
    const char *user;
    const char *issuer;
    const char *audience;
    const char *id;   /* jti; "auto": a random one */
    const char *meta; /* a JSON object */
    const char *info; /* JSON */
    const char *more; /* a JSON object with further claims */
    struct fanfare_claim_list channels, publish;
    uint64_t issued; /* seconds since 1970, as the next two */
    uint64_t not_before;
    uint64_t expires;
};

/* Signs a token. `key` is ALG[@KID]=FILE, with a secret's file (HS256 ...) or that of a
 * private key (PEM). *token is freed with fanfare_secret_free. */
FANFARE_API FANFARE_CHECK int fanfare_token_sign(const char *key,
                                                 const struct fanfare_claims *claims, char **token,
                                                 struct fanfare_why *why);
/* Makes a secret (HS256 ...) or a key pair in files that must not exist: `path` (mode 0600)
 * and, of a pair, the public key in `path`.pub. */
FANFARE_API FANFARE_CHECK int fanfare_token_keygen(const char *algorithm, const char *path,
                                                   struct fanfare_why *why);

/* What a token was found to be. */
struct fanfare_token_report {
    size_t size;     /* set to sizeof(struct fanfare_token_report) by the caller */
    char *header;    /* JSON text, or NULL: not a token */
    char *claims;    /* likewise; not to be believed unless `valid` */
    char *user;      /* the `sub` of a valid token */
    char *channels;  /* what it permits: names and patterns, with commas; NULL: every public one */
    char *publish;   /* likewise; NULL: nothing */
    uint64_t issued; /* seconds since 1970, as the next two; 0: not said */
    uint64_t not_before;
    uint64_t expires;
    char key[256]; /* which value of token-key, or "token-jwks", has verified it, or "" */
    char code[32]; /* as in a problem: "token_expired"; "" if it is valid */
    int valid;
};

/* Holds a token against the options token-key, token-jwks, token-secret, token-issuer,
 * token-audience and token-leeway, at the time `now` (seconds since 1970). FANFARE_OK if
 * it could be examined: `out->valid` tells the outcome, and *why says what is wrong with
 * it. Freed with fanfare_token_report_free in any case. */
FANFARE_API FANFARE_CHECK int fanfare_token_check(const struct fanfare_options *o,
                                                  const char *token, uint64_t now,
                                                  struct fanfare_token_report *out,
                                                  struct fanfare_why *why);
FANFARE_API void fanfare_token_report_free(struct fanfare_token_report *report);

/* Signs the name of a channel with the secret in a file, as the option channel-secret-file
 * has it: who knows the signed name may subscribe, until `expires` (seconds since 1970; 0:
 * for good). */
FANFARE_API FANFARE_CHECK int fanfare_channel_sign(const char *secret_file, const char *channel,
                                                   uint64_t expires, char **signed_name,
                                                   struct fanfare_why *why);

#ifdef __cplusplus
}
#endif

#endif
