#include "ws/reply.h"

#include "hook/hook.h"
#include "ws/op.h"

void ws_reply_ok(struct ws_shard *w, struct stream *s, struct str ref, struct str data)
{
    struct op op = {.w = w, .s = s, .ref = ref};

    op_reply_ok(&op, data);
}

void ws_reply_error(struct ws_shard *w, struct stream *s, struct str ref, const char *code,
                    const char *message, uint64_t retry_ms)
{
    struct op op = {.w = w, .s = s, .ref = ref};

    if (retry_ms) {
        op_reply_later(&op, code, message, retry_ms);
    } else {
        op_reply_error(&op, code, message);
    }
}

void ws_ask_for(const struct stream *s, struct hook_question *q, struct ws_asker *memory)
{
    struct peer peer = s->peer, network = peer_network(&s->peer);

    client_id_text(s->member.id, memory->id);
    peer.port = 0; /* or no two would ask the same */
    q->user = stream_user(s);
    q->client_id = str_of(memory->id);
    q->address = str_of(peer_text(&peer, memory->address));
    if (!s->from_proxy && peer.kind != PEER_UNIX) {
        q->network = str_of(peer_text(&network, memory->network));
    }
}
