#include "proto/publish_hash.h"

#include <nettle/sha2.h>

static void put_number(struct sha256_ctx *h, uint64_t v)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(v >> (56 - 8 * i) & 0xFF);
    }
    sha256_update(h, sizeof(bytes), bytes);
}

static void put_bytes(struct sha256_ctx *h, struct str s)
{
    if (s.len > 0) {
        sha256_update(h, s.len, (const uint8_t *)s.p);
    }
}

/* With its length, so that nothing runs together. */
static void put_text(struct sha256_ctx *h, struct str s)
{
    put_number(h, s.len);
    put_bytes(h, s);
}

static void put_targets(struct sha256_ctx *h, const struct publish *p)
{
    put_number(h, (uint64_t)p->kind);
    put_number(h, p->count);
    if (!p->several) {
        put_text(h, p->one);
        return;
    }
    for (const struct json_node *n = p->list; n; n = n->next) {
        put_text(h, n->text);
    }
}

void publish_hash(const struct publish *p, uint8_t out[PUBLISH_HASH_LEN])
{
    const char *at = p->data.p;
    const char *end = at + p->data.len;
    struct sha256_ctx h;

    sha256_init(&h);
    put_targets(&h, p);
    put_text(&h, p->type);
    put_text(&h, p->source);
    put_text(&h, p->key);
    put_text(&h, p->except);
    put_text(&h, p->has_timestamp ? p->timestamp : STR_NONE); /* a timestamp is never empty */
    put_number(&h, p->ephemeral);
    put_number(&h, p->ttl_s);
    put_number(&h, p->require_ack);
    put_number(&h, p->has_if_last);
    put_number(&h, p->if_last.epoch);
    put_number(&h, p->if_last.seq);
    if (p->no_echo) { /* else as ever: digests are kept in stores */
        put_number(&h, 1);
    }
    while (at < end) { /* the last, so it needs no length */
        put_bytes(&h, json_next_run(&at, end));
    }
    sha256_digest(&h, PUBLISH_HASH_LEN, out);
}
