/* WebSocket ops about people: presence, info, typing, read; read positions on request; replies
 * that wait for the store. */
#include "support_access.h"
#include "support_wsops.h"

#include "core/info.h"

#define AT(seq) RIG_EPOCH_TEXT "-" #seq
#define SINCE "2027-01-15T08:00:00.000Z" /* WALL_START */

static void start_ann(void)
{
    start_as("ann");
}

TestSuite(people, .init = start_ann, .fini = stop);
TestSuite(nobody, .init = start, .fini = stop);

/* Something in `got` is this text. */
static void has(const char *got, const char *text)
{
    cr_assert_not_null(strstr(got, text), "%s\nhas no %s", got, text);
}

static void passes(uint64_t ms)
{
    rig_pass(r, ms);
}

/* ---- presence, info ---- */

Test(people, a_snapshot_then_changes)
{
    const char *got = answers("{\"op\":\"subscribe\",\"channel\":\"presence-a\",\"ref\":1}");

    cr_assert(str_starts(str_of(got), STR_LIT("{\"type\":\"fanfare.reply\",\"ref\":1,\"ok\":true")),
              "%s", got);
    has(got, "}}\n{\"type\":\"fanfare.presence\",\"data\":{\"channel\":\"presence-a\",\"event\":"
             "\"snapshot\",\"version\":");
    passes(300);
    (void)answers(NULL);
    is_ok(
        "{\"op\":\"presence\",\"channel\":\"presence-a\",\"ref\":2}", "2",
        "{\"channel\":\"presence-a\",\"event\":\"snapshot\",\"version\":1,\"count\":1,\"members\":["
        "{\"userId\":\"ann\",\"connections\":1,\"since\":\"" SINCE "\"}]}");
    got = answers("{\"op\":\"info\",\"info\":{ \"a\" : [1.50, null] },\"ref\":3}");
    has(got, "{\"type\":\"fanfare.reply\",\"ref\":3,\"ok\":true,\"data\":{}}\n");
    passes(300);
    has(answers("{\"op\":\"presence\",\"channel\":\"presence-a\"}"),
        "\"version\":2,\"count\":1,\"members\":[{\"userId\":\"ann\",\"info\":{\"a\":[1.50,null]},");
}

Test(people, presence_refused)
{
    is_error("{\"op\":\"presence\"}", NULL, "bad_request");
    is_error("{\"op\":\"presence\",\"channel\":\"a\"}", NULL, "no_presence");
    is_error("{\"op\":\"presence\",\"channel\":\"presence-a.>\"}", NULL, "bad_channel");
    is_error("{\"op\":\"presence\",\"channel\":\"fanfare.x\"}", NULL, "reserved_channel");
    is_error("{\"op\":\"presence\",\"channel\":\"presence-a\",\"after\":\"x\"}", NULL,
             "bad_request");
    rig_set(r, "user-presence", "no");
    is_error("{\"op\":\"presence\",\"channel\":\"fanfare.users\"}", NULL, "no_presence");
}

Test(people, info_refused)
{
    is_error("{\"op\":\"info\"}", NULL, "bad_request");
    is_error("{\"op\":\"info\",\"info\":1,\"x\":1}", NULL, "bad_request");
    rig_set(r, "max-info", "8");
    is_ok("{\"op\":\"info\",\"info\":  [1, 2, 34]}", NULL, "{}");
    is_error("{\"op\":\"info\",\"info\":[1,2,345]}", NULL, "too_large");
    cr_assert(str_eqz(info_str(session()->member.info), "[1,2,34]"));
    is_ok("{\"op\":\"info\",\"info\":null}", NULL, "{}");
    cr_assert(str_eqz(info_str(session()->member.info), "null"));
}

Test(nobody, has_no_info_types_nothing_and_reads_nothing)
{
    (void)answers("{\"op\":\"subscribe\",\"channel\":\"a\"}");
    is_error("{\"op\":\"info\",\"info\":1}", NULL, "no_user");
    is_error("{\"op\":\"typing\",\"channel\":\"a\",\"typing\":true}", NULL, "no_user");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(0) "\"}", NULL, "no_user");
}

/* ---- typing ---- */

