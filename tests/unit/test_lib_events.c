/* Event handlers: kinds, order, fields, and what they may do. */
#include "support_gateway.h"

#include "support_wsclient.h"

#include <pthread.h>

struct note {
    enum fanfare_event_kind kind;
    char handler;
    char client[20], user[20], transport[12], peer[60], reason[60];
    char channel[20], target_user[20], type[20], id[40], cursor[40], data[60];
    uint64_t matched;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct note notes[400];
static atomic_uint nnotes;
static struct fanfare *gw;

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "(null)");
}

#define COPY(field, text) copy(n->field, sizeof(n->field), (text))

static void note(struct fanfare *g, const struct fanfare_event *e, void *user)
{
    struct note *n;
    unsigned at;

    cr_assert_eq(g, gw);
    cr_assert_geq(e->size, sizeof(*e));
    pthread_mutex_lock(&lock);
    at = atomic_load(&nnotes);
    if (at < 400) {
        n = &notes[at];
        n->kind = e->kind;
        n->handler = *(const char *)user;
        n->matched = e->matched;
        COPY(client, e->client_id);
        COPY(user, e->user);
        COPY(transport, e->transport);
        COPY(peer, e->peer);
        COPY(reason, e->reason);
        COPY(channel, e->channel);
        COPY(target_user, e->target_user);
        COPY(type, e->type);
        COPY(id, e->id);
        COPY(cursor, e->cursor);
        COPY(data, e->data);
        if (e->data && strlen(e->data) != e->data_len) {
            COPY(data, "(wrong length)");
        }
    }
    atomic_store(&nnotes, at + 1);
    pthread_mutex_unlock(&lock);
}

static void on(enum fanfare_event_kind kind, fanfare_handler *h, const char *name)
{
    cr_assert_eq(fanfare_on(gw, kind, h, (void *)(uintptr_t)name), 0);
}

static void start(void)
{
    gw = gw_new(gw_options());
}

static void stop(void)
{
    fanfare_free(gw);
}

TestSuite(events, .init = start, .fini = stop);

static void send_text(struct gw_client *c, const char *text)
{
    struct strbuf sb = STRBUF_INIT;

    wsc_text(&sb, text);
    cr_assert_eq(send(c->fd, sb.data, sb.len, MSG_NOSIGNAL), (ssize_t)sb.len);
    strbuf_fini(&sb);
}

Test(events, only_before_the_start)
{
    on(FANFARE_EVENT_PUBLISHED, note, "a");
    gw_run(gw);
    cr_assert_eq(fanfare_on(gw, FANFARE_EVENT_PUBLISHED, note, NULL), FANFARE_ERR_STATE);
    fanfare_stop(gw);
    cr_assert_eq(fanfare_on(gw, FANFARE_EVENT_PUBLISHED, note, NULL), FANFARE_ERR_STATE);
}

