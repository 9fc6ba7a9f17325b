#include "base/utf8.h"
#include "core/grant_json.h"
#include "hook/private.h"
#include "proto/name.h"

#define TTL_MAX 86400u /* seconds */

static void nothing(struct reading *out, const char *text)
{
    out->answer = (struct hook_answer){.verdict = HOOK_UNAVAILABLE};
    out->ttl_ms = 0;
    (void)errmsg_set(&out->why, 0, "%s", text);
}

/* It may be shown to the client: anything that is no plain text is left out. */
static void copy_reason(const struct json_node *n, struct hook_answer *a)
{
    if (n && n->type == JSON_STRING && !n->lone_surrogate && utf8_printable(n->text)) {
        memcpy(a->reason, n->text.p, utf8_clip(n->text, sizeof(a->reason) - 1));
    }
}

/* Somebody connects: who it is. */
static void read_grant(const struct json_node *root, const struct answer_limits *lim,
                       uint64_t now_ms, struct reading *out)
{
    const struct grant_limits limits = {lim->max_channels, lim->max_meta};
    struct grant_fault fault;
    struct grant_draft draft;
    int rc = grant_draft_read(root, &limits, now_ms, &draft, &fault);

    if (rc == 0) {
        rc = grant_new(&draft.s, &out->answer.grant);
        fault.why = (struct errmsg){"out of memory"};
    }
    /* An answer that is over counts for nobody. */
    if (rc == 0 && draft.s.expires_ms && draft.s.expires_ms - now_ms < out->ttl_ms) {
        out->ttl_ms = draft.s.expires_ms - now_ms;
    }
    grant_draft_fini(&draft);
    if (rc != 0) {
        nothing(out, fault.why.text);
    }
}

/* A misspelt member might permit more than was meant. */
static bool all_known(const struct json_node *root, enum hook_event event, struct reading *out)
{
    static const struct str names[] = {
        STR_LIT("allow"),  STR_LIT("ttl"),      STR_LIT("reason"),
        STR_LIT("userId"), STR_LIT("channels"), STR_LIT("publish"), /* from here on of connect */
        STR_LIT("meta"),   STR_LIT("info"),     STR_LIT("expiresIn")};
    unsigned n = event == HOOK_CONNECT ? sizeof(names) / sizeof(names[0]) : 3;
    char shown[NAME_SHOW_MAX];

    for (const struct json_node *m = root->child; m; m = m->next) {
        if (!str_among(m->key, names, n)) {
            nothing(out, "");
            (void)errmsg_set(&out->why, 0, "its answer has a member \"%s\", which means nothing",
                             name_show(m->key, shown));
            return false;
        }
    }
    return true;
}

static void read_object(const struct json_node *root, enum hook_event event,
                        const struct answer_limits *lim, uint64_t now_ms, struct reading *out)
{
    const struct json_node *allow = json_get(root, "allow"), *ttl = json_get(root, "ttl");
    uint64_t seconds = 0;

    if (json_duplicate(root)) {
        nothing(out, "a member of its answer stands twice");
    } else if (!all_known(root, event, out)) {
        return;
    } else if (!allow || allow->type != JSON_BOOL) {
        nothing(out, "\"allow\" in its answer must be true or false");
    } else if (ttl && !json_uint(ttl, TTL_MAX, &seconds)) {
        nothing(out, "\"ttl\" in its answer must be a number of seconds, up to 86400");
    } else {
        out->ttl_ms = seconds * 1000;
        out->answer.verdict = allow->truth ? HOOK_ALLOWED : HOOK_DENIED;
        if (!allow->truth) {
            copy_reason(json_get(root, "reason"), &out->answer);
        } else if (event == HOOK_CONNECT) {
            read_grant(root, lim, now_ms, out);
        }
    }
}

/* Whoever asks can bring an application to most statuses of 3xx and 4xx, with a strange or very
 * long cookie, for instance: they must not be able to make it look broken to all others. */
static bool status_works(long status)
{
    return (status >= 300 && status < 500 && status != 408 && status != 429);
}

void answer_read(struct json_doc *doc, enum hook_event event, long status, struct str body,
                 const struct answer_limits *lim, uint64_t now_ms, struct reading *out)
{
    static const struct json_limits limits = {.max_depth = 64, .tree_depth = 2, .max_nodes = 8192};
    const struct json_node *root;
    struct json_error err;

    *out = (struct reading){.answer.verdict = HOOK_UNAVAILABLE};
    if (status == 401 || status == 403) {
        out->answer = (struct hook_answer){.verdict = HOOK_DENIED, .unknown = status == 401};
        out->works = true;
    } else if (status != 200) {
        out->works = status_works(status);
        (void)errmsg_set(&out->why, 0, "it answered with the status %ld", status);
    } else if (json_parse(doc, body, &limits, &root, &err) != 0) {
        nothing(out, "its answer is no JSON, or has too many members");
    } else if (root->type != JSON_OBJECT) {
        nothing(out, "its answer is no JSON object");
    } else {
        out->works = true;
        read_object(root, event, lim, now_ms, out);
    }
}
