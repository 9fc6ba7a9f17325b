#include "tls/ctx_private.h"

#include "tls/bio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Forward secrecy and authenticated encryption, nothing else (TLS 1.2). */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP"

/* How long a ticket resumes a session. */
#define TICKET_S 7200

/* ---- callbacks ---- */

/* Nobody is there to be asked. */
static int no_passphrase(char *buf, int size, int for_writing, void *user)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    *(bool *)user = true;
    return -1;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                       const unsigned char *in, unsigned inlen, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *found;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&found, outlen, ours, sizeof(ours) - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

/* The first certificate for the name that the client asks for; else it gets the first of all. */
static int choose_pair(SSL *ssl, int *alert, void *arg)
{
    const struct tls_ctx *c = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (unsigned i = 0; name && i < c->n; i++) {
        X509 *x = SSL_CTX_get0_certificate(c->pairs[i].ssl);
        if (X509_check_host(x, name, strlen(name), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) ==
            1) {
            if (i != 0 && !SSL_set_SSL_CTX(ssl, c->pairs[i].ssl)) {
                return SSL_TLSEXT_ERR_ALERT_FATAL;
            }
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* ---- reading files ---- */

static int fail(struct errmsg *why, const char *what, const char *file)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(e);
    int code = ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE ? ERR_NOMEM : ERR_INVALID;

    if (ERR_SYSTEM_ERROR(ERR_peek_error())) { /* the file itself: OpenSSL adds its own behind */
        reason = strerror(ERR_GET_REASON(ERR_peek_error()));
        code = ERR_SYSTEM;
    }
    code = errmsg_set(why, code, "%s \"%s\": %s", what, file, reason ? reason : "is not usable");
    ERR_clear_error();
    return code;
}

/* Like every file with a secret. What is not there, or is no file, OpenSSL will speak of. */
static int check_mode(const char *key, struct errmsg *why)
{
    struct stat st;

    if (stat(key, &st) != 0 || !S_ISREG(st.st_mode) || !(st.st_mode & (S_IROTH | S_IWOTH))) {
        return 0;
    }
    return errmsg_set(
        why, ERR_INVALID,
        "tls-key \"%s\": everybody may %s this file (mode %04o), and a private key is "
        "not for everybody; chmod o-rw, better 600, and let the gateway's user own it",
        key, st.st_mode & S_IROTH ? "read" : "write", (unsigned)st.st_mode & 07777);
}

static int load_pair(SSL_CTX *ssl, const char *cert, const char *key, struct errmsg *why)
{
    bool encrypted = false;

    if (check_mode(key, why) != 0) {
        return ERR_INVALID;
    }
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, &encrypted);
    if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1) {
        return fail(why, "tls-cert", cert);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1) {
        if (encrypted) {
            ERR_clear_error();
            return errmsg_set(why, ERR_INVALID,
                              "tls-key \"%s\" is encrypted; store it without a passphrase", key);
        }
        if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
            ERR_clear_error();
            return errmsg_set(why, ERR_INVALID, "tls-key \"%s\" is not the key of tls-cert \"%s\"",
                              key, cert);
        }
        return fail(why, "tls-key", key);
    }
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
    return 0;
}

static int load_client_ca(SSL_CTX *ssl, const char *file, struct errmsg *why)
{
    STACK_OF(X509_NAME) * names;

    ERR_clear_error();
    names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_file(ssl, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(why, "tls-client-ca", file);
    }
    SSL_CTX_set_client_CA_list(ssl, names);
    /* A client without a certificate is let in; one with a bad certificate is not. */
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(ssl, 8);
    return 0;
}

/* ---- making one ---- */

