/* Events that wait to be told, oldest first. */
#include "hook/private.h"

#include "base/clock.h"

#include <stdlib.h>

/* What a letter counts for: its memory, and what is written around its members. */
static uint64_t size_of(const struct letter *l)
{
    return sizeof(*l) + l->len;
}

void outbox_init(struct outbox *o, unsigned max, uint64_t max_bytes)
{
    *o = (struct outbox){.max = max, .max_bytes = max_bytes, .share = max / WEBHOOK_SHARES};
    o->end = &o->first;
    if (o->share < WEBHOOK_LEAST) {
        o->share = WEBHOOK_LEAST;
    }
}

/* Each kind has a seed of its own: a channel's name that is a user's must not use up his share. */
uint16_t outbox_by(const struct outbox *o, const struct webhook_cause *by)
{
    unsigned hash;

    if (by->user.len) {
        hash = map_hash(o->seed, by->user);
    } else if (by->client) {
        hash = map_hash(o->seed + 1, (struct str){(const char *)&by->client, sizeof(by->client)});
    } else if (by->channel.len) {
        hash = map_hash(o->seed + 2, by->channel);
    } else {
        return OUTBOX_NOBODY;
    }
    return (uint16_t)(hash % OUTBOX_BY);
}

struct letter *letter_new(const char *event, uint16_t by, uint64_t at_ms, struct str members)
{
    struct letter *l = malloc(sizeof(*l) + members.len);

    if (l) {
        *l = (struct letter){.event = event, .by = by, .at_ms = at_ms, .len = members.len};
        if (members.len) {
            memcpy(l->members, members.p, members.len);
        }
    }
    return l;
}

static bool has_its_share(const struct outbox *o, const struct letter *l)
{
    return l->by != OUTBOX_NOBODY && o->held[l->by] >= o->share;
}

bool outbox_put(struct outbox *o, struct letter *l, uint64_t now_ms)
{
    o->seq++;
    if (!l || o->n >= o->max || size_of(l) > o->max_bytes - o->bytes || has_its_share(o, l)) {
        return false;
    }
    l->seq = o->seq;
    l->mono_ms = now_ms;
    *o->end = l;
    o->end = &l->next;
    o->n++;
    o->held[l->by]++;
    o->bytes += size_of(l);
    return true;
}

struct letter *outbox_take(struct outbox *o, unsigned max, uint64_t max_bytes, unsigned *n)
{
    struct letter *first = o->first, **at = &o->first;
    uint64_t bytes = 0;

    *n = 0;
    while (*at && *n < max && (*n == 0 || bytes + size_of(*at) <= max_bytes)) {
        bytes += size_of(*at);
        at = &(*at)->next;
        ++*n;
    }
    if (*n == 0) {
        return NULL;
    }
    o->first = *at;
    *at = NULL;
    if (!o->first) {
        o->end = &o->first;
    }
    return first;
}

struct letter *outbox_take_old(struct outbox *o, uint64_t before_ms, unsigned max, unsigned *n)
{
    unsigned old = 0;

    for (const struct letter *l = o->first; l && l->mono_ms <= before_ms && old < max;
         l = l->next) {
        old++;
    }
    return outbox_take(o, old, UINT64_MAX, n);
}

void outbox_settle(struct outbox *o, const struct letter *l)
{
    o->n--;
    o->held[l->by]--;
    o->bytes -= size_of(l);
}

void letters_free(struct letter *l)
{
    while (l) {
        struct letter *next = l->next;
        free(l);
        l = next;
    }
}

void letter_add(const struct letter *l, struct strbuf *out)
{
    char at[CLOCK_RFC3339_LEN + 1];

    clock_rfc3339(l->at_ms, at);
    strbuf_addf(out, "{\"seq\":%llu,\"id\":\"%s\",\"event\":\"%s\",\"at\":\"%s\"",
                (unsigned long long)l->seq, l->id, l->event, at);
    strbuf_add(out, l->members, l->len);
    strbuf_addc(out, '}');
}
