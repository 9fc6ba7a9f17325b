/* POST /broadcast: ids that publish once, conditions, and what a user's messages
 * became. */
#include "support_http.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq

TestSuite(once, .init = http_start, .fini = http_stop);

static void gives(const char *body, int status, const char *answer)
{
    char *a = http_ask("POST /broadcast", NULL, body);

    cr_assert_eq(http_status(a), status, "%s gave\n%s", body, a);
    cr_assert_str_eq(http_body(a), answer, "%s gave\n%s", body, a);
    free(a);
}

static void refused(const char *body, int status, const char *code, const char *text)
{
    uint64_t before = rig_metric(http.r, METRIC_PUBLISHED);

    http_problem("POST /broadcast", NULL, body, status, code);
    http_is("POST /broadcast", NULL, body, status, text);
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISHED), before);
}

/* ---- the same id ---- */

Test(once, a_repetition_gets_the_first_answer)
{
    static const char body[] = "{\"channel\":\"a\",\"id\":\"i\",\"data\":{\"n\":1}}";

    gives(body, 200, "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":0}");
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\"}", 200, AT(2));
    gives(body, 200, "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":0,\"duplicate\":true}");
    gives("{ \"id\":\"i\", \"data\" : {\"n\" : 1}, \"channel\":\"a\"}", 200,
          "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":0,\"duplicate\":true}");
    cr_assert_eq(http.published, 2, "handlers hear of it once");
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISHED), 2);
    cr_assert_eq(rig_metric(http.r, METRIC_DUPLICATES), 2);
    cr_assert_eq(router_top(http.r->env.router).seq, 2);
}

Test(once, a_repetition_to_several)
{
    static const char body[] = "{\"userIds\":[\"ann\",\"bob\"],\"id\":\"i\"}";
    static const char targets[] = "\"targets\":[{\"userId\":\"ann\",\"cursor\":\"" AT(
        1) "\",\"matched\":1,\"status\":"
           "\"online\"},{\"userId\":\"bob\",\"cursor\":\"" AT(2) "\",\"matched\":0,\"status\":"
                                                                 "\"queued\"}]}";
    char first[400], again[400];
    int fd = http_stream("/events?userId=ann", "", NULL);

    snprintf(first, sizeof(first), "{\"id\":\"i\",\"cursor\":\"" AT(2) "\",\"matched\":1,%s",
             targets);
    snprintf(again, sizeof(again),
             "{\"id\":\"i\",\"cursor\":\"" AT(2) "\",\"matched\":1,\"duplicate\":true,%s", targets);
    gives(body, 200, first);
    close(fd);
    for (int i = 0; i < 6; i++) {
        http_turn();
    }
    gives(body, 200, again); /* though nobody is connected now */
}

Test(once, a_repetition_to_many)
{
    struct strbuf sb = STRBUF_INIT;

    strbuf_adds(&sb, "{\"id\":\"i\",\"channels\":[\"c0\"");
    for (int i = 1; i < 1000; i++) {
        strbuf_addf(&sb, ",\"c%d\"", i);
    }
    strbuf_adds(&sb, "]}");
    http_is("POST /broadcast", NULL, sb.data, 200,
            "\"cursor\":\"" AT(1000) "\",\"matched\":0,"
                                     "\"targets\":");
    http_is("POST /broadcast", NULL, sb.data, 200,
            "\"cursor\":\"" AT(1000) "\",\"matched\":0,\"duplicate\":true,\"targets\":");
    cr_assert_eq(http.published, 1000);
    strbuf_fini(&sb);
}

Test(once, another_publication_of_the_id)
{
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\",\"id\":\"i\",\"data\":1}", 200, NULL);
    refused("{\"channel\":\"a\",\"id\":\"i\",\"data\":2}", 409, "id_conflict",
            ",\"field\":\"id\",\"offset\":20}\n");
    refused("{\"channel\":\"b\",\"id\":\"i\",\"data\":1}", 409, "id_conflict", "its own");
    refused("{\"channel\":\"a\",\"id\":\"i\",\"data\":1,\"type\":\"t\"}", 409, "id_conflict",
            "its own");
    cr_assert_eq(rig_metric(http.r, METRIC_ID_CONFLICTS), 6);
    cr_assert_eq(rig_metric(http.r, METRIC_PUBLISH_REFUSED), 6);
}

