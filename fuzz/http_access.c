/* http with keys configured: credentials wherever they may stand, cookies, proxies'
 * headers, tickets, revocations, signed channels. Who shows none of the secrets
 * below gets nothing but what is for anybody.
 *
 * Input: a byte of flags, then requests as they are sent. The key, the token (of
 * ann, for the channels a and b.*) and a signed name stand in the dictionary. */
#include "support_http.h"

#include "auth/auth.h"
#include "http_read.h"

#define MAX_BYTES 8192
#define API_KEY "backend-key-0123456789abcdefghij"
#define TOKEN_SECRET "0123456789abcdef0123456789abcdef"
#define CHANNEL_SECRET "channel-secret-0123456789abcdefg"

static struct json_doc *doc;

static void configure(uint8_t flags)
{
    static char ten[] = "10.0.0.0/8", loopback[] = "127.0.0.0/8";
    char *proxies[] = {ten, loopback};
    struct errmsg why = {""};

    rig_set(http.r, "api-key", API_KEY);
    rig_set(http.r, "token-secret", TOKEN_SECRET);
    rig_set(http.r, "channel-secret", CHANNEL_SECRET);
    rig_set(http.r, "token-cookie", "token");
    rig_set(http.r, "allow-origin", flags & 1 ? "*" : "https://shop.example");
    rig_set(http.r, "anonymous", flags & 2 ? "yes" : "no");
    rig_set(http.r, "history", "4");
    rig_set(http.r, "max-message", "1k");
    FUZZ_CHECK(auth_new(&http.r->opt, &http.shared.auth, &why) == 0, "%s", why.text);
    http.srv.ws.auth = http.shared.auth;
    http.shared.detach = !(flags & 8);
    if (flags & 4) {
        FUZZ_CHECK(cidr_set_make(proxies, 2, &http.srv.proxies) == 0);
    }
}

static bool has(struct str s, const char *text)
{
    return s.len && memmem(s.p, s.len, text, strlen(text));
}

/* Nothing in it could be one of the secrets, a ticket, or what is open to anybody. */
static bool shows_nothing(struct str s)
{
    static const char *const parts[] = {"backend-key", "eyJ", "fft_",   "/health", "/ready",
                                        "OPTIONS",     "%",   "GET / ", "GET /?",  "HEAD / "};

    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (has(s, parts[i])) {
            return false;
        }
    }
    return true;
}

/* No status below 400 in any head: without a secret all is refused. */
static void check_refused(struct str s)
{
    struct answer a;

    while (s.len && answer_head(&s, &a)) {
        FUZZ_CHECK(a.status >= 400 || a.status == 100, "%d without a credential", a.status);
        if (a.status >= 400 && (!a.has_length || a.length > s.len || a.type.len == 0)) {
            return;
        }
        s.p += a.status == 100 ? 0 : a.length;
        s.len -= a.status == 100 ? 0 : a.length;
    }
}

static void send_all(int fd, struct str bytes, struct strbuf *got)
{
    for (unsigned stuck = 0; bytes.len && stuck < 50; stuck++) {
        ssize_t sent = send(fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            break;
        }
        bytes.p += sent > 0 ? sent : 0;
        bytes.len -= sent > 0 ? (size_t)sent : 0;
        http_turn();
        (void)rig_read(fd, got);
    }
    (void)http_read(fd, got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size < MAX_BYTES ? size : MAX_BYTES};
    uint8_t flags = fuzz_byte(&in);
    struct str bytes = fuzz_rest(&in);
    struct strbuf got = STRBUF_INIT;

    if (!doc) {
        FUZZ_CHECK(json_doc_new(&doc) == 0);
    }
    http_start();
    configure(flags);
    (void)rig_publish(http.r, "a", "1");
    int fd = http_connect();
    send_all(fd, bytes, &got);
    (void)rig_publish(http.r, "a", "\"for a\"");
    (void)rig_publish(http.r, "private-c", "\"hidden\"");
    (void)http_read(fd, &got);
    answers_check(doc, strbuf_str(&got), has(bytes, "HEAD"));
    if (!(flags & 2) && !has(bytes, "HEAD") && shows_nothing(bytes)) {
        check_refused(strbuf_str(&got));
    }
    FUZZ_CHECK(!has(strbuf_str(&got), "\"hidden\"") || has(bytes, API_KEY), "a private message");
    FUZZ_CHECK(has(bytes, TOKEN_SECRET) || !has(strbuf_str(&got), TOKEN_SECRET), "a secret");
    FUZZ_CHECK(has(bytes, CHANNEL_SECRET) || !has(strbuf_str(&got), CHANNEL_SECRET), "a secret");
    close(fd);
    struct auth *auth = http.shared.auth;
    http_stop();
    auth_free(auth);
    strbuf_fini(&got);
    return 0;
}
