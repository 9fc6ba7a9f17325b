/* Ops of a WebSocket client with a credential: a new token, signed channel names, what it may
 * not do. What is a good token is src/auth's to say; here "good:<user>:<channels>" is. */
#include "support_access.h"
#include "support_wsops.h"

#include "auth/auth.h"

/* ---- in the place of src/auth ---- */

struct auth {
    enum auth_outcome outcome; /* of what is no "good:" */
    enum auth_place place;
    unsigned seconds; /* until tokens expire; 0: never */
    unsigned checks;
};

static struct auth auth;

const char *auth_outcome_code(enum auth_outcome outcome)
{
    switch (outcome) {
    case AUTH_EXPIRED:
        return "token_expired";
    case AUTH_REVOKED:
        return "revoked";
    case AUTH_UNKNOWN:
        return "unknown_credential";
    case AUTH_NOT_YET:
        return "token_not_yet_valid";
    default:
        return "bad_token";
    }
}

enum auth_outcome auth_check(struct auth *a, enum auth_place place, struct str text,
                             uint64_t now_ms, struct grant **out, struct errmsg *why)
{
    char copy[100];
    char *user, *channels;

    cr_assert_eq(now_ms, wall);
    a->place = place;
    a->checks++;
    if (!str_starts(text, STR_LIT("good:"))) {
        (void)errmsg_set(why, 0, "what is wrong");
        return a->outcome;
    }
    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.p);
    user = copy + 5;
    channels = strchr(user, ':');
    *channels++ = '\0';
    *out = token(user, channels, a->seconds);
    return AUTH_OK;
}

/* name~~ok, name~1~ok is expired, everything else forged. */
enum auth_outcome auth_channel(struct auth *a, struct str text, uint64_t now_ms, struct str *name,
                               bool *is_signed, struct errmsg *why)
{
    const char *tilde = memchr(text.p, '~', text.len);
    struct str rest;

    cr_assert_eq(now_ms, wall);
    *name = text;
    *is_signed = tilde != NULL;
    if (!tilde) {
        return AUTH_OK;
    }
    name->len = (size_t)(tilde - text.p);
    rest = (struct str){tilde, text.len - name->len};
    (void)errmsg_set(why, 0, "what is wrong with the signature");
    return str_eqz(rest, "~~ok")      ? AUTH_OK
           : str_eqz(rest, "~1~ok")   ? AUTH_EXPIRED
           : a->outcome == AUTH_NOMEM ? AUTH_NOMEM
                                      : AUTH_FORGED;
}

/* ---- sessions ---- */

static void begin(struct grant *g)
{
    auth = (struct auth){.outcome = AUTH_FORGED, .seconds = 600};
    start_with((struct stream_intro){.grant = g, .user = g->s.user});
    grant_unref(g);
    rig_set(r, "heartbeat", "1h");
    shard.auth = &auth;
}

static void start_ann(void)
{
    begin(token("ann", "a b.*", 100));
}

TestSuite(token, .init = start_ann, .fini = stop);
TestSuite(token_of_its_own, .fini = stop);

#define CURSOR(n) RIG_EPOCH_TEXT "-" #n

static void has(const char *got, const char *part)
{
    cr_assert_not_null(strstr(got, part), "no %s in\n%s", part, got);
}

/* ---- a new token ---- */

Test(token, renews)
{
    is_ok("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}", "1",
          "{\"expiresAt\":\"2027-01-15T08:10:00.000Z\"}");
    cr_assert_eq(auth.place, AUTH_OP);
    auth.seconds = 0;
    is_ok("{\"op\":\"token\",\"token\":\"good:ann:a\"}", NULL, "{\"expiresAt\":null}");
    pass(r, 200000);
    cr_assert_str_eq(answers(NULL), "");
}

