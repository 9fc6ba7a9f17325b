/* WebSocket ops that look back: subscriptions with a position, acknowledgements. */
#include "support_wsops.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq

static void start_ann(void)
{
    start_as("ann");
}

TestSuite(positions, .init = start, .fini = stop);
TestSuite(acks, .init = start_ann, .fini = stop);

static void publish(unsigned n)
{
    char data[16];

    for (unsigned i = 1; i <= n; i++) {
        snprintf(data, sizeof(data), "%u", i);
        rig_publish(r, "a", data);
    }
}

/* What follows `text`, which `got` must begin with. */
static const char *behind(const char *got, const char *text)
{
    cr_assert(str_starts(str_of(got), str_of(text)), "%s\ndoes not begin with\n%s", got, text);
    return got + strlen(text);
}

/* The op is taken: reply, the messages of the data, synced, and nothing more. */
static void replays(const char *op, const char *cursor, const char *data, const char *top)
{
    const char *got = answers(op);
    char text[300];

    snprintf(text, sizeof(text),
             "{\"type\":\"fanfare.reply\",\"ref\":1,\"ok\":true,\"data\":{\"channel\":\"a\","
             "\"cursor\":\"%s\"}}\n",
             cursor);
    got = behind(got, text);
    for (const char *d = data; *d; d += strcspn(d, " ") + 1) {
        snprintf(text, sizeof(text), "\"data\":%.*s}\n", (int)strcspn(d, " "), d);
        got = behind(got, "{\"type\":\"message\",\"channel\":\"a\",");
        cr_assert_eq(strncmp(strstr(got, "\"data\":"), text, strlen(text)), 0, "%s\nnot %s", got,
                     text);
        got = strchr(got, '\n') + 1;
    }
    snprintf(text, sizeof(text),
             "{\"type\":\"fanfare.synced\",\"cursor\":\"%s\",\"data\":{\"channel\":\"a\","
             "\"ref\":1}}\n",
             top);
    got = behind(got, text);
    cr_assert_str_eq(got, "");
}

#define SUB "{\"op\":\"subscribe\",\"channel\":\"a\",\"ref\":1,"

Test(positions, after)
{
    publish(4);
    rig_publish(r, "b", "0");
    replays(SUB "\"after\":\"" AT(2) "\"}", AT(2), "3 4 ", AT(5));
    publish(1);
    cr_assert_eq(rig_count(answers(NULL), "\"data\":1}"), 1, "goes over into live delivery");
}

Test(positions, after_the_beginning)
{
    publish(2);
    replays(SUB "\"after\":\"earliest\"}", AT(0), "1 2 ", AT(2));
}

Test(positions, after_the_top)
{
    publish(2);
    replays(SUB "\"after\":\"" AT(2) "\"}", AT(2), "", AT(2));
}

Test(positions, a_second_subscription)
{
    const char *got;

    publish(2);
    (void)answers(SUB "\"after\":\"0-0\"}");
    got = answers(SUB "\"after\":\"0-0\"}");
    cr_assert_not_null(strstr(got, ",\"already\":true}}\n"), "%s", got);
    cr_assert_eq(rig_count(got, "\n"), 1, "its position is ignored: %s", got);
    is_ok("{\"op\":\"unsubscribe\",\"channel\":\"a\"}", NULL, "{\"channel\":\"a\"}");
    publish(1);
    cr_assert_str_eq(answers(NULL), "");
}

static void replays_so_many(const char *op, unsigned n)
{
    const char *got = answers(op);

    cr_assert_not_null(strstr(got, "\"ref\":1,\"ok\":true"), "%s", got);
    cr_assert_eq(rig_count(got, "\"channel\":\"a\",\"id\":"), n, "%s gave\n%s", op, got);
    cr_assert_eq(rig_count(got, "\"fanfare.synced\""), 1);
    (void)answers("{\"op\":\"unsubscribe\",\"channel\":\"a\"}");
}

Test(positions, since_and_history)
{
    rig_publish_at(r, TARGET_CHANNEL, "a", "0", clock_real_ms() - 120000);
    publish(5);
    replays_so_many(SUB "\"since\":\"1h\"}", 6);
    replays_so_many(SUB "\"since\":60}", 5);
    replays_so_many(SUB "\"since\":\"2020-01-01T00:00:00Z\"}", 6);
    replays_so_many(SUB "\"history\":2}", 2);
    replays_so_many(SUB "\"history\":\"3\"}", 3);
    replays_so_many(SUB "\"history\":1000}", 6);
}