Test(events, refused_handlers)
{
    cr_assert_eq(fanfare_on(gw, FANFARE_EVENT_PUBLISHED, NULL, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_on(gw, (enum fanfare_event_kind)4, note, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_on(gw, (enum fanfare_event_kind)999, note, NULL), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_on(gw, (enum fanfare_event_kind) - 1, note, NULL), FANFARE_ERR_INVALID);
}

Test(events, connected_and_disconnected)
{
    struct gw_client c;

    on(FANFARE_EVENT_CLIENT_CONNECTED, note, "c");
    on(FANFARE_EVENT_CLIENT_DISCONNECTED, note, "d");
    gw_run(gw);
    c = gw_sse(gw, "userId=ann");
    GW_UNTIL(atomic_load(&nnotes) == 1);
    cr_assert_eq(notes[0].kind, FANFARE_EVENT_CLIENT_CONNECTED);
    cr_assert_eq(notes[0].handler, 'c');
    cr_assert_str_eq(notes[0].client, c.id);
    cr_assert_str_eq(notes[0].user, "ann");
    cr_assert_str_eq(notes[0].transport, "sse");
    cr_assert_eq(strncmp(notes[0].peer, "127.0.0.1:", 10), 0, "%s", notes[0].peer);
    cr_assert_str_eq(notes[0].reason, "(null)");
    cr_assert_str_eq(notes[0].data, "(null)");
    gw_close(&c);
    GW_UNTIL(atomic_load(&nnotes) == 2);
    cr_assert_eq(notes[1].kind, FANFARE_EVENT_CLIENT_DISCONNECTED);
    cr_assert_str_eq(notes[1].client, notes[0].client);
    cr_assert_str_eq(notes[1].user, "ann");
    cr_assert_str_eq(notes[1].reason, "closed by client");
    c = gw_ws(gw, "");
    GW_UNTIL(atomic_load(&nnotes) == 3);
    cr_assert_str_eq(notes[2].transport, "websocket");
    cr_assert_str_eq(notes[2].user, "(null)", "anonymous");
    gw_close(&c);
}

Test(events, received)
{
    struct gw_client c;

    on(FANFARE_EVENT_MESSAGE_RECEIVED, note, "m");
    gw_run(gw);
    c = gw_ws(gw, "userId=ann");
    send_text(&c, "{\"op\":\"message\",\"data\":{\"move\": \"e4\"},\"ref\":1}");
    gw_expect(&c, "\"data\":{\"handled\":true}");
    cr_assert_eq(atomic_load(&nnotes), 1);
    cr_assert_eq(notes[0].kind, FANFARE_EVENT_MESSAGE_RECEIVED);
    cr_assert_str_eq(notes[0].client, c.id);
    cr_assert_str_eq(notes[0].user, "ann");
    cr_assert_str_eq(notes[0].data, "{\"move\": \"e4\"}");
    gw_close(&c);
}

Test(events, received_without_a_handler_for_it)
{
    struct gw_client c;

    on(FANFARE_EVENT_CLIENT_CONNECTED, note, "c");
    gw_run(gw);
    c = gw_ws(gw, "");
    send_text(&c, "{\"op\":\"message\",\"data\":1}");
    gw_expect(&c, "\"data\":{\"handled\":false}");
    gw_close(&c);
}

Test(events, published_by_the_program_and_by_http)
{
    struct fanfare_receipt r;
    struct gw_client c;

    on(FANFARE_EVENT_PUBLISHED, note, "p");
    gw_run(gw);
    c = gw_sse(gw, "channel=a");
    cr_assert_eq(fanfare_broadcast_channel(gw, "a", "t", "[1, 2]", &r), 0);
    cr_assert_eq(atomic_load(&nnotes), 1, "before the call returns");
    cr_assert_eq(notes[0].kind, FANFARE_EVENT_PUBLISHED);
    cr_assert_str_eq(notes[0].channel, "a");
    cr_assert_str_eq(notes[0].target_user, "(null)");
    cr_assert_str_eq(notes[0].type, "t");
    cr_assert_str_eq(notes[0].id, r.id);
    cr_assert_str_eq(notes[0].cursor, r.cursor);
    cr_assert_str_eq(notes[0].data, "[1, 2]");
    cr_assert_eq(notes[0].matched, 1);
    cr_assert_str_eq(notes[0].client, "(null)");
    cr_assert_eq(fanfare_broadcast_user(gw, "ann", NULL, NULL, NULL), 0);
    cr_assert_str_eq(notes[1].target_user, "ann");
    cr_assert_str_eq(notes[1].channel, "(null)");
    cr_assert_str_eq(notes[1].type, "message");
    cr_assert_str_eq(notes[1].data, "null");
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0);
    cr_assert_str_eq(notes[2].channel, "(null)");
    cr_assert_str_eq(notes[2].target_user, "(null)");
    cr_assert_lt(fanfare_broadcast_everyone(gw, NULL, "{", NULL), 0);
    cr_assert_eq(fanfare_send_client(gw, c.id, NULL, NULL), 0);
    free(gw_ask(gw, "POST /broadcast", "{\"channels\":[\"x\",\"y\"],\"id\":\"mine\"}"));
    cr_assert_eq(atomic_load(&nnotes), 5, "one a target; nothing for what was refused");
    cr_assert_str_eq(notes[3].channel, "x");
    cr_assert_str_eq(notes[4].channel, "y");
    cr_assert_str_eq(notes[4].id, "mine");
    gw_close(&c);
}

/* Handlers for all stand in the same list, in the order they were added. */
Test(events, order_of_handlers)
{
    struct gw_client c;
    char order[20] = "";

    on(FANFARE_EVENT_ALL, note, "1");
    on(FANFARE_EVENT_PUBLISHED, note, "2");
    on(FANFARE_EVENT_ALL, note, "3");
    on(FANFARE_EVENT_CLIENT_CONNECTED, note, "4");
    on(FANFARE_EVENT_PUBLISHED, note, "5");
    gw_run(gw);
    cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0);
    for (unsigned i = 0; i < atomic_load(&nnotes); i++) {
        order[i] = notes[i].handler;
    }
    cr_assert_str_eq(order, "1235");
    atomic_store(&nnotes, 0);
    c = gw_sse(gw, "");
    GW_UNTIL(atomic_load(&nnotes) == 3);
    cr_assert_eq(notes[0].handler, '1');
    cr_assert_eq(notes[1].handler, '3');
    cr_assert_eq(notes[2].handler, '4');
    gw_close(&c);
}

/* ---- calls from inside a handler ---- */

static atomic_int handler_rc;

static void welcome(struct fanfare *g, const struct fanfare_event *e, void *user)
{
    struct fanfare_stats s = {.size = sizeof(s)};
    int rc;

    (void)user;
    rc = fanfare_send_client(g, e->client_id, "welcome", "1");
    rc = rc ? rc : fanfare_broadcast_channel(g, "arrivals", NULL, "\"somebody\"", NULL);
    rc = rc ? rc : fanfare_get_stats(g, &s);
    atomic_store(&handler_rc, rc);
}

