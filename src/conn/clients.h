/* clients.h - the clients of one shard, by id, without a hash table.
 *
 * An id is 64 bits, written as 16 hex digits: 8 the shard, 24 the slot in its
 * table, 32 random. So any shard knows whom to ask about an id, and a walk
 * through the tables goes in the order of the ids. */
#ifndef FF_CONN_CLIENTS_H
#define FF_CONN_CLIENTS_H

#include "base/err.h"
#include "base/rng.h"
#include "base/str.h"

#include <stdint.h>

struct stream;

struct clients {
    struct stream **slots; /* NULL: free */
    uint32_t *free_slots;  /* stack */
    uint32_t nslots, nfree, count;
};

#define CLIENT_ID_LEN 16

/* Gives `s` a slot and an id. ERR_NOMEM, ERR_LIMIT. */
int clients_add(struct clients *c, unsigned shard, struct rng *rng, struct stream *s, uint64_t *id)
    FF_USE_RESULT;
void clients_remove(struct clients *c, uint64_t id);
/* NULL if no such client is connected here. */
struct stream *clients_find(const struct clients *c, uint64_t id);
void clients_fini(struct clients *c);

void client_id_text(uint64_t id, char out[CLIENT_ID_LEN + 1]);
/* ERR_INVALID if it is not 16 lower-case hex digits. */
int client_id_parse(struct str s, uint64_t *id) FF_USE_RESULT;
unsigned client_id_shard(uint64_t id);
/* The slot, for walking the table in pieces. */
uint32_t client_id_slot(uint64_t id);

#endif
