/* What subscribers are told of who is there. */
#include "core/presence_private.h"

#include "base/clock.h"
#include "proto/json.h"

#include <stdlib.h>

static void begin(struct strbuf *out, struct str channel, const char *event, uint64_t version,
                  uint32_t count)
{
    strbuf_adds(out, "{\"channel\":");
    json_add_string(out, channel);
    strbuf_addf(out, ",\"event\":\"%s\",\"version\":%llu,\"count\":%u", event,
                (unsigned long long)version, (unsigned)count);
}

static void add_info(struct strbuf *out, const struct info *info)
{
    if (info) {
        strbuf_adds(out, ",\"info\":");
        strbuf_addstr(out, info_str(info));
    }
}

/* The rest of the object of a user who is there. */
static void add_rest(struct strbuf *out, const struct attendee *a, const struct info *info)
{
    char time[CLOCK_RFC3339_LEN + 1];

    add_info(out, info);
    clock_rfc3339(a->since_ms, time);
    strbuf_addf(out, ",\"connections\":%u,\"since\":\"%s\"}", (unsigned)a->connections, time);
}

void presence_add_member(struct strbuf *out, const struct attendee *a)
{
    strbuf_adds(out, "{\"userId\":");
    json_add_string(out, attendee_user(a));
    add_rest(out, a, a->shown);
}

static int compare_arrival(const void *va, const void *vb)
{
    const struct attendee *a = *(struct attendee *const *)va;
    const struct attendee *b = *(struct attendee *const *)vb;

    if (a->since_ms != b->since_ms) {
        return a->since_ms < b->since_ms ? -1 : 1;
    }
    return str_cmp(attendee_user(a), attendee_user(b));
}

int presence_add_listed(struct strbuf *out, const struct presence *pr, uint64_t version)
{
    const struct attendee **v = calloc(HASH_COUNT(pr->all) + 1, sizeof(*v));
    unsigned n = 0;

    if (!v) {
        return ERR_NOMEM;
    }
    for (const struct attendee *a = pr->all; a; a = a->hh.next) {
        if (a->published) {
            v[n++] = a;
        }
    }
    qsort(v, n, sizeof(*v), compare_arrival); /* nearly in order: only the wall clock is not */
    begin(out, presence_name(pr), "snapshot", version, n);
    strbuf_adds(out, ",\"members\":[");
    for (unsigned i = 0; i < n; i++) {
        if (i) {
            strbuf_addc(out, ',');
        }
        presence_add_member(out, v[i]);
    }
    strbuf_adds(out, "]}");
    free(v);
    return strbuf_failed(out) ? ERR_NOMEM : 0;
}

static void add_change(struct strbuf *out, const struct attendee *a)
{
    const char *change = !a->here ? "leave" : a->published ? "update" : "join";

    strbuf_addf(out, "{\"change\":\"%s\",\"userId\":", change);
    json_add_string(out, attendee_user(a));
    if (a->here && !a->published) {
        add_rest(out, a, a->info);
        return;
    }
    if (a->here) {
        add_info(out, a->info);
    }
    strbuf_addc(out, '}');
}

void presence_add_changes(struct strbuf *out, const struct presence *pr, unsigned n, uint32_t count)
{
    struct ring *at = pr->changed.next;

    begin(out, presence_name(pr), "changes", pr->version + 1, count);
    strbuf_adds(out, ",\"changes\":[");
    for (unsigned i = 0; i < n; i++, at = at->next) {
        if (i) {
            strbuf_addc(out, ',');
        }
        add_change(out, RING_OF(at, struct attendee, changed));
    }
    strbuf_adds(out, "]}");
}

void presence_add_count(struct strbuf *out, struct str channel, const char *event, uint64_t version,
                        uint32_t count)
{
    begin(out, channel, event, version, count);
    strbuf_adds(out, ",\"listed\":false}");
}

void presence_add_nobody(struct strbuf *out, struct str channel, uint64_t version)
{
    begin(out, channel, "snapshot", version, 0);
    strbuf_adds(out, ",\"members\":[]}");
}
