/* All sorts of credentials through the one door. */
#include "auth/auth.h"
#include "support_auth.h"

#include "auth/channel.h"
#include "auth/keyfile.h"
#include "base/clock.h"

#define API "an api key of no less than 32 chars"
#define API_KEY "api-key-of-no-less-than-32-characters"
#define TOKEN_SECRET "0123456789abcdef0123456789abcdef"
#define CHANNEL_SECRET "fedcba9876543210fedcba9876543210"

static struct options o;
static struct errmsg why;
static struct auth *a;
static char shop[KEYFILE_KEY_MAX];
static uint64_t now; /* real */

static void set(const char *name, const char *value)
{
    cr_assert_eq(options_set(&o, name, value, OPT_FROM_SET, &why), 0, "%s", why.text);
}

static void start(void)
{
    struct keyfile_info info = {.id = S("shop"),
                                .rights = RIGHT_READ,
                                .publish = S("orders.>"),
                                .nsecrets = 1,
                                .peer = S("4711"),
                                .certificate = S("billing")};
    dir_make();
    now = clock_real_ms();
    cr_assert_eq(options_init(&o), 0);
    cr_assert_eq(keyfile_add(in_dir("keys"), &info, shop, &why), 0, "%s", why.text);
}

static void stop(void)
{
    auth_free(a);
    a = NULL;
    options_fini(&o);
    dir_drop();
}

TestSuite(auth, .init = start, .fini = stop);

static void open_keyed(void)
{
    set("keys", in_dir("keys"));
    set("api-key", API_KEY);
    set("token-secret", TOKEN_SECRET);
    cr_assert_eq(auth_new(&o, &a, &why), 0, "%s", why.text);
}

/* Of what can be checked; the grant is kept until the next one. */
static struct grant *got;

static enum auth_outcome check(enum auth_place place, const char *text)
{
    grant_unref(got);
    got = NULL;
    strcpy(why.text, "");
    enum auth_outcome outcome = auth_check(a, place, str_of(text), now, &got, &why);
    cr_assert_eq(got != NULL, outcome == AUTH_OK);
    cr_assert(outcome == AUTH_OK || *why.text, "a sentence is missing");
    cr_assert(strlen(text) < 8 || !strstr(why.text, text), "a secret in the sentence");
    return outcome;
}

static char *token(const char *claims)
{
    static char *text;
    char spec[160];

    free(text);
    text = NULL;
    snprintf(spec, sizeof spec, "HS256=%s", put_file("hs", TOKEN_SECRET, 0600));
    cr_assert_eq(jwt_sign(spec, str_of(claims), &text, &why), 0, "%s", why.text);
    return text;
}

Test(auth, open_mode)
{
    struct grant *g = NULL;

    cr_assert_eq(auth_new(&o, &a, &why), 0, "%s", why.text);
    cr_assert(auth_is_open(a) && auth_takes_anonymous(a));
    cr_assert_eq(check(AUTH_NOWHERE, ""), AUTH_OK);
    cr_assert_eq(got, grant_open());
    cr_assert_eq(check(AUTH_HEADER, "whatever"), AUTH_OK);
    cr_assert_eq(got, grant_open());
    cr_assert_eq(check(AUTH_TICKET, "whatever"), AUTH_MALFORMED);
    cr_assert_eq(auth_recheck(a, grant_open(), now), AUTH_OK);
    cr_assert_eq(auth_check_uid(a, 0, now, &g), AUTH_UNKNOWN);
    cr_assert_eq(auth_check_certificate(a, S("x"), now, &g), AUTH_UNKNOWN);
    /* It cannot become the other, nor back. */
    set("api-key", API_KEY);
    cr_assert_eq(auth_reload(a, &o, &why), ERR_STATE);
    cr_assert_eq(check(AUTH_NOWHERE, ""), AUTH_OK);
    auth_free(a);
    cr_assert_eq(auth_new(&o, &a, &why), 0);
    set("api-key", "");
    cr_assert_eq(auth_reload(a, &o, &why), ERR_STATE);
    cr_assert_eq(check(AUTH_NOWHERE, ""), AUTH_MISSING);
}

