#include "http/client_key.h"

enum MHD_Result respond_bad_client_key(struct request *rq)
{
    struct problem p = {.status = 401,
                        .code = "bad_client_key",
                        .challenge = "Fanfare-Client-Key",
                        .detail = "the header Fanfare-Client-Key must be the clientKey of a "
                                  "client that is connected (fanfare.connected tells it)"};

    return respond_problem(rq, &p);
}

bool client_key_of(struct request *rq, uint64_t *id)
{
    struct str key = request_header_one(rq, "Fanfare-Client-Key");

    return client_key_ok(rq->srv->env, key, id) && client_id_shard(*id) < rq->srv->shared->shards;
}

uint64_t client_id_of(struct str segment)
{
    uint64_t id;

    return client_id_parse(segment, &id) == 0 ? id : UINT64_MAX;
}
