/* import.h - one line of an export, read and checked. Internal to store. */
#ifndef FF_STORE_IMPORT_H
#define FF_STORE_IMPORT_H

#include "store/tool.h"

/* A number that may stand in an export. */
#define IMPORT_MAX ((uint64_t)1 << 62)

struct import_head {
    struct meta meta;
    struct lost_set lost;
    uint64_t lanes, messages, unacked, ids, reads;
};

enum import_kind { IMPORT_LANE, IMPORT_MESSAGE, IMPORT_UNACKED, IMPORT_ID, IMPORT_READ };

struct import_line {
    enum import_kind kind;
    uint64_t number; /* lane, or seq */
    /* lanes */
    uint64_t target, evicted, queued;
    struct str name;
    /* messages */
    uint64_t lane, at_ms, expires_ms;
    struct str key, envelope;
    /* ids: the results as they are kept, in `blob` */
    struct kept_id id;
    /* read positions; at_ms too */
    struct str channel, user;
};

struct importer {
    struct json_doc *line; /* what is read is borrowed from it */
    struct strbuf blob;    /* hash and results of an id */
};

/* Each returns 0, or ERR_INVALID with what is wrong, or ERR_NOMEM. */
int import_read_head(struct importer *im, struct str line, struct import_head *out,
                     struct errmsg *why) FF_USE_RESULT;
int import_read_line(struct importer *im, struct str line, struct import_line *out,
                     struct errmsg *why) FF_USE_RESULT;

#endif
