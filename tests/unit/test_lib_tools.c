/* The tools for keys and tokens as a program calls them; also without memory. */
#include "support_gateway.h"
/* Seen by the C library and OpenSSL too. */
#pragma GCC visibility push(default)
#include "test_core_nomem.h"
#pragma GCC visibility pop

#include <fcntl.h>
#include <sys/stat.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1800000000u

static char dir[] = "/tmp/fanfare-tools-XXXXXX";
static char keys[64], secret[64], hs[80];
static struct fanfare_why why;

static void start(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(keys, sizeof(keys), "%s/keys", dir);
    snprintf(secret, sizeof(secret), "%s/secret", dir);
    snprintf(hs, sizeof(hs), "HS256=%s", secret);
    int fd = open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(write(fd, SECRET "\n", sizeof(SECRET)), (ssize_t)sizeof(SECRET));
    close(fd);
    why.text[0] = '\0';
}

static void stop(void)
{
    (void)unlink(keys);
    (void)unlink(secret);
    cr_assert_eq(rmdir(dir), 0, "something is left in %s", dir);
}

TestSuite(tools, .init = start, .fini = stop, .timeout = 120);

static struct fanfare_options *options(void)
{
    struct fanfare_options *o;

    cr_assert_eq(fanfare_options_new(&o), 0);
    cr_assert_eq(fanfare_options_set(o, "token-key", hs, &why), 0, "%s", why.text);
    return o;
}

static void count(const struct fanfare_key *k, void *user)
{
    cr_assert_eq(k->size, sizeof(*k));
    cr_assert_str_eq(k->id, "a");
    cr_assert_str_eq(k->publish, "x, y.>");
    cr_assert_eq(k->rights, FANFARE_RIGHT_READ | FANFARE_RIGHT_USERS);
    cr_assert_eq(k->expires, 1900000000u);
    cr_assert_null(k->certificate);
    cr_assert_str_eq(k->peer, "1");
    *(unsigned *)user += k->secrets;
}

static const struct fanfare_key key_a = {.size = sizeof(key_a),
                                         .id = "a",
                                         .publish = "x, y.>",
                                         .peer = "1",
                                         .expires = 1900000000,
                                         .rights = FANFARE_RIGHT_READ | FANFARE_RIGHT_USERS,
                                         .secrets = 1};

Test(tools, a_key_from_beginning_to_end)
{
    char *first = NULL, *second = NULL;
    unsigned secrets = 0, dropped = 9;

    cr_assert_eq(fanfare_key_add(keys, &key_a, &first, &why), 0, "%s", why.text);
    cr_assert(strncmp(first, "ffk_a_", 6) == 0 && strlen(first) == 49);
    cr_assert_eq(fanfare_key_rotate(keys, "a", &second, NULL), 0);
    cr_assert_str_neq(first, second);
    cr_assert_eq(fanfare_key_list(keys, count, &secrets, NULL), 0);
    cr_assert_eq(secrets, 2);
    cr_assert_eq(fanfare_key_finish(keys, "a", &dropped, NULL), 0);
    cr_assert_eq(dropped, 1);
    fanfare_secret_free(first);
    fanfare_secret_free(second);
    fanfare_secret_free(NULL);
    cr_assert_eq(fanfare_key_revoke(keys, "a", NULL), 0);
    cr_assert_eq(fanfare_key_revoke(keys, "a", &why), FANFARE_ERR_NOT_FOUND);
    cr_assert_eq(fanfare_key_rotate(keys, "a", &second, NULL), FANFARE_ERR_NOT_FOUND);
    cr_assert_null(second);
}

Test(tools, keys_that_are_none)
{
    struct fanfare_key k = key_a;
    char *text = (char *)1;

    k.size = 0;
    cr_assert_eq(fanfare_key_add(keys, &k, &text, &why), FANFARE_ERR_INVALID);
    cr_assert_null(text);
    k = key_a;
    k.id = NULL;
    cr_assert_eq(fanfare_key_add(keys, &k, &text, NULL), FANFARE_ERR_INVALID);
    k = key_a;
    k.expires = UINT64_MAX;
    cr_assert_eq(fanfare_key_add(keys, &k, &text, &why), FANFARE_ERR_RANGE);
    k = key_a;
    k.secrets = 2;
    cr_assert_neq(fanfare_key_add(keys, &k, &text, &why), 0);
    cr_assert_null(text);
    k = key_a;
    k.secrets = 0; /* the peer is enough */
    cr_assert_eq(fanfare_key_add(keys, &k, &text, &why), 0, "%s", why.text);
    cr_assert_null(text);
}

