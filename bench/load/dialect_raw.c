/* dialect_raw.c - bench-raw: what the kernel alone can do.
 *
 * A subscriber sends nothing and waits for the server's greeting, so that it is
 * known to be in the list. Frames are made here and passed on as they are. They
 * look like, and are as long as, an SSE frame of the gateway with the same data. */
#include "dialects.h"

#include <string.h>

enum { OPENING, OPEN };

static const char greeting[] = ":raw\n";

static void raw_open(struct sub *s)
{
    s->state = OPENING;
}

static size_t raw_unit(struct sub *s, const char *p, size_t n)
{
    if (s->state == OPENING) {
        if (n < sizeof(greeting) - 1) {
            return 0;
        }
        if (memcmp(p, greeting, sizeof(greeting) - 1) != 0) {
            sub_fail(s, "this is no bench-raw: it does not greet");
        }
        s->state = OPEN;
        sub_ready(s);
        return sizeof(greeting) - 1;
    }
    const char *data;
    size_t len;
    size_t used = sse_event(p, n, &data, &len);
    if (used > 0 && data != NULL) {
        sub_message(s, data, len);
    }
    return used;
}

static void raw_publish(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out)
{
    (void)pl;
    for (unsigned i = 0; i < k; i++) {
        buf_adds(out, "id: p1njbll-");
        buf_addu(out, m[i].n);
        buf_adds(out, "\ndata: {\"type\":\"message\",\"channel\":\"bench\","
                      "\"id\":\"01a1fe47-9294-7037-9489-ca127aaddde3\",\"cursor\":\"p1njbll-");
        buf_addu(out, m[i].n);
        buf_adds(out, "\",\"timestamp\":\"2026-11-21T13:24:25.876Z\",\"data\":");
        buf_add(out, m[i].data, m[i].len);
        buf_adds(out, "}\n\n");
    }
}

const struct dialect dialect_raw = {
    .name = "raw",
    .open = raw_open,
    .unit = raw_unit,
    .publish = raw_publish,
    .pipeline = true,
    .more_in_one = true,
    .topologies = 1U << TOPOLOGY_ONE,
};