Test(auth, anonymous)
{
    open_keyed();
    cr_assert(!auth_is_open(a) && !auth_takes_anonymous(a));
    cr_assert_eq(check(AUTH_NOWHERE, ""), AUTH_MISSING);
    set("anonymous", "yes");
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert(auth_takes_anonymous(a));
    cr_assert_eq(check(AUTH_NOWHERE, ""), AUTH_OK);
    cr_assert_eq(got->s.kind, GRANT_ANONYMOUS);
    cr_assert_eq(auth_recheck(a, got, now), AUTH_OK);
    /* Who has shown something bad is never anonymous. */
    struct grant *anonymous = grant_ref(got);
    cr_assert_eq(check(AUTH_HEADER, "a.b.c"), AUTH_MALFORMED);
    cr_assert_eq(check(AUTH_COOKIE, ""), AUTH_MALFORMED);
    set("anonymous", "no");
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_recheck(a, anonymous, now), AUTH_EXPIRED);
    grant_unref(anonymous);
}

/* Each sort in each place. */
Test(auth, places)
{
    char ticket[AUTH_TICKET_LEN + 1];
    uint64_t until;
    const struct grant_spec spec = {.kind = GRANT_CLIENT, .user = S("ann"), .issued_ms = now};
    struct grant *g = NULL;

    open_keyed();
    cr_assert_eq(grant_new(&spec, &g), 0);
    for (enum auth_place p = AUTH_HEADER; p <= AUTH_OP; p++) {
        bool header = p == AUTH_HEADER, in_ticket = p == AUTH_TICKET;
        enum auth_outcome bad = AUTH_MALFORMED;
        cr_assert_eq(auth_ticket_new(a, g, now, ticket, &until), 0);
        cr_expect_eq(check(p, API_KEY), header ? AUTH_OK : bad, "%s", auth_place_name(p));
        cr_expect_eq(check(p, shop), header ? AUTH_OK : bad, "%s", auth_place_name(p));
        cr_expect_eq(check(p, token("{\"sub\":\"ann\"}")), in_ticket ? bad : AUTH_OK);
        cr_expect(in_ticket || str_eq(got->s.user, S("ann")));
        cr_expect_eq(check(p, ticket), in_ticket ? AUTH_OK : header ? AUTH_UNKNOWN : bad);
        cr_expect_eq(check(p, "ffk_none_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                     header ? AUTH_UNKNOWN : bad);
        cr_expect_eq(check(p, ""), header ? AUTH_UNKNOWN : bad);
        cr_expect_eq(check(p, "words"), header ? AUTH_UNKNOWN : bad);
        cr_expect_eq(check(p, "a.b.c"), bad);
    }
    grant_unref(g);
    grant_unref(got);
}

Test(auth, keys)
{
    struct grant *g = NULL;

    open_keyed();
    cr_assert_eq(check(AUTH_HEADER, API_KEY), AUTH_OK);
    cr_assert(got->s.kind == GRANT_KEY && got->s.rights == RIGHT_ALL);
    cr_assert(str_eq(got->s.id, S("api-key")));
    cr_assert_eq(check(AUTH_HEADER, shop), AUTH_OK);
    cr_assert(str_eq(got->s.id, S("shop")) && got->s.rights == RIGHT_READ);
    cr_assert_eq(check(AUTH_HEADER, "api-key-of-no-less-than-32-characterS"), AUTH_UNKNOWN);
    cr_assert_eq(auth_check_uid(a, 4711, now, &g), AUTH_OK);
    cr_assert(str_eq(g->s.id, S("shop")));
    grant_unref(g);
    cr_assert_eq(auth_check_uid(a, 4712, now, &g), AUTH_UNKNOWN);
    cr_assert_null(g);
    cr_assert_eq(auth_check_certificate(a, S("billing"), now, &g), AUTH_OK);
    grant_unref(g);
    cr_assert_eq(auth_check_certificate(a, S("billin"), now, &g), AUTH_UNKNOWN);
}

Test(auth, keys_change)
{
    struct grant *by_api, *by_file, *by_uid = NULL;
    unsigned dropped;
    char next[KEYFILE_KEY_MAX];

    open_keyed();
    cr_assert_eq(check(AUTH_HEADER, API_KEY), AUTH_OK);
    by_api = grant_ref(got);
    cr_assert_eq(check(AUTH_HEADER, shop), AUTH_OK);
    by_file = grant_ref(got);
    cr_assert_eq(auth_check_uid(a, 4711, now, &by_uid), AUTH_OK);
    cr_assert_eq(keyfile_rotate(in_dir("keys"), S("shop"), next, &why), 0);
    cr_assert_eq(check(AUTH_HEADER, next), AUTH_UNKNOWN);
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(check(AUTH_HEADER, next), AUTH_OK);
    cr_assert_eq(check(AUTH_HEADER, shop), AUTH_OK);
    cr_assert_eq(auth_recheck(a, by_api, now), AUTH_OK);
    cr_assert_eq(auth_recheck(a, by_file, now), AUTH_OK);
    cr_assert_eq(keyfile_finish(in_dir("keys"), S("shop"), &dropped, &why), 0);
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(check(AUTH_HEADER, shop), AUTH_UNKNOWN);
    cr_assert_eq(auth_recheck(a, by_file, now), AUTH_UNKNOWN);
    cr_assert_eq(auth_recheck(a, by_uid, now), AUTH_OK);
    set("api-key", "another-api-key-of-at-least-32-chars");
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_recheck(a, by_api, now), AUTH_UNKNOWN);
    cr_assert_eq(check(AUTH_HEADER, API_KEY), AUTH_UNKNOWN);
    put_file("keys", "[shop]\npeer = 4711\n", 0600); /* not to read any more */
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_recheck(a, by_uid, now), AUTH_EXPIRED);
    /* A broken file changes nothing. */
    put_file("keys", "[shop]\npeer\n", 0600);
    cr_assert_eq(auth_reload(a, &o, &why), ERR_INVALID);
    cr_assert_eq(auth_recheck(a, by_uid, now), AUTH_EXPIRED);
    grant_unref(by_api);
    grant_unref(by_file);
    grant_unref(by_uid);
}