static const char *const names[] = {"b.>", "c"};

static struct fanfare_claims claims(void)
{
    return (struct fanfare_claims){.size = sizeof(struct fanfare_claims),
                                   .user = "ann",
                                   .id = "auto",
                                   .meta = "{\"a\":1}",
                                   .info = "[1.0]",
                                   .more = "{\"x\":{\"y\":null}}",
                                   .channels = {names, 2},
                                   .publish = {names, 1},
                                   .issued = NOW,
                                   .not_before = NOW,
                                   .expires = NOW + 60};
}

Test(tools, a_token_there_and_back)
{
    struct fanfare_options *o = options();
    struct fanfare_claims c = claims();
    struct fanfare_token_report r = {.size = sizeof(r)};
    char *token;

    cr_assert_eq(fanfare_token_sign(hs, &c, &token, &why), 0, "%s", why.text);
    cr_assert_eq(fanfare_token_check(o, token, NOW + 1, &r, &why), 0, "%s", why.text);
    cr_assert(r.valid, "%s", why.text);
    cr_assert_str_eq(r.code, "");
    cr_assert_str_eq(r.user, "ann");
    cr_assert_str_eq(r.channels, "b.>, c");
    cr_assert_str_eq(r.publish, "b.>");
    cr_assert_str_eq(r.key, hs);
    cr_assert(r.issued == NOW && r.not_before == NOW && r.expires == NOW + 60);
    cr_assert_not_null(strstr(r.claims, "\"x\":{\"y\":null}"));
    fanfare_token_report_free(&r);
    cr_assert_null(r.claims);

    cr_assert_eq(fanfare_token_check(o, token, NOW + 3600, &r, &why), 0);
    cr_assert(!r.valid);
    cr_assert_str_eq(r.code, "token_expired");
    cr_assert_str_eq(r.key, hs);
    cr_assert_null(r.user);
    fanfare_token_report_free(&r);
    fanfare_token_report_free(&r);

    r.size = 4;
    cr_assert_eq(fanfare_token_check(o, token, NOW, &r, &why), FANFARE_ERR_INVALID);
    r.size = sizeof(r);
    cr_assert_eq(fanfare_token_check(o, "", NOW, &r, NULL), 0);
    cr_assert_str_eq(r.code, "bad_token");
    fanfare_token_report_free(&r);
    fanfare_secret_free(token);
    fanfare_options_free(o);
}

Test(tools, odd_times_are_no_times)
{
    static const char *const odd[] = {"{\"exp\":-5}", "{\"exp\":1e300}", "{\"exp\":\"1\"}",
                                      "{\"exp\":[1]}", "{\"exp\":0.5}"};
    struct fanfare_options *o = options();

    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct fanfare_claims c = {.size = sizeof(c), .more = odd[i]};
        struct fanfare_token_report r = {.size = sizeof(r)};
        char *token;
        cr_assert_eq(fanfare_token_sign(hs, &c, &token, &why), 0, "%s", why.text);
        cr_assert_eq(fanfare_token_check(o, token, NOW, &r, &why), 0);
        cr_assert_eq(r.expires, 0, "%s", odd[i]);
        fanfare_token_report_free(&r);
        fanfare_secret_free(token);
    }
    fanfare_options_free(o);
}

Test(tools, claims_that_are_none)
{
    const struct {
        struct fanfare_claims c;
        int rc;
    } bad[] = {
        {{.size = 0}, FANFARE_ERR_INVALID},
        {{.size = sizeof(struct fanfare_claims), .user = "\xff"}, FANFARE_ERR_INVALID},
        {{.size = sizeof(struct fanfare_claims), .issuer = "a\nb"}, FANFARE_ERR_INVALID},
        {{.size = sizeof(struct fanfare_claims), .expires = UINT64_MAX}, FANFARE_ERR_RANGE},
        {{.size = sizeof(struct fanfare_claims), .meta = "[]"}, FANFARE_ERR_INVALID},
        {{.size = sizeof(struct fanfare_claims), .more = "{\"sub\":1}", .user = "x"},
         FANFARE_ERR_INVALID},
    };
    char *token = (char *)1;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_eq(fanfare_token_sign(hs, &bad[i].c, &token, &why), bad[i].rc, "%zu", i);
        cr_assert_null(token);
    }
}

Test(tools, a_signed_channel)
{
    char *text;

    cr_assert_eq(fanfare_channel_sign(secret, "a", 0, &text, &why), 0, "%s", why.text);
    cr_assert(strncmp(text, "a~~", 3) == 0 && strlen(text) == 46);
    fanfare_secret_free(text);
    cr_assert_neq(fanfare_channel_sign(keys, "a", 0, &text, NULL), 0);
    cr_assert_null(text);
}