/* The events of what ends come before the answer, the warning behind it. */
Test(token, ends_what_it_does_not_permit)
{
    const char *got;

    answers("{\"op\":\"subscribe\",\"channel\":\"a\"}");
    answers("{\"op\":\"subscribe\",\"channel\":\"b.*\"}");
    rig_publish(r, "b.x", "1");
    auth.seconds = 10;
    got = answers("{\"op\":\"token\",\"token\":\"good:ann:a b.x\",\"ref\":7}");
    cr_assert_eq(rig_count(got, "\n"), 3);
    has(got, "\"cursor\":\"" CURSOR(1));
    got = strchr(got, '\n') + 1;
    cr_assert(str_starts(str_of(got),
                         STR_LIT("{\"type\":\"fanfare.unsubscribed\",\"cursor\":\"" CURSOR(
                             1) "\",\"data\":{\"channel\":\"b.*\",\"reason\":\"forbidden\"}}\n"
                                "{\"type\":\"fanfare.reply\",\"ref\":7,\"ok\":true,")),
              "%s", got);
    rig_publish(r, "b.x", "1");
    rig_publish(r, "a", "1");
    pass(r, 32);
    got = answers(NULL);
    cr_assert_eq(rig_count(got, "\n"), 2);
    has(got, "\"channel\":\"a\"");
    has(got, "{\"type\":\"fanfare.auth_expiring\",");
}

Test(token, permits_more)
{
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-c\"}", NULL, "forbidden");
    answers("{\"op\":\"token\",\"token\":\"good:ann:private-c\"}");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"private-c\"}", NULL,
          "{\"channel\":\"private-c\",\"cursor\":\"" CURSOR(0) "\"}");
}

/* The stream goes on with the old one, and ends with it. */
Test(token, refused)
{
    const struct grant *old = access_grant(session());

    is_error("{\"op\":\"token\",\"token\":\"bad\",\"ref\":1}", "1", "bad_token");
    is_error("{\"op\":\"token\",\"token\":\"\",\"ref\":1}", "1", "bad_token");
    auth.outcome = AUTH_EXPIRED;
    is_error("{\"op\":\"token\",\"token\":\"bad\",\"ref\":1}", "1", "token_expired");
    auth.outcome = AUTH_REVOKED;
    is_error("{\"op\":\"token\",\"token\":\"bad\",\"ref\":1}", "1", "revoked");
    auth.outcome = AUTH_UNKNOWN;
    is_error("{\"op\":\"token\",\"token\":\"bad\",\"ref\":1}", "1", "unknown_credential");
    has(answers("{\"op\":\"token\",\"token\":\"bad\",\"ref\":1}"), "\"message\":\"what is wrong\"");
    is_error("{\"op\":\"token\",\"token\":\"good:bob:a\",\"ref\":1}", "1", "other_user");
    is_error("{\"op\":\"token\",\"token\":\"good::a\",\"ref\":1}", "1", "other_user");
    cr_assert_eq(access_grant(session()), old);
    auth.checks = 0;
    is_error("{\"op\":\"token\",\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"token\",\"token\":1,\"ref\":1}", "1", "bad_request");
    is_error("{\"op\":\"token\",\"token\":\"good:ann:a\",\"x\":1,\"ref\":1}", "1", "bad_request");
    cr_assert_eq(auth.checks, 0);
    pass(r, 40020);
    has(answers(NULL), "\"expiresAt\":\"2027-01-15T08:01:40.000Z\"");
}

/* Looking at one costs far more than sending one. */
Test(token, too_many)
{
    auth.outcome = AUTH_FORGED;
    r->now = 1000300;
    for (unsigned i = 0; i < 20; i++) {
        is_error("{\"op\":\"token\",\"token\":\"bad\"}", NULL, "bad_token");
    }
    is_error("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}", "1", "rate_limited");
    has(answers("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}"),
        "\"},\"data\":{\"retryAfter\":700}}\n");
    cr_assert_eq(auth.checks, 20);
    r->now += 700;
    is_ok("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}", "1",
          "{\"expiresAt\":\"2027-01-15T08:10:00.000Z\"}");
}

static uint64_t waits;
static unsigned failed;

static uint64_t token_wait(void *ctx, const struct stream *s)
{
    cr_assert_eq(ctx, r);
    cr_assert_eq(s, session());
    return waits;
}

static void token_failed(void *ctx, const struct stream *s)
{
    cr_assert_eq(ctx, r);
    cr_assert_eq(s, session());
    failed++;
}

