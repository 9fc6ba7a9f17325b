#include "support_tls.h"

static struct options opt;
static struct tls_cert one, two, wild, ca;
static struct tls_ctx *ctx;
static struct errmsg why;

static void start(void)
{
    tls_folder();
    cr_assert_eq(options_init(&opt), 0);
    one = tls_simple("one", "one.example", "DNS:one.example", NULL);
    two = tls_simple("two", "two.example", "DNS:two.example,DNS:zwei.example", NULL);
    wild = tls_simple("wild", "any", "DNS:*.wild.example", NULL);
    ca = tls_simple("ca", "Staff CA", NULL, NULL);
    tls_add_pair(&opt, &one);
}

static void stop(void)
{
    tls_ctx_unref(ctx);
    tls_cert_fini(&one);
    tls_cert_fini(&two);
    tls_cert_fini(&wild);
    tls_cert_fini(&ca);
    options_fini(&opt);
    tls_remove_folder();
}

TestSuite(tls_ctx, .init = start, .fini = stop, .timeout = 60);

static void make(void)
{
    tls_ctx_unref(ctx);
    cr_assert_eq(tls_ctx_new(&opt, &ctx, &why), 0, "%s", why.text);
}

/* The common name of what the client is shown. */
static void shown(const char *asked, const char *want)
{
    struct tls_ends e = tls_pair_up(ctx, NULL);
    char cn[64] = "";

    if (asked) {
        SSL_set_tlsext_host_name(e.c, asked);
    }
    cr_assert_eq(tls_shake(&e), TLS_DONE, "%s", e.why.text);
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(e.c)), NID_commonName,
                              cn, sizeof(cn));
    cr_assert_str_eq(cn, want, "%s: %s, not %s", asked ? asked : "(none)", cn, want);
    tls_over(&e);
}

Test(tls_ctx, the_server_name_chooses)
{
    tls_add_pair(&opt, &two);
    tls_add_pair(&opt, &wild);
    make();
    shown(NULL, "one.example");
    shown("one.example", "one.example");
    shown("two.example", "two.example");
    shown("ZWEI.example", "two.example");
    shown("a.wild.example", "any");
    shown("a.b.wild.example", "one.example");
    shown("unknown.example", "one.example");
}

Test(tls_ctx, what_the_log_says)
{
    struct tls_cert_info info;
    struct tls_cert old = tls_make("old", "old.example", -1, NULL, NULL, -10);

    tls_add_pair(&opt, &two);
    tls_add_pair(&opt, &old);
    make();
    cr_assert_eq(tls_ctx_count(ctx), 3);
    tls_ctx_describe(ctx, 1, &info);
    cr_assert_str_eq(info.file, two.cert);
    cr_assert_str_eq(info.names, "two.example zwei.example");
    cr_assert_eq(strlen(info.until), 20);
    cr_assert_eq(info.until[19], 'Z');
    cr_assert_not(info.expired);
    tls_ctx_describe(ctx, 2, &info);
    cr_assert_str_eq(info.names, "old.example");
    cr_assert(info.expired);
    tls_cert_fini(&old);
}

static enum tls_step with_alpn(const char *protos, unsigned n, const char *want)
{
    struct tls_ends e = tls_pair_up(ctx, NULL);
    const unsigned char *got = NULL;
    unsigned len = 0;
    enum tls_step step;

    SSL_set_alpn_protos(e.c, (const unsigned char *)protos, n);
    step = tls_shake(&e);
    SSL_get0_alpn_selected(e.c, &got, &len);
    cr_assert_eq(len, strlen(want));
    cr_assert_eq(memcmp(got ? (const char *)got : "", want, len), 0);
    tls_over(&e);
    return step;
}

Test(tls_ctx, http_1_1_is_what_we_speak)
{
    make();
    cr_assert_eq(with_alpn("\x02h2\x08http/1.1", 12, "http/1.1"), TLS_DONE);
    cr_assert_eq(with_alpn("\x02h2", 3, ""), TLS_FAILED);
    cr_assert_eq(with_alpn("", 0, ""), TLS_DONE);
}

/* ---- files ---- */

static void refused(int code, const char *words)
{
    struct tls_ctx *c;

    why.text[0] = '\0';
    cr_assert_eq(tls_ctx_new(&opt, &c, &why), code, "%s", why.text);
    cr_assert_not_null(strstr(why.text, words), "%s", why.text);
    cr_assert_eq(ERR_peek_error(), 0);
}

