#include "http/publishing.h"

#include "base/clock.h"
#include "proto/publish_hash.h"

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
                 const struct publishing_from *from, const struct str *targets,
                 const struct publish_outcome *out)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct http_published ev = {.publish = p,
                                    .target = targets ? targets[i] : STR_NONE,
                                    .id = str_of(out->id),
                                    .result = out->results[i],
                                    .by_client = from->is_client,
                                    .sender_user = from->user,
                                    .sender_client = from->client};
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

struct str publishing_target(const struct publish *p, unsigned i)
{
    const struct json_node *n = p->list;

    if (!p->several) {
        return p->one;
    }
    while (n && i--) {
        n = n->next;
    }
    return n ? n->text : STR_NONE;
}

/* ---- what the publisher left out ---- */

struct draft {
    struct publication pub;
    char now[CLOCK_RFC3339_LEN + 1];
    char client[CLIENT_ID_LEN + 1];
    struct str few[PUBLISH_FEW];
    struct str *targets; /* few, or memory */
};

static void set_identity(struct draft *d, struct rng *rng, const struct publish *p,
                         struct publish_outcome *out)
{
    struct envelope *e = &d->pub.envelope;

    if (p->id.len) {
        memcpy(out->id, p->id.p, p->id.len);
        out->id[p->id.len] = '\0';
    } else if (rng) {
        rng_uuid7(rng, d->pub.now_ms, out->id);
    }
    e->id = str_of(out->id);
    if (p->has_timestamp) {
        e->timestamp = p->timestamp;
    } else {
        clock_rfc3339(d->pub.now_ms, d->now);
        e->timestamp = (struct str){d->now, CLOCK_RFC3339_LEN};
    }
}

static void set_sender(struct draft *d, const struct publish *p, const struct publishing_from *from)
{
    struct envelope *e = &d->pub.envelope;

    e->sender_user = from->user;
    if (from->client) {
        client_id_text(from->client, d->client);
        e->sender_client = (struct str){d->client, CLIENT_ID_LEN};
        d->pub.except = p->no_echo ? from->client : d->pub.except;
    }
}

static int set_once(struct draft *d, const struct publish *p, struct str publisher)
{
    char scoped[ONCE_ID_MAX];
    struct str id = p->id;
    uint8_t hash[ONCE_HASH];

    if (p->id.len == 0) {
        return 0;
    }
    if (publisher.len && publisher.len + 1 + id.len <= sizeof(scoped)) {
        memcpy(scoped, publisher.p, publisher.len);
        scoped[publisher.len] = '\x1f'; /* in no name and no id */
        memcpy(scoped + publisher.len + 1, id.p, id.len);
        id = (struct str){scoped, publisher.len + 1 + id.len};
    }
    publish_hash(p, hash);
    d->pub.once = once_new(id, hash, p->count);
    return d->pub.once ? 0 : ERR_NOMEM;
}

/* Memory for what a few places do not hold. */
static int set_targets(struct draft *d, const struct publish *p, struct publish_outcome *out)
{
    if (p->kind != TARGET_EVERYONE) {
        d->targets = list_targets(p, d->few);
        d->pub.targets = d->targets;
    }
    if (p->count > PUBLISH_FEW) {
        out->results = calloc(p->count, sizeof(struct publish_result));
    }
    return d->targets && out->results ? 0 : ERR_NOMEM;
}

static int make_draft(struct draft *d, struct rng *rng, const struct publish *p,
                      const struct publishing_from *from, struct publish_outcome *out)
{
    int rc;

    d->targets = d->few;
    d->pub = (struct publication){.envelope = {.kind = p->kind,
                                               .type = p->type,
                                               .source = p->source,
                                               .data = p->data,
                                               .key = p->key},
                                  .count = p->count,
                                  .now_ms = clock_real_ms(),
                                  .mono_ms = clock_mono_ms(),
                                  .ttl_s = p->ttl_s,
                                  .ephemeral = p->ephemeral,
                                  .require_ack = p->require_ack,
                                  .has_if_last = p->has_if_last,
                                  .if_last = p->if_last};
    if (p->except.len) {
        (void)!client_id_parse(p->except, &d->pub.except); /* another form: nobody */
    }
    set_sender(d, p, from);
    set_identity(d, rng, p, out);
    rc = set_targets(d, p, out);
    return rc == 0 ? set_once(d, p, from->scope) : rc;
}

static void drop_draft(struct draft *d)
{
    if (d->targets != d->few) {
        free(d->targets);
    }
    once_unref(d->pub.once);
}

int publishing_run(struct http_shared *shared, struct rng *rng, const struct publish *p,
                   const struct publishing_from *from, struct publish_ticket *ticket,
                   struct publish_outcome *out)
{
    struct draft d;
    int rc;

    out->results = out->few;
    out->verdict = (struct publish_verdict){0};
    if (p->count > 1 && p->data.len > PUBLISH_MAX_BYTES / p->count) {
        return ERR_RANGE;
    }
    rc = make_draft(&d, rng, p, from, out);
    if (rc == 0) {
        d.pub.ticket = ticket;
        rc = router_publish(shared->router, &d.pub, out->results, &out->verdict);
    }
    if (rc == ERR_BUSY) {
        atomic_store(&shared->overload_ms, clock_mono_ms());
    }
    if (rc == 0 && shared->wants_published && !out->verdict.duplicate) {
        tell(shared, p, from, d.pub.targets, out);
    }
    drop_draft(&d);
    if (rc != 0) {
        publish_outcome_fini(out);
    }
    return rc;
}
