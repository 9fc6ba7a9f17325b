/* grant_json.h - a client's grant as a JSON object says it, in requests for tickets and in
 * answers of the application: {"userId", "channels", "publish", "meta", "info",
 * "expiresIn"}, all optional; docs/protocol.md, "Tickets". */
#ifndef FF_CORE_GRANT_JSON_H
#define FF_CORE_GRANT_JSON_H

#include "base/strbuf.h"
#include "core/grant.h"
#include "proto/json.h"

/* Borrows the JSON text and its tree. */
struct grant_draft {
    struct grant_spec s;
    struct str *subscribe, *publish;
    struct strbuf meta, info;
};

struct grant_limits {
    unsigned max_channels; /* names in each list */
    uint64_t max_meta;     /* bytes of meta and of info, minified */
};

struct grant_fault {
    const char *code; /* wrong_type, bad_value, bad_user; NULL: out of memory */
    const char *field;
    size_t offset;
    struct errmsg why;
};

/* `root` is an object, its tree two levels deep. Members of other names are not looked at.
 * ERR_INVALID or ERR_NOMEM with *f; grant_draft_fini in any case. */
int grant_draft_read(const struct json_node *root, const struct grant_limits *lim, uint64_t now_ms,
                     struct grant_draft *d, struct grant_fault *f) FF_USE_RESULT;
void grant_draft_fini(struct grant_draft *d);

#endif