static void again(const char *cert, const char *key)
{
    options_fini(&opt);
    cr_assert_eq(options_init(&opt), 0);
    tls_set(&opt, "tls-cert", cert);
    tls_set(&opt, "tls-key", key);
}

Test(tls_ctx, files_that_cannot_be_used)
{
    char empty[96], secret[96];
    FILE *f;

    snprintf(empty, sizeof(empty), "%s/empty", tls_dir);
    fclose(fopen(empty, "w"));
    cr_assert_eq(chmod(empty, 0600), 0);
    snprintf(secret, sizeof(secret), "%s/secret", tls_dir);
    f = fopen(secret, "w");
    cr_assert_eq(PEM_write_PrivateKey(f, one.key, EVP_aes_128_cbc(),
                                      (const unsigned char *)"password", 8, NULL, NULL),
                 1);
    fclose(f);
    cr_assert_eq(chmod(secret, 0600), 0);

    again("/nonexistent/x.crt", one.keyfile);
    refused(ERR_SYSTEM, "tls-cert \"/nonexistent/x.crt\": No such file");
    again(one.cert, "/nonexistent/x.key");
    refused(ERR_SYSTEM, "tls-key \"/nonexistent/x.key\": No such file");
    again(empty, one.keyfile);
    refused(ERR_INVALID, "tls-cert \"");
    again(one.cert, empty);
    refused(ERR_INVALID, "tls-key \"");
    again(one.cert, two.keyfile);
    refused(ERR_INVALID, "is not the key of tls-cert");
    again(one.cert, secret);
    refused(ERR_INVALID, "is encrypted; store it without a passphrase");
    again(one.cert, one.keyfile);
    tls_set(&opt, "tls-client-ca", empty);
    refused(ERR_INVALID, "tls-client-ca \"");
    tls_set(&opt, "tls-client-ca", "/nonexistent/ca");
    refused(ERR_SYSTEM, "tls-client-ca \"/nonexistent/ca\": No such file");
}

Test(tls_ctx, a_key_is_not_for_everybody)
{
    static const struct {
        mode_t mode;
        const char *words;
    } bad[] = {{0644, "everybody may read this file (mode 0644)"},
               {0604, "everybody may read this file (mode 0604)"},
               {0602, "everybody may write this file (mode 0602)"}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(chmod(one.keyfile, bad[i].mode), 0);
        refused(ERR_INVALID, bad[i].words);
        cr_assert_not_null(strstr(why.text, one.keyfile));
    }
    cr_assert_eq(chmod(one.keyfile, 0640), 0);
    make();
    tls_add_pair(&opt, &two);
    cr_assert_eq(chmod(two.keyfile, 0644), 0);
    refused(ERR_INVALID, two.keyfile);
}

/* ---- certificates of clients ---- */

static void with_ca(void)
{
    tls_set(&opt, "tls-client-ca", ca.cert);
    make();
}

/* A context of a client that shows the certificate. */
static SSL_CTX *showing(const struct tls_cert *c)
{
    SSL_CTX *client = tls_client_ctx();

    cr_assert_eq(SSL_CTX_use_certificate(client, c->x), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(client, c->key), 1);
    return client;
}

static enum tls_step shows(const struct tls_cert *c, char **name, int *rc)
{
    SSL_CTX *client = showing(c);
    struct tls_ends e = tls_pair_up(ctx, client);
    enum tls_step step = tls_shake(&e);

    *name = NULL;
    *rc = 0;
    if (step == TLS_DONE) {
        *rc = tls_session_certificate(e.s, name);
    }
    why = e.why;
    tls_over(&e);
    SSL_CTX_free(client);
    return step;
}

static void named(struct tls_cert c, int want, const char *name)
{
    char *got;
    int rc;

    cr_assert_eq(shows(&c, &got, &rc), TLS_DONE, "%s", why.text);
    cr_assert_eq(rc, want, "%s", name);
    cr_assert_str_eq(got ? got : "(none)", name);
    free(got);
    tls_cert_fini(&c);
}

static void unwelcome(struct tls_cert c, const char *reason)
{
    char *got;
    int rc;

    why.text[0] = '\0';
    cr_assert_eq(shows(&c, &got, &rc), TLS_FAILED);
    cr_assert_str_eq(why.text, reason);
    tls_cert_fini(&c);
}

