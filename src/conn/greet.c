/* What a stream says to its client first. */
#include "conn/stream.h"
#include "proto/json.h"
#include "proto/sse.h"

static void add_connected(struct strbuf *out, const struct stream *s, struct str cursor,
                          bool recovered)
{
    struct strbuf data = STRBUF_INIT;
    char id[CLIENT_ID_LEN + 1];
    char key[CLIENT_KEY_LEN + 1];
    struct str user = stream_user(s);

    client_id_text(s->member.id, id);
    stream_client_key(s, key);
    strbuf_addf(&data, "{\"clientId\":\"%s\",\"clientKey\":\"%s\",", id, key);
    if (user.len) {
        strbuf_adds(&data, "\"userId\":");
        json_add_string(&data, user);
        strbuf_addc(&data, ',');
    }
    strbuf_adds(&data, "\"channels\":");
    stream_add_names(s, &data);
    strbuf_addf(&data, ",\"recovered\":%s}", recovered ? "true" : "false");
    control_add(out, s->ops->transport, STR_LIT("fanfare.connected"), cursor, strbuf_str(&data));
    out->failed |= strbuf_failed(&data);
    strbuf_fini(&data);
}

void stream_add_greeting(const struct stream *s, struct str position, bool recovered,
                         struct strbuf *out)
{
    if (s->ops->transport == TRANSPORT_SSE) {
        sse_add_retry(out, (uint32_t)s->env->opt->retry);
    }
    add_connected(out, s, position, recovered);
}