Test(people, typing)
{
    is_error("{\"op\":\"typing\",\"channel\":\"a\"}", NULL, "bad_request");
    is_error("{\"op\":\"typing\",\"channel\":\"a\",\"typing\":\"yes\"}", NULL, "bad_request");
    is_error("{\"op\":\"typing\",\"typing\":true}", NULL, "bad_request");
    is_error("{\"op\":\"typing\",\"channel\":\"fanfare.users\",\"typing\":true}", NULL,
             "reserved_channel");
    is_error("{\"op\":\"typing\",\"channel\":\"a\",\"typing\":true}", NULL, "not_subscribed");
    (void)answers("{\"op\":\"subscribe\",\"channel\":\">\"}");
    is_error("{\"op\":\"typing\",\"channel\":\"a\",\"typing\":true}", NULL, "not_subscribed");
    (void)answers("{\"op\":\"subscribe\",\"channel\":\"b\"}");
    is_ok("{\"op\":\"typing\",\"channel\":\"b\",\"typing\":true}", NULL, "{}");
    is_ok("{\"op\":\"typing\",\"channel\":\"b\",\"typing\":true}", NULL, "{}");
    is_ok("{\"op\":\"typing\",\"channel\":\"b\",\"typing\":false}", NULL, "{}");
    is_ok("{\"op\":\"typing\",\"channel\":\"b\",\"typing\":false}", NULL, "{}");
}

Test(people, typing_in_too_many_channels)
{
    const char *got = "";
    char op[100];

    for (int i = 0; i < 17; i++) {
        snprintf(op, sizeof(op), "{\"op\":\"subscribe\",\"channel\":\"c%d\"}", i);
        (void)answers(op);
        snprintf(op, sizeof(op), "{\"op\":\"typing\",\"channel\":\"c%d\",\"typing\":true}", i);
        got = answers(op);
    }
    has(got, "\"code\":\"rate_limited\"");
    has(got, "\"retryAfter\":5000");
}

/* ---- read ---- */

Test(people, read_by_cursor_and_by_id)
{
    rig_set(r, "history", "5");
    rig_publish(r, "a", "1");
    rig_publish(r, "b", "2");
    is_error("{\"op\":\"read\",\"channel\":\"a\"}", NULL, "bad_request");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":1}", NULL, "bad_request");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"id\":[]}", NULL, "bad_request");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"id\":\"\"}", NULL, "bad_request");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"id\":\"x\",\"cursor\":\"" AT(1) "\"}", NULL,
             "bad_request");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(3) "\"}", NULL, "bad_cursor");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"x-1\"}", NULL, "bad_cursor");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"1-\"}", NULL, "bad_cursor");
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"id\":\"id-2\"}", NULL, "unknown_message");
    is_ok("{\"op\":\"read\",\"channel\":\"a\",\"id\":\"id-1\",\"ref\":\"r\"}", "\"r\"",
          "{\"cursor\":\"" AT(1) "\",\"changed\":true}");
    is_ok("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(2) "\"}", NULL,
          "{\"cursor\":\"" AT(2) "\",\"changed\":true}");
    is_ok("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}", NULL,
          "{\"cursor\":\"" AT(2) "\",\"changed\":false}");
    cr_assert_eq(session()->waiting, 0);
}

Test(people, positions_on_request)
{
    static const char reads[] =
        "{\"type\":\"fanfare.reads\",\"data\":{\"channel\":\"a\",\"reads\":["
        "{\"userId\":\"ann\",\"cursor\":\"" AT(1) "\",\"at\":\"" SINCE "\"}],\"more\":false}}\n";
    const char *got;

    rig_set(r, "history", "5");
    rig_publish(r, "a", "1");
    (void)answers("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(1) "\"}");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a\",\"reads\":1}", NULL, "bad_request");
    got = answers("{\"op\":\"subscribe\",\"channel\":\"a\",\"reads\":true}");
    cr_assert_str_eq(strchr(got, '\n') + 1, reads);
    /* Once more. */
    got = answers("{\"op\":\"subscribe\",\"channel\":\"a\",\"reads\":true}");
    has(got, "\"already\":true");
    cr_assert_str_eq(strchr(got, '\n') + 1, reads);
    (void)answers("{\"op\":\"unsubscribe\",\"channel\":\"a\"}");
    /* With a position: behind synced. */
    got = answers("{\"op\":\"subscribe\",\"channel\":\"a\",\"reads\":true,\"history\":1}");
    has(got, "\"data\":1}\n{\"type\":\"fanfare.synced\"");
    cr_assert_str_eq(got + strlen(got) - strlen(reads), reads);
    /* None of a pattern, and none if it was not asked for. */
    cr_assert_eq(
        rig_count(answers("{\"op\":\"subscribe\",\"channel\":\"*\",\"reads\":true}"), "\n"), 1);
    cr_assert_eq(
        rig_count(answers("{\"op\":\"subscribe\",\"channel\":\"b\",\"reads\":false}"), "\n"), 1);
}