Test(once, in_a_batch)
{
    char *a = http_ask("POST /broadcast", "Content-Type: application/x-ndjson\r\n",
                       "{\"id\":\"i\",\"data\":1}\n{\"id\":\"i\",\"data\":1}\n"
                       "{\"id\":\"i\",\"data\":2}\n");

    cr_assert_eq(http_status(a), 200);
    cr_assert_eq(rig_count(a, "\"cursor\":\"" AT(1) "\""), 2, "%s", a);
    cr_assert_eq(rig_count(a, "\"duplicate\":true"), 1, "%s", a);
    cr_assert_not_null(strstr(a, "{\"error\":{\"status\":409,\"code\":\"id_conflict\",\"detail\":"),
                       "%s", a);
    cr_assert_not_null(strstr(a, ",\"field\":\"id\",\"line\":3,\"offset\":6}}"), "%s", a);
    cr_assert_not_null(strstr(a, "],\"accepted\":2,\"refused\":1}"), "%s", a);
    free(a);
}

/* A refusal is not remembered. */
Test(once, a_refused_publication_may_be_tried_again)
{
    int fd = http_stream("/events?channel=a", "", NULL);

    http.r->full = true;
    http_problem("POST /broadcast", NULL, "{\"channel\":\"a\",\"id\":\"i\"}", 503, "overloaded");
    http.r->full = false;
    gives("{\"channel\":\"a\",\"id\":\"i\"}", 200,
          "{\"id\":\"i\",\"cursor\":\"" AT(1) "\",\"matched\":1}");
    close(fd);
}

Test(once, ids_that_the_gateway_made_are_its_own)
{
    char id[64], body[120];
    char *a = http_ask("POST /broadcast", NULL, "{\"data\":1}");

    http_member(a, "id", id, sizeof(id));
    free(a);
    snprintf(body, sizeof(body), "{\"data\":2,\"id\":\"%s\"}", id);
    a = http_ask("POST /broadcast", NULL, body);
    cr_assert_eq(http_status(a), 200, "%s", a);
    free(a);
}

/* ---- conditions ---- */

Test(once, if_last)
{
    gives("{\"channel\":\"a\",\"id\":\"1\",\"ifLast\":\"0-0\"}", 200,
          "{\"id\":\"1\",\"cursor\":\"" AT(1) "\",\"matched\":0}");
    http_is("POST /broadcast", NULL, "{\"channel\":\"b\"}", 200, AT(2));
    refused("{\"channel\":\"a\",\"ifLast\":\"0-0\"}", 409, "moved_on",
            "the channel \\\"a\\\" has moved on: its last message is at " AT(1));
    refused("{\"channel\":\"a\",\"ifLast\":\"0-0\"}", 409, "moved_on",
            ",\"field\":\"ifLast\",\"offset\":24,\"last\":\"" AT(1) "\"}\n");
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\",\"ifLast\":\"" AT(2) "\"}", 200, AT(3));
    refused("{\"channel\":\"a\",\"ifLast\":\"" AT(2) "\"}", 409, "moved_on",
            "\"last\":\"" AT(3) "\"}");
    refused("{\"channels\":[\"c\",\"b\",\"a\"],\"ifLast\":\"" AT(2) "\"}", 409, "moved_on",
            "the channel \\\"a\\\" has moved on");
    refused("{\"channel\":\"new\",\"ifLast\":\"zz-1\"}", 409, "moved_on", "\"last\":\"");
    refused("{\"channel\":\"a\",\"ifLast\":\"x\"}", 400, "bad_value", "ifLast");
    refused("{\"userId\":\"a\",\"ifLast\":\"0-0\"}", 422, "unsupported", "ifLast");
    cr_assert_eq(rig_metric(http.r, METRIC_MOVED_ON), 10);
}