Test(tools, the_text_of_options)
{
    struct fanfare_options *o = options();

    cr_assert_str_eq(fanfare_options_text(o, "user"), "");
    cr_assert_eq(fanfare_options_set(o, "user", "www-data", NULL), 0);
    cr_assert_str_eq(fanfare_options_text(o, "user"), "www-data");
    for (const char *const *name =
             (const char *const[]){"listen", "max-body", "api-key", "nonsense", "demo", NULL};
         *name; name++) {
        cr_assert_null(fanfare_options_text(o, *name), "%s", *name);
    }
    fanfare_options_free(o);
}

/* ---- listening before the start ---- */

Test(tools, who_connects_meanwhile_is_served_after_the_start)
{
    struct fanfare *gw = gw_new(gw_options());

    cr_assert_null(fanfare_url(gw, 0));
    cr_assert_eq(fanfare_listen(gw, &why), 0, "%s", why.text);
    cr_assert_not_null(fanfare_url(gw, 0));
    cr_assert_eq(fanfare_listen(gw, &why), FANFARE_ERR_STATE);

    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    to.sin_port = htons((uint16_t)atoi(strrchr(fanfare_url(gw, 0), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    const char ask[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    cr_assert_eq(write(fd, ask, sizeof(ask) - 1), (ssize_t)sizeof(ask) - 1);
    cr_assert_eq(fanfare_start(gw, &why), 0, "%s", why.text);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char answer[16] = "";
    cr_assert_eq(poll(&p, 1, GW_DEADLINE_MS), 1);
    cr_assert_gt(read(fd, answer, sizeof(answer) - 1), 0);
    cr_assert_str_eq(answer, "HTTP/1.1 200 OK");
    close(fd);
    fanfare_free(gw);
}

Test(tools, listening_is_not_all_of_it)
{
    struct fanfare *gw = gw_new(gw_options());

    cr_assert_eq(fanfare_listen(gw, &why), 0);
    cr_assert_neq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0);
    fanfare_stop(gw);
    cr_assert_neq(fanfare_start(gw, &why), 0);
    fanfare_free(gw);
}

/* ---- without memory ---- */

static struct fanfare_options *tried;
static char *token_text;

static int try_sign(void)
{
    struct fanfare_claims c = claims();
    char *token;
    int rc = fanfare_token_sign(hs, &c, &token, &why);

    cr_assert_eq(rc == 0, token != NULL);
    fanfare_secret_free(token);
    return rc;
}

static int try_check(void)
{
    struct fanfare_token_report r = {.size = sizeof(r)};
    int rc = fanfare_token_check(tried, token_text, NOW, &r, &why);
    bool valid = r.valid;

    fanfare_token_report_free(&r);
    return rc == 0 && !valid ? FANFARE_ERR_NOMEM : rc;
}

static int try_key(void)
{
    unsigned secrets = 0;
    char *text = NULL;
    int rc = fanfare_key_add(keys, &key_a, &text, &why);

    cr_assert_eq(rc == 0, text != NULL);
    fanfare_secret_free(text);
    if (rc == 0) {
        rc = fanfare_key_list(keys, count, &secrets, &why);
    }
    (void)unlink(keys);
    return rc;
}

static int try_channel(void)
{
    char *text;
    int rc = fanfare_channel_sign(secret, "a", NOW, &text, &why);

    cr_assert_eq(rc == 0, text != NULL);
    fanfare_secret_free(text);
    return rc;
}

Test(tools, each_allocation_may_fail)
{
    int (*const all[])(void) = {try_sign, try_check, try_key, try_channel};
    struct fanfare_claims c = claims();

    nomem_ready();
    tried = options();
    cr_assert_eq(fanfare_token_sign(hs, &c, &token_text, &why), 0);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        cr_assert_eq(all[i](), 0, "%zu: %s", i, why.text); /* what libraries keep for ever */
        bool failed = true;
        int rc = 1;
        for (int n = 0; failed; n++) {
            long before = live;
            why.text[0] = '\0';
            left = n;
            rc = all[i]();
            failed = left < 0;
            left = -1;
            cr_assert(rc == 0 || *why.text, "%zu: %d: %d", i, n, rc);
            cr_assert_eq(live, before, "%zu: %d: %ld blocks are left", i, n, live - before);
        }
        cr_assert_eq(rc, 0, "%zu: %s", i, why.text);
    }
    fanfare_secret_free(token_text);
    fanfare_options_free(tried);
}