Test(tls_ctx, a_certificate_is_optional)
{
    struct tls_ends e;
    char *name = NULL;

    with_ca();
    e = tls_pair_up(ctx, NULL);
    cr_assert_eq(tls_shake(&e), TLS_DONE);
    cr_assert_eq(tls_session_certificate(e.s, &name), 0);
    cr_assert_null(name);
    tls_over(&e);
}

Test(tls_ctx, names_of_clients)
{
    with_ca();
    named(tls_simple("b", "billing.internal", NULL, &ca), 0, "billing.internal");
    /* Who signs may have looked at the alternative names alone. */
    named(tls_simple("b", "billing.internal", "DNS:other", &ca), 0, "other");
    named(tls_simple("b", NULL, "DNS:shop.internal,DNS:other", &ca), 0, "shop.internal");
    named(tls_simple("b", NULL, NULL, &ca), ERR_INVALID, "(none)");
    named(tls_simple("b", "with space", NULL, &ca), ERR_INVALID, "(none)");
    /* A zero byte must not make one name of another. */
    named(tls_make("b", "billing.internal\0.evil", 22, NULL, &ca, 1000), ERR_INVALID, "(none)");
}

Test(tls_ctx, certificates_that_are_not_good)
{
    struct tls_cert other = tls_simple("other", "Staff CA", NULL, NULL);

    with_ca();
    unwelcome(tls_make("b", "billing", -1, NULL, &ca, -10),
              "client certificate: certificate has expired");
    unwelcome(tls_simple("b", "billing", NULL, &two),
              "client certificate: unable to get local issuer certificate");
    unwelcome(tls_simple("b", "billing", NULL, &other),
              "client certificate: certificate signature failure");
    unwelcome(tls_simple("b", "billing", NULL, NULL),
              "client certificate: self-signed certificate");
    tls_cert_fini(&other);
}

Test(tls_ctx, nobody_asks_for_one_without_a_ca)
{
    struct tls_cert c = tls_simple("b", "billing", NULL, NULL);
    char *name;
    int rc;

    make();
    cr_assert_eq(shows(&c, &name, &rc), TLS_DONE);
    cr_assert_null(name);
    tls_cert_fini(&c);
}

/* ---- resumption ---- */

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = s;
    return 1;
}

static struct tls_ends come_back(SSL_CTX *client, enum tls_step want)
{
    struct tls_ends e = tls_pair_up(ctx, client);

    if (kept) {
        SSL_set_session(e.c, kept);
    }
    cr_assert_eq(tls_shake(&e), want, "%s", e.why.text);
    return e;
}

static void resume(int version)
{
    struct tls_cert c = tls_make("b", "billing", -1, NULL, &ca, 2);
    SSL_CTX *client = showing(&c);
    struct tls_ends e;
    char *name;

    with_ca();
    SSL_CTX_set_max_proto_version(client, version);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client, keep);
    e = come_back(client, TLS_DONE);
    cr_assert_not(tls_session_resumed(e.s));
    tls_over(&e);
    cr_assert_not_null(kept, "a ticket");
    e = come_back(client, TLS_DONE);
    cr_assert(tls_session_resumed(e.s));
    cr_assert_eq(tls_session_certificate(e.s, &name), 0);
    cr_assert_str_eq(name, "billing", "the certificate of before");
    free(name);
    tls_over(&e);

    sleep(3);
    e = come_back(client, TLS_FAILED);
    cr_assert_str_eq(e.why.text, "client certificate: certificate has expired");
    tls_over(&e);

    make(); /* a reload: tickets of before are worth nothing */
    e = come_back(client, TLS_FAILED);
    cr_assert_not(tls_session_resumed(e.s));
    tls_over(&e);
    SSL_SESSION_free(kept);
    kept = NULL;
    SSL_CTX_free(client);
    tls_cert_fini(&c);
}

Test(tls_ctx, tickets_of_1_3)
{
    resume(TLS1_3_VERSION);
}

Test(tls_ctx, tickets_of_1_2)
{
    resume(TLS1_2_VERSION);
}

/* ---- reload ---- */

Test(tls_ctx, a_session_outlives_its_context)
{
    struct tls_ends e;
    char buf[8];

    make();
    e = tls_pair_up(ctx, NULL);
    cr_assert_eq(tls_shake(&e), TLS_DONE);
    tls_ctx_unref(ctx);
    ctx = NULL;
    cr_assert_eq(tls_put(&e, "still", 5), 5);
    cr_assert_eq(SSL_read(e.c, buf, sizeof(buf)), 5);
    tls_over(&e);
}
