/* envelope.h - reading what was kept of a publication. Internal to store. */
#ifndef FF_STORE_ENVELOPE_H
#define FF_STORE_ENVELOPE_H

#include "base/err.h"
#include "base/str.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/publish.h"

#include <stdbool.h>

struct envelope_fields {
    enum target_kind kind;
    struct str type, id;
    struct str target; /* empty for everyone */
    struct str cursor;
    size_t cursor_at; /* where the cursor's text stands in the envelope */
};

/* Borrowed from the text and the parser, until its next parse. ERR_INVALID: it
 * is no envelope. ERR_NOMEM. Whether every byte is right, frame_restore() says. */
int envelope_read(struct json_doc *doc, struct str text, struct envelope_fields *out) FF_USE_RESULT;
/* The frame of a kept message. `kind` as it stands in the database. ERR_INVALID:
 * it is not what was kept. ERR_NOMEM. */
struct kept_message {
    uint64_t kind, seq;
    struct str type, key, envelope;
};
int envelope_frame(uint64_t epoch, const struct kept_message *kept, struct frame **out)
    FF_USE_RESULT;

/* What is kept of a publication with an id: is it in order? */
struct kept_id {
    struct str id, hash, results;
    uint64_t first, count, at_ms;
};
bool kept_id_ok(const struct kept_id *k);
/* The result of target `i`, below count. */
void kept_id_result(const struct kept_id *k, uint64_t i, uint32_t *matched, uint32_t *status);

#endif