/* An entry of the file that is called as the api key is another key. */
Test(auth, a_key_called_api_key)
{
    struct keyfile_info info = {.id = S("api-key"), .nsecrets = 1};
    char key[KEYFILE_KEY_MAX];

    cr_assert_eq(keyfile_add(in_dir("keys"), &info, key, &why), 0);
    open_keyed();
    cr_assert_eq(check(AUTH_HEADER, key), AUTH_OK);
    cr_assert_eq(got->s.rights, 0);
    struct grant *g = grant_ref(got);
    cr_assert_eq(keyfile_revoke(in_dir("keys"), S("api-key"), &why), 0);
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_recheck(a, g, now), AUTH_UNKNOWN);
    grant_unref(g);
}

Test(auth, keys_expire)
{
    struct grant *g = NULL;

    put_file("keys", "[old]\npeer = 1\ncertificate = c\nexpires = 2001-01-01T00:00:00Z\n", 0600);
    open_keyed();
    cr_assert_eq(auth_check_uid(a, 1, now, &g), AUTH_EXPIRED);
    cr_assert_null(g);
    cr_assert_eq(auth_check_certificate(a, S("c"), now, &g), AUTH_EXPIRED);
    cr_assert_eq(auth_check_uid(a, 1, 978307199999, &g), AUTH_OK);
    cr_assert_eq(auth_recheck(a, g, 978307199999), AUTH_OK);
    cr_assert_eq(auth_recheck(a, g, 978307200000), AUTH_EXPIRED);
    grant_unref(g);
}

