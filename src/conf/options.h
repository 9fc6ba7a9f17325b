/* options.h - typed options out of options.def. */
#ifndef FF_CONF_OPTIONS_H
#define FF_CONF_OPTIONS_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum opt_type {
    OPT_BOOL,
    OPT_UINT,
    OPT_SIZE,
    OPT_TIME,
    OPT_STRING,
    OPT_LIST,
    OPT_ENUM,
    OPT_ACTION
};

#define OPT_LIVE 1u
#define OPT_CLI 2u
#define OPT_HIDDEN 4u
#define OPT_SECRET 8u

struct opt_list {
    char **items;
    unsigned n;
};

/* In the order of the choices. */
enum slow_client { SLOW_DISCONNECT, SLOW_DROP_OLDEST, SLOW_CONFLATE };

/* A later source wins over an earlier one. */
enum opt_source { OPT_FROM_DEFAULT, OPT_FROM_FILE, OPT_FROM_ENV, OPT_FROM_SET };

/* Types of the members, by TYPE in options.def. */
#define OPT_C_BOOL bool
#define OPT_C_UINT uint32_t
#define OPT_C_SIZE uint64_t
#define OPT_C_TIME uint64_t
#define OPT_C_STRING char *
#define OPT_C_LIST struct opt_list
#define OPT_C_ENUM unsigned
#define OPT_C_ACTION bool

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order is the table's */
struct options {
#define OPTION(field, type, name, arg, def, min, max, flags, group, help) OPT_C_##type field;
#include "conf/options.def"
#undef OPTION
    uint8_t *source; /* enum opt_source, one an option */
};

enum opt_id {
#define OPTION(field, type, name, arg, def, min, max, flags, group, help) OPT_ID_##field,
#include "conf/options.def"
#undef OPTION
    OPT_ID_COUNT
};

struct opt_info {
    const char *name;
    const char *arg; /* "" for BOOL and ACTION */
    const char *def;
    const char *group;
    const char *help;
    enum opt_type type;
    unsigned flags;
    uint64_t min, max;
};

const struct opt_info *options_info(enum opt_id id);
/* By name ("max-body"); OPT_ID_COUNT if there is none. */
enum opt_id options_find(const char *name);

/* All defaults. Freed with options_fini, also after an error. Whoever frees or replaces a
 * value with OPT_SECRET zeroes it; no sentence shows one. */
int options_init(struct options *o) FF_USE_RESULT;
void options_fini(struct options *o);
int options_copy(struct options *dst, const struct options *src) FF_USE_RESULT;
/* Sets one option from text. ERR_NOT_FOUND (the sentence has the nearest
 * name), ERR_INVALID, ERR_RANGE (the sentence has the limits). The first value
 * of a LIST from a later source replaces those of an earlier one; a value from
 * an earlier source than the present one is ignored. BOOL takes yes/no,
 * true/false, on/off, 1/0. An empty value empties a LIST. */
int options_set(struct options *o, const char *name, const char *value, enum opt_source from,
                struct errmsg *why) FF_USE_RESULT;
/* `key = value` lines, # and ; comments; errors name file and line. OPT_CLI
 * options are refused, and OPT_SECRET ones if the file is open to others. */
int options_load_file(struct options *o, const char *path, struct errmsg *why) FF_USE_RESULT;
/* FANFARE_<NAME> variables ('-' is '_'); an unknown FANFARE_... is an error,
 * but for those that Kubernetes and Docker make up for a service of that name.
 * The values of a LIST are separated by white space. */
int options_load_env(struct options *o, char *const *env, struct errmsg *why) FF_USE_RESULT;
/* What no single value shows: ws-path, unix-mode, origins, policies, history's
 * bounds, store, listen addresses well-formed, no prefix with two policies or
 * bounds, max-message <= max-body, user-timeout > heartbeat is advised; other
 * machines only with keys or insecure-open; a tls-key for each tls-cert; what
 * counts for nothing without something else has it. */
int options_check(const struct options *o, struct errmsg *why) FF_USE_RESULT;
/* Takes the OPT_LIVE values of `from`; *ignored counts the others that differ. */
int options_apply_live(struct options *o, const struct options *from, unsigned *ignored)
    FF_USE_RESULT;
/* Whether one option has the same value in both. */
bool options_same(const struct options *a, const struct options *b, enum opt_id id);

/* One `listen` value, taken apart. */
struct listen_addr {
    bool is_unix;
    char host[256]; /* or the path */
    uint16_t port;
};
int options_parse_listen(const char *text, struct listen_addr *out, struct errmsg *why)
    FF_USE_RESULT;