static int set_rules(SSL_CTX *ssl, const struct options *opt)
{
    static const unsigned char id[] = "fanfare";
    int min = opt->tls_min == 0 ? TLS1_2_VERSION : TLS1_3_VERSION; /* "1.2|1.3" */

    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1); /* one recv for many records */
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Tickets only: no table that clients could fill. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl, TICKET_S);
    SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(ssl, min) != 1 ||
        SSL_CTX_set_cipher_list(ssl, CIPHERS) != 1 || SSL_CTX_set_num_tickets(ssl, 1) != 1 ||
        SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1) != 1) {
        return ERR_NOMEM;
    }
    return 0;
}

static int make_pair(struct tls_ctx *c, const struct options *opt, unsigned i, struct errmsg *why)
{
    struct tls_pair *p = &c->pairs[i];
    int rc;

    p->ssl = SSL_CTX_new(TLS_server_method());
    p->file = strdup(opt->tls_cert.items[i]);
    c->n++;
    if (!p->ssl || !p->file || set_rules(p->ssl, opt) != 0) {
        ERR_clear_error();
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    rc = load_pair(p->ssl, opt->tls_cert.items[i], opt->tls_key.items[i], why);
    if (rc == 0 && opt->tls_client_ca && *opt->tls_client_ca) {
        rc = load_client_ca(p->ssl, opt->tls_client_ca, why);
    }
    return rc;
}

int tls_ctx_new(const struct options *opt, struct tls_ctx **out, struct errmsg *why)
{
    unsigned n = (unsigned)opt->tls_cert.n;
    struct tls_ctx *c;
    int rc = 0;

    if (n == 0 || n != opt->tls_key.n) {
        return errmsg_set(why, ERR_INVALID, "tls-cert and tls-key go in pairs: there are %u and %u",
                          n, (unsigned)opt->tls_key.n);
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    atomic_init(&c->refs, 1);
    c->bio = tls_bio_method();
    c->pairs = calloc(n, sizeof(*c->pairs));
    if (!c->bio || !c->pairs) {
        rc = errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    for (unsigned i = 0; rc == 0 && i < n; i++) {
        rc = make_pair(c, opt, i, why);
    }
    if (rc != 0) {
        tls_ctx_unref(c);
        return rc;
    }
    SSL_CTX_set_tlsext_servername_callback(c->pairs[0].ssl, choose_pair);
    SSL_CTX_set_tlsext_servername_arg(c->pairs[0].ssl, c);
    *out = c;
    return 0;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_ctx_unref(struct tls_ctx *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < c->n; i++) {
        SSL_CTX_free(c->pairs[i].ssl);
        free(c->pairs[i].file);
    }
    free(c->pairs);
    BIO_meth_free(c->bio);
    free(c);
}

/* ---- for the log ---- */

static void add_name(char *out, size_t size, const char *name, size_t len)
{
    size_t at = strlen(out);

    if (len == 0 || at + len + 3 > size) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~') {
            return;
        }
    }
    snprintf(out + at, size - at, "%s%.*s", at ? " " : "", (int)len, name);
}

static void add_names(const X509 *x, char *out, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    char cn[64];
    int n;

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS) {
            add_name(out, size, (const char *)ASN1_STRING_get0_data(g->d.dNSName),
                     (size_t)ASN1_STRING_length(g->d.dNSName));
        }
    }
    GENERAL_NAMES_free(names);
    if (!*out) {
        n = X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
        add_name(out, size, cn, n > 0 ? strlen(cn) : 0);
    }
}

unsigned tls_ctx_count(const struct tls_ctx *c)
{
    return c->n;
}

void tls_ctx_describe(const struct tls_ctx *c, unsigned i, struct tls_cert_info *out)
{
    const X509 *x = SSL_CTX_get0_certificate(c->pairs[i].ssl);
    struct tm tm;

    *out = (struct tls_cert_info){.file = c->pairs[i].file};
    add_names(x, out->names, sizeof(out->names));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1) {
        strftime(out->until, sizeof(out->until), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    out->expired = X509_cmp_current_time(X509_get0_notAfter(x)) < 0;
    ERR_clear_error();
}