Test(auth, what_costs_a_signature)
{
#define DOTTED "an.api.key.of.no.less.than.32.characters"
    open_keyed();
    set("api-key", DOTTED);
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_not(auth_needs_signature(a, AUTH_HEADER, S(DOTTED)));
    cr_assert(auth_needs_signature(a, AUTH_HEADER, S(DOTTED "x")));
    cr_assert(auth_needs_signature(a, AUTH_QUERY, S(DOTTED)), "no place for a key");
    cr_assert(auth_needs_signature(a, AUTH_OP, S("a.b.c")));
    cr_assert_not(auth_needs_signature(a, AUTH_HEADER, S("abc")));
    cr_assert_not(auth_needs_signature(a, AUTH_HEADER, STR_NONE));
    cr_assert_not(auth_needs_signature(a, AUTH_HEADER, S("ffk_x_a.b.c")));
    cr_assert_not(auth_needs_signature(a, AUTH_TICKET, S("a.b.c")));
    cr_assert_not(auth_needs_signature(a, AUTH_NOWHERE, S("a.b.c")));
}

Test(auth, tokens_and_revocations)
{
    char claims[128];
    struct grant *g;

    open_keyed();
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"jti\":\"t1\",\"iat\":%llu,\"exp\":%llu}",
             (unsigned long long)now / 1000, (unsigned long long)now / 1000 + 60);
    cr_assert_eq(check(AUTH_HEADER, token(claims)), AUTH_OK, "%s", why.text);
    g = grant_ref(got);
    cr_assert_eq(auth_recheck(a, g, now), AUTH_OK);
    cr_assert_eq(auth_recheck(a, g, now + 90000 + 1000), AUTH_EXPIRED);
    cr_assert_eq(auth_revoke_token(a, S("t1"), now, now + 1000, &why), 0);
    cr_assert_eq(check(AUTH_HEADER, token(claims)), AUTH_REVOKED);
    cr_assert_eq(auth_recheck(a, g, now), AUTH_REVOKED);
    cr_assert_eq(auth_recheck(a, g, now + 1000), AUTH_OK);
    cr_assert_eq(auth_unrevoke_token(a, S("t1"), &why), 0);
    cr_assert_eq(auth_recheck(a, g, now), AUTH_OK);
    cr_assert_eq(auth_revoke_user(a, S("ann"), now, now + 1000, &why), 0);
    cr_assert_eq(check(AUTH_QUERY, token(claims)), AUTH_REVOKED);
    cr_assert_eq(check(AUTH_QUERY, token("{\"sub\":\"ann\"}")), AUTH_REVOKED);
    cr_assert_eq(check(AUTH_QUERY, token("{\"sub\":\"bob\"}")), AUTH_OK);
    snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"iat\":%llu}",
             (unsigned long long)now / 1000 + 1);
    cr_assert_eq(check(AUTH_QUERY, token(claims)), AUTH_OK, "issued after it: %s", why.text);
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_recheck(a, g, now), AUTH_REVOKED); /* a reload forgets none */
    cr_assert_eq(auth_unrevoke_user(a, S("ann"), &why), 0);
    cr_assert_eq(auth_unrevoke_user(a, S("ann"), &why), ERR_NOT_FOUND);
    grant_unref(g);
}