/* One `slow-client-for` value, taken apart; the prefix is borrowed. */
struct slow_rule {
    struct str prefix;
    enum slow_client policy;
};
int options_parse_slow_rule(const char *text, struct slow_rule *out, struct errmsg *why)
    FF_USE_RESULT;
/* The policy for messages to this channel: that of its longest prefix, or the
 * one for all. */
enum slow_client options_slow_client(const struct options *o, struct str channel);
/* What is kept of a channel or a user. */
struct history_rule {
    uint32_t count; /* 0: nothing */
    uint64_t bytes; /* not 0, unless count is */
    uint64_t age_ms;
};
/* One `history-for` value, taken apart: what it leaves out comes from history,
 * history-bytes and history-age of `o`. The prefix is borrowed. */
int options_parse_history_rule(const struct options *o, const char *text, struct str *prefix,
                               struct history_rule *out, struct errmsg *why) FF_USE_RESULT;
/* The rule for a channel: that of its longest prefix, or the one for all. */
struct history_rule options_channel_history(const struct options *o, struct str channel);
/* The rule for everyone's messages: the one for all channels. */
struct history_rule options_everyone_history(const struct options *o);
struct history_rule options_user_history(const struct options *o);
/* The path in `store`, NULL for memory. Borrowed. */
const char *options_store_path(const struct options *o);

/* In the order of the choices. */
enum store_sync { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_OFF };
enum store_failure { STORE_FAILURE_REFUSE, STORE_FAILURE_MEMORY };

/* Who may subscribe or, of clients, publish; in the order of strictness. */
enum permit_who {
    WHO_ANYONE,  /* whoever may connect */
    WHO_USER,    /* whoever has a user's name from a credential */
    WHO_GRANTED, /* whose credential lists the channel */
    WHO_NOBODY
};
/* One `subscribe-for` or `publish-for` value (`id` says which), taken apart; the prefix is
 * borrowed. */
struct permit_rule {
    struct str prefix;
    enum permit_who who;
};
int options_parse_permit_rule(enum opt_id id, const char *text, struct permit_rule *out,
                              struct errmsg *why) FF_USE_RESULT;
/* Who may subscribe to the channel or pattern: the rule of its longest prefix, else granted for
 * private and presence channels and anyone for the others. A rule for a prefix that is shorter
 * than `private-` or `presence-` can close such channels, not open them. Of a pattern: the
 * strictest that some channel of it may have. */
enum permit_who options_subscribe_who(const struct options *o, struct str name);
/* Which clients may publish to the channel: without a rule those whose token lists it. */
enum permit_who options_publish_who(const struct options *o, struct str channel);

/* What may be told with --webhook-url, in the order of webhook_events_text. */
enum webhook_event {
    WEBHOOK_CLIENT_CONNECTED,
    WEBHOOK_CLIENT_DISCONNECTED,
    WEBHOOK_CLIENT_SUBSCRIBED,
    WEBHOOK_CLIENT_UNSUBSCRIBED,
    WEBHOOK_MESSAGE_RECEIVED,
    WEBHOOK_CHANNEL_OCCUPIED,
    WEBHOOK_CHANNEL_VACATED,
    WEBHOOK_MEMBER_JOINED,
    WEBHOOK_MEMBER_LEFT,
    WEBHOOK_MEMBER_UPDATED,
    WEBHOOK_USER_ONLINE,
    WEBHOOK_USER_OFFLINE,
    WEBHOOK_EVENTS
};
/* "client.connected" */
const char *options_webhook_name(enum webhook_event e);
/* Those that are to be told: a bit each, 1 << event. 0 without webhook-url. */
uint32_t options_webhook_events(const struct options *o);

/* One `rate-for` value. */
struct rate_rule {
    struct str prefix;
    uint32_t count; /* a second; 0: no limit */
    uint64_t bytes; /* a second; 0: no limit */
};
int options_parse_rate_rule(const char *text, struct rate_rule *out, struct errmsg *why)
    FF_USE_RESULT;
/* One `max-subscribers-for` value. */
struct count_rule {
    struct str prefix;
    uint32_t count; /* 0: no limit */
};
int options_parse_count_rule(const char *text, struct count_rule *out, struct errmsg *why)
    FF_USE_RESULT;
/* The rule of the channel's longest prefix: 0 is no limit. */
uint32_t options_max_subscribers(const struct options *o, struct str channel);
/* Is anything configured that clients or backends could identify themselves with? If not:
 * open mode. */
bool options_have_keys(const struct options *o);

/* Could any message have this policy? */
bool options_slow_any(const struct options *o, enum slow_client policy);

#endif
