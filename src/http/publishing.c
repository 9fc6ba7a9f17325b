#include "http/publishing.h"

#include "base/clock.h"

#include <stdlib.h>

void publish_outcome_fini(struct publish_outcome *out)
{
    if (out->results != out->few) {
        free(out->results);
    }
    out->results = NULL;
}

uint64_t publish_outcome_matched(const struct publish_outcome *out, const struct publish *p)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < p->count; i++) {
        sum += out->results[i].matched;
    }
    return sum;
}

static void tell(const struct http_shared *shared, const struct publish *p,
                 const struct str *targets, const struct publish_outcome *out)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct http_published ev = {p, targets ? targets[i] : STR_NONE, str_of(out->id),
                                    out->results[i]};
        shared->published(shared->ctx, &ev);
    }
}

/* The targets as an array; `few` or memory (to be freed if it is not few). */
static struct str *list_targets(const struct publish *p, struct str *few)
{
    struct str *v = few;
    unsigned i = 0;

    if (p->count > PUBLISH_FEW) {
        v = calloc(p->count, sizeof(*v));
        if (!v) {
            return NULL;
        }
    }
    if (!p->several) {
        v[0] = p->one;
        return v;
    }
    for (const struct json_node *n = p->list; n; n = n->next) {
        v[i++] = n->text;
    }
    return v;
}

int publishing_run(struct http_shared *shared, struct rng *rng, const struct publish *p,
                   struct publish_outcome *out)
{
    struct str few[PUBLISH_FEW];
    struct str *targets = few;
    char now[CLOCK_RFC3339_LEN + 1];
    uint64_t now_ms = clock_real_ms();
    struct publication pub = {.envelope = {.kind = p->kind,
                                           .type = p->type,
                                           .source = p->source,
                                           .data = p->data,
                                           .key = p->key},
                              .count = p->count};
    int rc;

    if (p->count > 1 && p->data.len > PUBLISH_MAX_BYTES / p->count) {
        return ERR_LIMIT;
    }
    out->results = out->few;
    if (p->except.len) {
        (void)!client_id_parse(p->except, &pub.except); /* another form: nobody */
    }
    if (p->id.len) {
        memcpy(out->id, p->id.p, p->id.len);
        out->id[p->id.len] = '\0';
    } else {
        rng_uuid7(rng, now_ms, out->id);
    }
    pub.envelope.id = str_of(out->id);
    if (p->has_timestamp) {
        pub.envelope.timestamp = p->timestamp;
    } else {
        clock_rfc3339(now_ms, now);
        pub.envelope.timestamp = (struct str){now, CLOCK_RFC3339_LEN};
    }
    if (p->kind != TARGET_EVERYONE) {
        targets = list_targets(p, few);
        pub.targets = targets;
    }
    if (p->count > PUBLISH_FEW) {
        out->results = calloc(p->count, sizeof(struct publish_result));
    }
    rc = targets && out->results ? router_publish(shared->router, &pub, out->results) : ERR_NOMEM;
    if (rc == ERR_BUSY) {
        atomic_store(&shared->overload_ms, clock_mono_ms());
    }
    if (rc == 0 && shared->wants_published) {
        tell(shared, p, pub.targets, out);
    }
    if (targets != few) {
        free(targets);
    }
    if (rc != 0) {
        publish_outcome_fini(out);
    }
    return rc;
}