Test(auth, tickets)
{
    char ticket[AUTH_TICKET_LEN + 1];
    uint64_t until = 0;
    struct grant_spec spec = {.kind = GRANT_CLIENT, .user = S("ann"), .issued_ms = now};
    struct grant *g = NULL, *soon = NULL;

    set("max-tickets", "16");
    set("ticket-ttl", "10s");
    open_keyed();
    cr_assert_eq(grant_new(&spec, &g), 0);
    spec.until_ms = now;
    cr_assert_eq(grant_new(&spec, &soon), 0);
    cr_assert_eq(auth_ticket_new(a, g, now, ticket, &until), 0);
    cr_assert_eq(until, now + 10000);
    cr_assert_eq(auth_reload(a, &o, &why), 0); /* leaves them */
    cr_assert_eq(check(AUTH_TICKET, ticket), AUTH_OK);
    cr_assert_eq(got, g);
    cr_assert_eq(check(AUTH_TICKET, ticket), AUTH_UNKNOWN);
    cr_assert_eq(auth_ticket_return(a, str_of(ticket), g, now), 0);
    cr_assert_eq(check(AUTH_TICKET, ticket), AUTH_OK);
    cr_assert_eq(auth_ticket_new(a, soon, now, ticket, &until), 0);
    cr_assert_eq(check(AUTH_TICKET, ticket), AUTH_EXPIRED); /* what it stood for */
    cr_assert_eq(auth_ticket_new(a, g, now, ticket, &until), 0);
    cr_assert_eq(auth_revoke_user(a, S("ann"), now, now + 1000, &why), 0);
    cr_assert_eq(check(AUTH_TICKET, ticket), AUTH_REVOKED);
    for (int i = 0; i < 16; i++) {
        cr_assert_eq(auth_ticket_new(a, g, now, ticket, &until), 0);
    }
    cr_assert_eq(auth_ticket_new(a, g, now, ticket, &until), ERR_LIMIT);
    grant_unref(g);
    grant_unref(soon);
}

/* A ticket and its stream stand on the key that asked for it. */
Test(auth, tickets_of_a_key_that_goes)
{
    char ticket[2][AUTH_TICKET_LEN + 1], room[AUTH_BASIS_ROOM];
    const char *const issuers[] = {API_KEY, shop};
    struct grant *g = NULL;
    uint64_t until = 0;

    open_keyed();
    for (int i = 0; i < 2; i++) {
        struct grant_spec spec = {.kind = GRANT_CLIENT, .user = S("ann")};
        cr_assert_eq(check(AUTH_HEADER, issuers[i]), AUTH_OK);
        spec.basis = auth_ticket_basis(got, room);
        cr_assert_eq(grant_new(&spec, &g), 0);
        cr_assert_eq(auth_ticket_new(a, g, now, ticket[i], &until), 0);
        cr_assert_eq(auth_reload(a, &o, &why), 0);
        cr_assert_eq(check(AUTH_TICKET, ticket[i]), AUTH_OK);
        cr_assert_eq(auth_recheck(a, g, now), AUTH_OK);
        cr_assert_eq(auth_ticket_new(a, g, now, ticket[i], &until), 0);
        if (i == 0) {
            set("api-key", "another-api-key-of-at-least-32-chars");
        } else {
            put_file("keys", "[shop]\npeer = 4711\n", 0600);
        }
        cr_assert_eq(auth_reload(a, &o, &why), 0);
        cr_assert_eq(auth_recheck(a, g, now), AUTH_EXPIRED);
        cr_assert_eq(check(AUTH_TICKET, ticket[i]), AUTH_EXPIRED);
        grant_unref(g);
    }
}

Test(auth, without_token_keys)
{
    char *text = token("{}");

    set("api-key", API_KEY);
    cr_assert_eq(auth_new(&o, &a, &why), 0);
    cr_assert_eq(check(AUTH_HEADER, text), AUTH_UNKNOWN);
    cr_assert_eq(check(AUTH_QUERY, text), AUTH_UNKNOWN);
    cr_assert_eq(check(AUTH_HEADER, shop), AUTH_UNKNOWN);
}

Test(auth, long_credentials)
{
    char text[JWT_MAX + 2];

    open_keyed();
    memset(text, 'a', sizeof text);
    text[JWT_MAX + 1] = '\0';
    cr_assert_eq(check(AUTH_HEADER, text), AUTH_MALFORMED);
    cr_assert_eq(check(AUTH_COOKIE, text), AUTH_MALFORMED);
    cr_assert_eq(check(AUTH_TICKET, text), AUTH_MALFORMED);
}

