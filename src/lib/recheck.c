/* What a reload means for streams that are there: who is still who they were? */
#include "base/clock.h"
#include "conn/access.h"
#include "lib/gateway.h"

static void recheck(struct stream *s, struct auth *auth, uint64_t now)
{
    const struct grant *g = access_grant(s);

    if (!g || s->dead || s->ending) {
        return;
    }
    switch (auth_recheck(auth, g, now)) {
    case AUTH_OK:
        access_recheck(s);
        break;
    case AUTH_REVOKED:
        access_revoke(s);
        break;
    default: /* its key is over, or gone: with another one it may come back */
        access_expire(s);
    }
}

void shard_recheck(struct shard *s)
{
    const struct clients *c = &s->env.clients;
    uint64_t now = clock_real_ms();

    if (auth_is_open(s->gw->auth)) {
        return;
    }
    deliveries_flush(s);
    for (uint32_t i = 0; i < c->nslots; i++) {
        if (c->slots[i]) {
            recheck(c->slots[i], s->gw->auth, now);
        }
    }
}
