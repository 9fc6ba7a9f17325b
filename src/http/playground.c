/* GET / and /room: the pages of the playground, with --demo. */
#include "http/request.h"

#include "http/playground_data.h"

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <stdio.h>

#define HASH_TEXT (BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1)

/* The hash of what stands between the tags, as a CSP source. */
static void hash_between(struct str page, const char *open, const char *close, char out[HASH_TEXT])
{
    const char *from = memmem(page.p, page.len, open, strlen(open));
    const char *to = NULL;
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];

    if (from) {
        from += strlen(open);
        to = memmem(from, (size_t)(page.p + page.len - from), close, strlen(close));
    }
    sha256_init(&ctx);
    if (to) {
        sha256_update(&ctx, (size_t)(to - from), (const uint8_t *)from);
    }
    sha256_digest(&ctx, sizeof(digest), digest);
    base64_encode_raw(out, sizeof(digest), digest);
    out[HASH_TEXT - 1] = '\0';
}

/* A page names the WebSocket path in a meta element: "/ws" unless changed. */
static void add_page(struct strbuf *out, struct str page, const char *ws_path)
{
    static const char tag[] = "name=\"fanfare-ws-path\" content=\"";
    const char *at = memmem(page.p, page.len, tag, sizeof(tag) - 1);
    size_t before;

    if (!at || strcmp(ws_path, "/ws") == 0) {
        strbuf_addstr(out, page);
        return;
    }
    before = (size_t)(at - page.p) + sizeof(tag) - 1;
    strbuf_add(out, page.p, before);
    strbuf_adds(out, ws_path); /* a checked path: nothing in it needs quoting */
    strbuf_add(out, page.p + before + 3, page.len - before - 3);
}

static enum MHD_Result respond_page(struct request *rq, struct str page)
{
    char script[HASH_TEXT], style[HASH_TEXT];
    char csp[400];
    struct MHD_Response *r;

    hash_between(page, "<script>", "</script>", script);
    hash_between(page, "<style>", "</style>", style);
    snprintf(csp, sizeof(csp),
             "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
             "connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             script, style);
    add_page(&rq->out, page, rq->srv->env->opt->ws_path);
    r = respond_buffer(&rq->out);
    if (!r) {
        return respond_nomem(rq);
    }
    respond_header(r, "Content-Type", "text/html; charset=utf-8");
    respond_header(r, "Content-Security-Policy", csp);
    respond_header(r, "Referrer-Policy", "no-referrer");
    respond_header(r, "X-Frame-Options", "DENY");
    respond_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    respond_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    respond_header(r, "Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    return respond_with(rq, 200, r);
}

enum MHD_Result get_playground(struct request *rq)
{
    return respond_page(rq, (struct str){(const char *)playground_html, playground_html_len});
}

enum MHD_Result get_room(struct request *rq)
{
    return respond_page(rq, (struct str){(const char *)room_html, room_html_len});
}