/* The address has its limit, too: what may have been a guess counts for it. */
Test(token, too_many_failures_of_the_address)
{
    static const struct {
        enum auth_outcome outcome;
        const char *code;
        unsigned failed;
    } cases[] = {{AUTH_FORGED, "bad_token", 1},
                 {AUTH_MALFORMED, "bad_token", 1},
                 {AUTH_UNKNOWN, "unknown_credential", 1},
                 {AUTH_EXPIRED, "token_expired", 0},
                 {AUTH_NOT_YET, "token_not_yet_valid", 0},
                 {AUTH_REVOKED, "revoked", 0}};

    r->env.hooks.token_wait = token_wait;
    r->env.hooks.token_failed = token_failed;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auth.outcome = cases[i].outcome;
        failed = 0;
        is_error("{\"op\":\"token\",\"token\":\"bad\"}", NULL, cases[i].code);
        cr_assert_eq(failed, cases[i].failed, "%s", cases[i].code);
    }
    is_error("{\"op\":\"token\",\"token\":\"good:bob:a\"}", NULL, "other_user");
    cr_assert_eq(failed, 0, "a good one");
    auth.checks = 0;
    waits = 700;
    is_error("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}", "1", "too_many_failures");
    has(answers("{\"op\":\"token\",\"token\":\"bad\",\"ref\":1}"),
        "\"},\"data\":{\"retryAfter\":700}}\n");
    cr_assert_eq(auth.checks + failed, 0);
    waits = 0;
    is_ok("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}", "1",
          "{\"expiresAt\":\"2027-01-15T08:10:00.000Z\"}");
}

Test(token, without_memory)
{
    struct strbuf out = STRBUF_INIT;

    auth.outcome = AUTH_NOMEM;
    wsc_text(&out, "{\"op\":\"token\",\"token\":\"bad\"}");
    rig_send(peer, out.data, out.len);
    strbuf_fini(&out);
    rig_turn(r);
    cr_assert(session()->ending);
}

/* The last event, then Close with its code, then nothing. */
static void ends_with(const char *event, unsigned code)
{
    struct strbuf in = STRBUF_INIT;
    struct wsc_got g;
    size_t at = 0;

    rig_turn(r);
    (void)rig_read_all(r, peer, &in);
    cr_assert(wsc_next(strbuf_str(&in), &at, &g));
    cr_assert_eq(g.opcode, 1);
    cr_assert(str_eqz(g.payload, event), "%.*s", (int)g.payload.len, g.payload.p);
    cr_assert(wsc_next(strbuf_str(&in), &at, &g));
    cr_assert_eq(g.opcode, 8);
    cr_assert_eq((unsigned)(uint8_t)g.payload.p[0] << 8 | (uint8_t)g.payload.p[1], code);
    cr_assert_eq(at, in.len);
    strbuf_fini(&in);
}

Test(token, expires)
{
    pass(r, 41000);
    (void)answers(NULL);
    pass(r, 64020);
    ends_with("{\"type\":\"fanfare.closing\",\"cursor\":\"" CURSOR(
                  0) "\",\"data\":{\"code\":\"expired\",\"reconnect\":true}}",
              4401);
}

Test(token, revoked)
{
    access_revoke(session());
    ends_with("{\"type\":\"fanfare.closing\",\"cursor\":\"" CURSOR(
                  0) "\",\"data\":{\"code\":\"revoked\",\"reconnect\":false}}",
              4403);
}

/* ---- channels ---- */

Test(token, forbidden_channels)
{
    const char *got;

    is_error("{\"op\":\"subscribe\",\"channel\":\"c\",\"ref\":1}", "1", "forbidden");
    is_error("{\"op\":\"subscribe\",\"channel\":\"b.>\",\"ref\":1}", "1", "forbidden");
    is_error("{\"op\":\"subscribe\",\"channel\":\">\",\"ref\":1}", "1", "forbidden");
    got = answers("{\"op\":\"subscribe\",\"channel\":\"private-x\"}");
    has(got, "\\\"private-x\\\" may not be subscribed to with this credential");
    cr_assert_eq(session()->member.names, 0);
    is_ok("{\"op\":\"subscribe\",\"channel\":\"b.x\"}", NULL,
          "{\"channel\":\"b.x\",\"cursor\":\"" CURSOR(0) "\"}");
}

