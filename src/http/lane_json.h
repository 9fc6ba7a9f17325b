/* lane_json.h - what the answers of several endpoints say of positions and of what
 * is kept. Internal to src/http. */
#ifndef FF_HTTP_LANE_JSON_H
#define FF_HTTP_LANE_JSON_H

#include "base/strbuf.h"
#include "core/router.h"

/* A cursor as a JSON string; null if its seq is 0. */
void add_cursor_or_null(struct strbuf *out, struct cursor c);
/* {"messages","bytes","first","last","evicted"} of a channel or user; *queued (or
 * NULL) as in struct lane_info. */
void add_lane(struct strbuf *out, struct router *router, enum target_kind kind, struct str name,
              uint64_t *queued);

#endif