Test(positions, refused)
{
    is_error(SUB "\"after\":\"x\"}", "1", "bad_cursor");
    is_error(SUB "\"after\":\"\"}", "1", "bad_cursor");
    is_error(SUB "\"after\":5}", "1", "bad_cursor");
    is_error(SUB "\"after\":null}", "1", "bad_cursor");
    is_error(SUB "\"since\":\"x\"}", "1", "bad_since");
    is_error(SUB "\"since\":-1}", "1", "bad_since");
    is_error(SUB "\"since\":[]}", "1", "bad_since");
    is_error(SUB "\"history\":0}", "1", "bad_history");
    is_error(SUB "\"history\":1001}", "1", "bad_history");
    is_error(SUB "\"history\":1.0}", "1", "bad_history");
    is_error(SUB "\"history\":true}", "1", "bad_history");
    is_error(SUB "\"after\":\"0-0\",\"since\":\"1s\"}", "1", "bad_request");
    is_error(SUB "\"history\":1,\"since\":\"1s\"}", "1", "bad_request");
    is_error(SUB "\"afte\":\"0-0\"}", "1", "bad_request");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a b\",\"after\":\"x\",\"ref\":1}", "1",
             "bad_channel");
    cr_assert_eq(stream_name_count(session()), 0);
}

/* Subscriptions that are still being replayed count. */
Test(positions, too_many_channels)
{
    rig_set(r, "max-channels-per-client", "1");
    publish(3);
    (void)answers(SUB "\"after\":\"0-0\"}");
    is_error("{\"op\":\"subscribe\",\"channel\":\"b\",\"after\":\"0-0\"}", NULL,
             "too_many_channels");
    is_ok(SUB "\"after\":\"0-0\"}", "1",
          "{\"channel\":\"a\",\"cursor\":\"" AT(3) "\",\"already\":true}");
}

/* ---- ack ---- */

static void require(const char *user, const char *id)
{
    struct str name = str_of(user);
    struct publication p = {.envelope = rig_envelope(TARGET_USER, "1"),
                            .targets = &name,
                            .count = 1,
                            .now_ms = clock_real_ms(),
                            .mono_ms = r->now,
                            .require_ack = true};
    struct publish_result res;
    struct publish_verdict verdict;

    p.envelope.id = str_of(id);
    cr_assert_eq(router_publish(r->env.router, &p, &res, &verdict), 0);
    (void)answers(NULL);
}

Test(acks, one)
{
    require("ann", "1");
    require("bob", "2");
    is_ok("{\"op\":\"ack\",\"id\":\"1\",\"ref\":5}", "5", "{\"acknowledged\":1,\"unknown\":[]}");
    is_ok("{\"op\":\"ack\",\"id\":\"1\"}", NULL, "{\"acknowledged\":0,\"unknown\":[\"1\"]}");
    is_ok("{\"op\":\"ack\",\"id\":\"2\"}", NULL, "{\"acknowledged\":0,\"unknown\":[\"2\"]}");
    cr_assert_eq(rig_metric(r, METRIC_ACKED), 1);
}

Test(acks, several)
{
    require("ann", "1");
    require("ann", "2");
    require("ann", "\xc3\xa9");
    is_ok("{\"op\":\"ack\",\"ids\":[\"2\",\"x\",\"\\u00e9\",\"2\"],\"ref\":\"r\"}", "\"r\"",
          "{\"acknowledged\":2,\"unknown\":[\"x\",\"2\"]}");
    cr_assert_eq(rig_metric(r, METRIC_UNACKED), 1);
}

Test(acks, so_many)
{
    struct strbuf sb = STRBUF_INIT;
    const char *got;

    require("ann", "999");
    strbuf_adds(&sb, "{\"op\":\"ack\",\"ids\":[\"0\"");
    for (int i = 1; i < 1000; i++) {
        strbuf_addf(&sb, ",\"%d\"", i);
    }
    strbuf_adds(&sb, "],\"ref\":1}");
    got = answers(sb.data);
    cr_assert_not_null(strstr(got, "\"ref\":1,\"ok\":true,\"data\":{\"acknowledged\":1,"), "%s",
                       got);
    sb.len -= strlen("],\"ref\":1}");
    strbuf_adds(&sb, ",\"1000\"],\"ref\":1}");
    is_error(sb.data, "1", "bad_request");
    strbuf_fini(&sb);
}

Test(acks, refused)
{
    require("ann", "1");
    is_error("{\"op\":\"ack\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"id\":1,\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"id\":\"\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"id\":\"\\ud800\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"ids\":\"1\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"ids\":[],\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"ids\":[\"1\",1],\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"ids\":[\"1\",[\"1\"]],\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"ids\":[\"1\",\"a\\u0001\"],\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"id\":\"1\",\"ids\":[\"1\"],\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"ack\",\"id\":\"1\",\"user\":\"ann\",\"ref\":1}", "1", "bad_request");
    cr_assert_eq(rig_metric(r, METRIC_ACKED), 0);
}

Test(positions, anonymous_clients_acknowledge_nothing)
{
    is_error("{\"op\":\"ack\",\"id\":\"1\",\"ref\":1}", "1", "no_user");
}