Test(token, signed_channels)
{
    is_ok("{\"op\":\"subscribe\",\"channel\":\"private-x~~ok\",\"ref\":1}", "1",
          "{\"channel\":\"private-x\",\"cursor\":\"" CURSOR(0) "\"}");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"private-x~~ok\",\"ref\":1}", "1",
          "{\"channel\":\"private-x\",\"cursor\":\"" CURSOR(0) "\",\"already\":true}");
    answers("{\"op\":\"token\",\"token\":\"good:ann:none\"}");
    cr_assert(stream_has_name(session(), STR_LIT("private-x")), "renewal leaves it");
    is_ok("{\"op\":\"unsubscribe\",\"channel\":\"private-x\",\"ref\":1}", "1",
          "{\"channel\":\"private-x\"}");
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x\",\"ref\":1}", "1", "forbidden");
}

Test(token, badly_signed_channels)
{
    const char *got = answers("{\"op\":\"subscribe\",\"channel\":\"private-x~~no\"}");

    has(got, "\"message\":\"what is wrong with the signature\"");
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x~~no\"}", NULL, "bad_signature");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a~\"}", NULL, "bad_signature");
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x~1~ok\"}", NULL, "signature_expired");
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x.>~~ok\"}", NULL, "bad_signature");
    is_error("{\"op\":\"subscribe\",\"channel\":\"fanfare.x~~ok\"}", NULL, "reserved_channel");
    is_error("{\"op\":\"subscribe\",\"channel\":\"~~ok\"}", NULL, "bad_channel");
    is_error("{\"op\":\"unsubscribe\",\"channel\":\"a~~ok\"}", NULL, "not_subscribed");
    cr_assert_eq(session()->member.names, 0);
}

/* A signature that came over the limit is not remembered. */
Test(token, signed_channels_count)
{
    rig_set(r, "max-channels-per-client", "1");
    answers("{\"op\":\"subscribe\",\"channel\":\"a\"}");
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x~~ok\"}", NULL, "too_many_channels");
    answers("{\"op\":\"unsubscribe\",\"channel\":\"a\"}");
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x\"}", NULL, "forbidden");
}

Test(token_of_its_own, anonymous)
{
    begin(grant_of(GRANT_ANONYMOUS, 0));
    is_error("{\"op\":\"subscribe\",\"channel\":\"private-x\"}", NULL, "forbidden");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"x.>\"}", NULL,
          "{\"channel\":\"x.>\",\"cursor\":\"" CURSOR(0) "\"}");
    is_error("{\"op\":\"token\",\"token\":\"good:ann:a\"}", NULL, "other_user");
}

/* ---- other ops ---- */

Test(token_of_its_own, meta_of_the_credential)
{
    begin(token_with("ann", "a", 100, "{\"plan\":1}"));
    is_error("{\"op\":\"meta\",\"meta\":{\"a\":1},\"ref\":1}", "1", "not_permitted");
    cr_assert_str_eq(session()->meta, "{\"plan\":1}");
    answers("{\"op\":\"token\",\"token\":\"good:ann:a\"}");
    is_ok("{\"op\":\"meta\",\"meta\":{\"a\":1},\"ref\":1}", "1", "{}");
}

Test(token, publish_is_for_later)
{
    is_error("{\"op\":\"publish\",\"channel\":\"a\",\"data\":1,\"ref\":9}", "9", "not_permitted");
}

/* Open mode: no tokens, and '~' is in no name. */
Test(token_of_its_own, open_mode)
{
    start_as("ann");
    is_error("{\"op\":\"token\",\"token\":\"good:ann:a\",\"ref\":1}", "1", "not_permitted");
    is_error("{\"op\":\"subscribe\",\"channel\":\"a~~ok\"}", NULL, "bad_channel");
    is_ok("{\"op\":\"subscribe\",\"channel\":\"private-x\"}", NULL,
          "{\"channel\":\"private-x\",\"cursor\":\"" CURSOR(0) "\"}");
}