/* ---- replies that wait ---- */

struct slow_store {
    struct core_store port;
    struct record *first, *last;
};
static struct slow_store store;
static struct mailbox *tasks;
static atomic_uint outstanding;

static int store_admit(void *ctx, size_t bytes, uint64_t seq)
{
    (void)ctx;
    (void)bytes;
    (void)seq;
    return 0;
}

static void store_put(void *ctx, struct record *first, struct record *last, size_t bytes)
{
    struct slow_store *st = ctx;

    (void)bytes;
    if (st->first) {
        st->last->next = first;
    } else {
        st->first = first;
    }
    st->last = last;
}

static void store_gives(int rc)
{
    struct record *first = store.first;

    store.first = store.last = NULL;
    if (first) {
        router_stored(r->env.router, first, rc);
    }
    mailbox_drain(tasks, 0);
}

static void start_stored(void)
{
    struct rig_pair p = rig_socketpair();
    struct stream_intro intro = {.fd = p.ours, .user = STR_LIT("ann")};
    struct errmsg why = {""};

    store = (struct slow_store){.port = {.ctx = &store,
                                         .reserved = UINT64_MAX,
                                         .delayed = true,
                                         .waits = true,
                                         .admit = store_admit,
                                         .put = store_put}};
    r = rig_new_on(&store.port);
    cr_assert_eq(mailbox_new(r, &tasks, &why), 0);
    cr_assert_eq(ws_shard_init(&shard, &r->env), 0);
    shard.tasks = tasks;
    shard.outstanding = &outstanding;
    atomic_init(&outstanding, 0);
    peer = p.peer;
    cr_assert_eq(ws_open(&shard, &intro, STR_NONE), 0);
    rig_drop(r, peer);
}

static void stop_stored(void)
{
    conn_env_close_all(&r->env, "end of test");
    for (int i = 0; i < 5; i++) {
        store_gives(0);
        rig_turn(r);
    }
    cr_assert_eq(atomic_load(&outstanding), 0);
    mailbox_free(tasks);
    stop();
}

TestSuite(later, .init = start_stored, .fini = stop_stored);

static void publish_stored(void)
{
    rig_publish(r, "a", "1");
    store_gives(0);
    (void)answers(NULL);
}

#define READ "{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(1) "\",\"ref\":7}"

Test(later, answered_when_it_is_durable)
{
    publish_stored();
    cr_assert_str_eq(answers(READ), "");
    cr_assert_eq(session()->waiting, 1);
    cr_assert_eq(atomic_load(&outstanding), 1);
    is_ok("{\"op\":\"info\",\"info\":1,\"ref\":8}", "8", "{}");
    store_gives(0);
    cr_assert_str_eq(answers(NULL), "{\"type\":\"fanfare.reply\",\"ref\":7,\"ok\":true,\"data\":{"
                                    "\"cursor\":\"" AT(1) "\",\"changed\":true}}\n");
    cr_assert_eq(session()->waiting, 0);
    cr_assert_eq(atomic_load(&outstanding), 0);
}

Test(later, refused_when_it_is_not)
{
    const char *got;

    publish_stored();
    cr_assert_str_eq(answers(READ), "");
    store_gives(ERR_STORE);
    got = answers(NULL);
    has(got, "\"ref\":7,\"ok\":false,\"error\":{\"code\":\"store_failed\"");
    has(got, "\"retryAfter\":1000");
    cr_assert_eq(rig_metric(r, METRIC_PUBLISH_REFUSED), 1);
    cr_assert_eq(session()->waiting, 0);
}

Test(later, nobody_is_left_to_be_answered)
{
    publish_stored();
    cr_assert_str_eq(answers(READ), "");
    stream_kill(session(), "test");
    rig_turn(r);
    cr_assert_eq(atomic_load(&outstanding), 1);
    store_gives(0);
    cr_assert_eq(atomic_load(&outstanding), 0);
}

Test(later, errors_come_at_once)
{
    publish_stored();
    is_error("{\"op\":\"read\",\"channel\":\"a\",\"cursor\":\"" AT(2) "\"}", NULL, "bad_cursor");
    cr_assert_eq(session()->waiting, 0);
    cr_assert_eq(atomic_load(&outstanding), 0);
}