Test(once, if_last_in_a_batch)
{
    char *a = http_ask("POST /broadcast", NULL,
                       "[{\"channel\":\"a\",\"ifLast\":\"0-0\"},"
                       "{\"channel\":\"a\",\"ifLast\":\"0-0\"}]");

    cr_assert_not_null(strstr(a, "\"offset\":56,\"last\":\"" AT(1) "\"}}],\"accepted\":1,"), "%s",
                       a);
    free(a);
}

/* ---- users ---- */

Test(once, what_became_of_a_users_message)
{
    int fd;

    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\"}", 200,
            "\"matched\":0,\"status\":\"queued\"}");
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\",\"ephemeral\":true}", 200,
            "\"matched\":0,\"status\":\"offline\"}");
    fd = http_stream("/events?userId=ann", "", NULL);
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\"}", 200,
            "\"matched\":1,\"status\":\"online\"}");
    http_is("POST /broadcast", NULL, "{}", 200, "\"matched\":1}");
    http_is("POST /broadcast", NULL, "{\"channel\":\"a\"}", 200, "\"matched\":0}");
    close(fd);
    cr_assert_eq(rig_metric(http.r, METRIC_QUEUED), 1);
}

Test(once, nothing_is_kept_for_users)
{
    rig_set(http.r, "user-history", "0");
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\"}", 200, "\"status\":\"offline\"}");
}

Test(once, require_ack)
{
    struct strbuf sb = STRBUF_INIT;
    char *a;

    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\",\"requireAck\":true,\"id\":\"i\"}", 200,
            "\"status\":\"queued\"}");
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\",\"requireAck\":true,\"id\":\"i\"}", 200,
            "\"duplicate\":true");
    refused("{\"channel\":\"ann\",\"requireAck\":true}", 422, "unsupported", "requireAck");
    refused("{\"userId\":\"ann\",\"requireAck\":true,\"ephemeral\":true}", 422,
            "conflicting_fields", "requireAck");
    /* max-unacked is 1000 */
    for (int i = 0; i < 1000; i++) {
        strbuf_adds(&sb, "{\"userIds\":[\"bob\",\"ann\"],\"requireAck\":true}\n");
    }
    a = http_ask("POST /broadcast", "Content-Type: application/x-ndjson\r\n", sb.data);
    strbuf_fini(&sb);
    cr_assert_not_null(strstr(a, "],\"accepted\":999,\"refused\":1}"), "%s", a);
    cr_assert_not_null(strstr(a, "{\"error\":{\"status\":503,\"code\":\"too_many_unacked\","));
    free(a);
    refused("{\"userIds\":[\"bob\",\"ann\"],\"requireAck\":true}", 503, "too_many_unacked",
            "the user \\\"ann\\\"");
    refused("{\"userId\":\"ann\",\"requireAck\":true}", 503, "too_many_unacked",
            "Retry-After: 1\r\n");
    cr_assert_eq(rig_metric(http.r, METRIC_UNACKED), 1999);
}

/* The id is forgotten after id-window, but the message still waits. */
Test(once, an_id_that_waits_for_the_user)
{
    struct rig *r = http.r;
    struct envelope e = rig_envelope(TARGET_USER, "1");
    struct str name = STR_LIT("ann");
    struct publication p = {.envelope = e, .targets = &name, .count = 1, .require_ack = true};
    struct publish_result res;
    struct publish_verdict verdict;

    p.envelope.id = STR_LIT("i");
    cr_assert_eq(router_publish(r->env.router, &p, &res, &verdict), 0);
    refused("{\"userId\":\"ann\",\"id\":\"i\",\"requireAck\":true}", 409, "id_conflict",
            "still waits for the user \\\"ann\\\"");
    http_is("POST /broadcast", NULL, "{\"userId\":\"ann\",\"id\":\"i\"}", 200, NULL);
}