Test(auth, bad_configuration)
{
    static const struct {
        const char *option, *value;
    } bad[] = {
        {"api-key", "thirty-one-characters-are-too-f"},
        {"api-key", "thirty-two characters with spaces"},
        {"channel-secret", "too short"},
        {"token-secret", "too short"},
        {"keys", "/nowhere/keys"},
        {"api-key-file", "/nowhere/key"},
        {"token-jwks", "/nowhere/jwks"},
        {"token-key", "HS256=/nowhere/hs"},
        {"revocations", "/nowhere/revocations"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options_fini(&o);
        cr_assert_eq(options_init(&o), 0);
        if (options_set(&o, bad[i].option, bad[i].value, OPT_FROM_SET, &why) != 0) {
            continue; /* refused at once: better still */
        }
        cr_expect_neq(auth_new(&o, &a, &why), 0, "%s", bad[i].option);
        cr_expect_null(a);
        cr_expect(*why.text && (*bad[i].value == '/' || !strstr(why.text, bad[i].value)), "%s",
                  why.text);
    }
}

Test(auth, secrets_from_files)
{
    set("api-key-file", put_file("api", API_KEY "\n", 0600));
    set("channel-secret-file", put_file("channel", CHANNEL_SECRET "\n", 0600));
    cr_assert_eq(auth_new(&o, &a, &why), 0, "%s", why.text);
    cr_assert_eq(check(AUTH_HEADER, API_KEY), AUTH_OK);
    set("api-key", "another-api-key-of-at-least-32-chars");
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(check(AUTH_HEADER, API_KEY), AUTH_OK);
    cr_assert_eq(check(AUTH_HEADER, "another-api-key-of-at-least-32-chars"), AUTH_OK);
    put_file("api", API_KEY "\n", 0644);
    cr_assert_eq(auth_reload(a, &o, &why), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "everybody may read"));
    put_file("api", API "\n", 0600); /* has spaces */
    cr_assert_eq(auth_reload(a, &o, &why), ERR_INVALID);
    cr_assert_eq(check(AUTH_HEADER, API_KEY), AUTH_OK);
}

Test(auth, channels)
{
    char *one = NULL, *two = NULL;
    struct str name;
    bool is_signed;

    cr_assert_eq(channel_sign(S(CHANNEL_SECRET), S("private-a"), 0, &one, &why), 0);
    cr_assert_eq(channel_sign(S(TOKEN_SECRET), S("private-a"), 0, &two, &why), 0);
    open_keyed();
    cr_assert_eq(auth_channel(a, S("a"), now, &name, &is_signed, &why), AUTH_OK);
    cr_assert_not(is_signed);
    cr_assert_eq(auth_channel(a, str_of(one), now, &name, &is_signed, &why), AUTH_UNKNOWN);
    set("channel-secret-file", put_file("channel", CHANNEL_SECRET, 0600));
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_channel(a, str_of(one), now, &name, &is_signed, &why), AUTH_OK);
    cr_assert_eq(auth_channel(a, str_of(two), now, &name, &is_signed, &why), AUTH_FORGED);
    set("channel-secret", TOKEN_SECRET); /* two: for rotation */
    cr_assert_eq(auth_reload(a, &o, &why), 0);
    cr_assert_eq(auth_channel(a, str_of(one), now, &name, &is_signed, &why), AUTH_OK);
    cr_assert_eq(auth_channel(a, str_of(two), now, &name, &is_signed, &why), AUTH_OK);
    free(one);
    free(two);
}

Test(auth, words)
{
    for (enum auth_outcome i = AUTH_OK; i <= AUTH_NOMEM; i++) {
        cr_assert(auth_outcome_code(i) && *auth_outcome_code(i));
    }
    for (enum auth_place i = AUTH_NOWHERE; i <= AUTH_OP; i++) {
        cr_assert(auth_place_name(i) && *auth_place_name(i));
    }
    cr_assert_str_eq(auth_outcome_code(AUTH_NOT_YET), "token_not_yet_valid");
    cr_assert_str_eq(auth_place_name(AUTH_SUBPROTOCOL), "subprotocol");
}