Test(events, publish_and_send_from_a_handler)
{
    struct gw_client a, b;

    on(FANFARE_EVENT_CLIENT_CONNECTED, welcome, "w");
    gw_run(gw);
    a = gw_sse(gw, "channel=arrivals");
    gw_expect(&a, "event: welcome\n");
    gw_expect(&a, "\"data\":\"somebody\"");
    b = gw_ws(gw, "");
    gw_expect(&b, "\"type\":\"welcome\"");
    GW_UNTIL(gw_stats(gw).published == 2);
    cr_assert_eq(atomic_load(&handler_rc), 0);
    gw_close(&a);
    gw_close(&b);
}

static void echo(struct fanfare *g, const struct fanfare_event *e, void *user)
{
    (void)user;
    atomic_store(&handler_rc, fanfare_broadcast_everyone(g, "echo", e->data, NULL));
}

Test(events, publish_from_a_received_message)
{
    struct gw_client c;

    on(FANFARE_EVENT_MESSAGE_RECEIVED, echo, "e");
    gw_run(gw);
    c = gw_ws(gw, "");
    send_text(&c, "{\"op\":\"message\",\"data\":{\"x\": 1}}");
    gw_expect(&c, "\"type\":\"echo\"");
    gw_expect(&c, "\"data\":{\"x\":1}}");
    gw_close(&c);
}

static void turn_away(struct fanfare *g, const struct fanfare_event *e, void *user)
{
    (void)user;
    atomic_store(&handler_rc, fanfare_disconnect(g, e->client_id, "not you"));
}

Test(events, disconnect_from_a_handler)
{
    struct gw_client c;

    on(FANFARE_EVENT_CLIENT_CONNECTED, turn_away, "t");
    on(FANFARE_EVENT_CLIENT_DISCONNECTED, note, "d");
    gw_run(gw);
    c = gw_ws(gw, "");
    gw_expect(&c, "not you");
    gw_expect_end(&c);
    gw_close(&c);
    GW_UNTIL(atomic_load(&nnotes) == 1);
    cr_assert_str_eq(notes[0].reason, "disconnected by the application");
}

static void say_goodbye(struct fanfare *g, const struct fanfare_event *e, void *user)
{
    (void)user;
    atomic_store(&handler_rc, fanfare_broadcast_channel(g, "leavers", NULL, "\"gone\"", NULL));
    (void)!fanfare_broadcast_user(g, e->user ? e->user : "nobody", NULL, NULL, NULL);
    (void)!fanfare_send_client(g, e->client_id, NULL, NULL);
    (void)!fanfare_disconnect(g, e->client_id, NULL);
}

Test(events, publish_when_a_client_goes)
{
    struct gw_client a, b;

    on(FANFARE_EVENT_CLIENT_DISCONNECTED, say_goodbye, "g");
    gw_run(gw);
    a = gw_sse(gw, "channel=leavers");
    b = gw_sse(gw, "channel=leavers&userId=ann");
    gw_close(&b);
    gw_expect(&a, "\"data\":\"gone\"");
    gw_close(&a);
    GW_UNTIL(gw_stats(gw).clients_sse == 0);
}

static void again(struct fanfare *g, const struct fanfare_event *e, void *user)
{
    (void)user;
    if (e->channel && e->channel[0] < 'e') {
        char next[2] = {(char)(e->channel[0] + 1), '\0'};
        (void)!fanfare_broadcast_channel(g, next, NULL, NULL, NULL);
    }
}

Test(events, publish_from_a_published_event)
{
    on(FANFARE_EVENT_PUBLISHED, again, "a");
    gw_run(gw);
    cr_assert_eq(fanfare_broadcast_channel(gw, "a", NULL, NULL, NULL), 0);
    cr_assert_eq(gw_stats(gw).published, 5, "a to e");
}

/* Every client that came is seen to go, also by a stop. */
Test(events, stop_disconnects_everybody)
{
    struct gw_client c[20];
    unsigned came = 0, went = 0;

    on(FANFARE_EVENT_ALL, note, "n");
    gw_run(gw);
    for (int i = 0; i < 20; i++) {
        c[i] = i % 2 ? gw_ws(gw, "channel=a") : gw_sse(gw, "channel=a");
    }
    fanfare_stop(gw);
    for (unsigned i = 0; i < atomic_load(&nnotes); i++) {
        came += notes[i].kind == FANFARE_EVENT_CLIENT_CONNECTED;
        went += notes[i].kind == FANFARE_EVENT_CLIENT_DISCONNECTED;
    }
    cr_assert_eq(came, 20);
    cr_assert_eq(went, 20);
    for (int i = 0; i < 20; i++) {
        gw_close(&c[i]);
    }
}

Test(events, handlers_that_publish_while_it_stops)
{
    struct gw_client c[20];

    on(FANFARE_EVENT_CLIENT_DISCONNECTED, say_goodbye, "g");
    gw_run(gw);
    for (int i = 0; i < 20; i++) {
        c[i] = i % 2 ? gw_ws(gw, "channel=leavers&userId=ann") : gw_sse(gw, "channel=leavers");
    }
    fanfare_stop(gw);
    for (int i = 0; i < 20; i++) {
        gw_close(&c[i]);
    }
}
