/* One request with libcurl. */
#include "base/clock.h"
#include "hook/private.h"

#include <stdlib.h>
#include <string.h>

/* libcurl itself would take several hundred kilobytes of headers. */
#define HEAD_MAX 32768
/* How long certificates are not read again, seconds. */
#define CA_CACHE_S 60L

int transfer_config_init(struct transfer_config *c, const char *url, const char *secret,
                         const char *ca_file)
{
    c->url = strdup(url);
    c->secret = secret ? strdup(secret) : NULL;
    c->ca_file = ca_file ? strdup(ca_file) : NULL;
    return c->url && !c->secret == !secret && !c->ca_file == !ca_file ? 0 : ERR_NOMEM;
}

void transfer_config_fini(struct transfer_config *c)
{
    if (c->secret) {
        explicit_bzero(c->secret, strlen(c->secret));
    }
    free(c->secret);
    free(c->url);
    free(c->ca_file);
    *c = (struct transfer_config){NULL, NULL, NULL};
}

static size_t take_head(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    (void)data;
    t->head += size * n;
    t->too_long |= t->head > HEAD_MAX;
    return t->too_long ? 0 : size * n;
}

static size_t take_answer(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    n *= size;
    t->heard += n;
    if (t->heard > HOOK_ANSWER_MAX) {
        t->too_long = true;
        return 0;
    }
    if (t->deaf) {
        return n;
    }
    strbuf_add(&t->answer, data, n);
    return strbuf_failed(&t->answer) ? 0 : n;
}

static int add_header(struct transfer *t, const char *line)
{
    struct curl_slist *l = curl_slist_append(t->headers, line);

    if (!l) {
        return ERR_NOMEM;
    }
    t->headers = l;
    return 0;
}

static int add_headers(struct transfer *t, const char *secret)
{
    struct strbuf line = STRBUF_INIT;
    int rc = add_header(t, "Content-Type: application/json");

    if (rc == 0) {
        rc = add_header(t, "Expect:"); /* no round trip before a long cookie */
    }
    if (rc == 0 && secret) {
        strbuf_adds(&line, "Fanfare-Signature: ");
        question_sign(secret, clock_real_ms() / 1000, strbuf_str(&t->body), &line);
        rc = strbuf_failed(&line) ? ERR_NOMEM : add_header(t, line.data);
    }
    strbuf_fini(&line);
    return rc;
}

/* Zero if all was set: an option that counts for nothing might be one of safety. */
static unsigned set_target(CURL *e, const struct transfer_config *cfg)
{
    unsigned bad = curl_easy_setopt(e, CURLOPT_URL, cfg->url);

    bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(e, CURLOPT_PROXY, ""); /* the environment's is for others */
    bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name that is not found in time must not hold up the others, nor the end. */
    bad |= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
    if (cfg->ca_file) {
        bad |= curl_easy_setopt(e, CURLOPT_CAINFO, cfg->ca_file);
    }
#if LIBCURL_VERSION_NUM >= 0x075700
    bad |= curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S); /* the file may change */
#endif
    return bad;
}

static unsigned set_content(CURL *e, struct transfer *t)
{
    unsigned bad = curl_easy_setopt(e, CURLOPT_POST, 1L);

    bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body.data);
    bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)t->body.len);
    bad |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
    bad |= curl_easy_setopt(e, CURLOPT_USERAGENT, "fanfare");
    bad |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_head);
    bad |= curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_answer);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    return bad;
}

int transfer_begin(struct transfer *t, const struct transfer_config *cfg, uint64_t timeout_ms,
                   void *owner)
{
    unsigned bad;

    t->sent_ms = clock_real_ms();
    t->easy = curl_easy_init();
    if (!t->easy || add_headers(t, cfg->secret) != 0) {
        return ERR_NOMEM;
    }
    bad = set_target(t->easy, cfg);
    bad |= set_content(t->easy, t);
    bad |= curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    bad |= curl_easy_setopt(t->easy, CURLOPT_PRIVATE, owner);
    return bad ? ERR_NOMEM : 0;
}

void *transfer_owner(CURL *easy)
{
    char *owner = NULL;

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    return owner;
}

long transfer_status(const struct transfer *t, CURLcode code, struct errmsg *why)
{
    long status = 0;

    if (code != CURLE_OK && !(t->deaf && t->too_long)) {
        (void)errmsg_set(why, 0, "%s",
                         t->too_long ? "its answer is too long" : curl_easy_strerror(code));
        return 0;
    }
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

void transfer_read(struct transfer *t, CURLcode code, struct json_doc *doc, enum hook_event event,
                   const struct answer_limits *lim, struct reading *out)
{
    long status;

    *out = (struct reading){.answer.verdict = HOOK_UNAVAILABLE};
    status = transfer_status(t, code, &out->why);
    if (status == 0) {
        return;
    }
    answer_read(doc, event, status, strbuf_str(&t->answer), lim, t->sent_ms, out);
}

void transfer_fini(struct transfer *t)
{
    if (t->easy) {
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    if (t->body.data) { /* a cookie may be in it */
        explicit_bzero(t->body.data, t->body.len);
    }
    strbuf_fini(&t->body);
    strbuf_fini(&t->answer);
}
