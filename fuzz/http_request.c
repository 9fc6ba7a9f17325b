/* http: requests as bytes on a connection, in pieces, through libmicrohttpd and all
 * that lies behind: targets and queries, streams with their positions, handshakes,
 * Host and Origin, bodies. Every answer is whole HTTP with JSON, events or frames
 * in it, and every place, body and visit is given back.
 *
 * Input: a byte for the size of pieces, one of flags, then what is sent. With the flag 16 there is
 * a stream of the user ann besides, and "@KEY" is sent as its client's key. */
#include "support_http.h"

#include "http_read.h"

#define MAX_BYTES 8192

static struct json_doc *doc;

static void configure(uint8_t flags)
{
    rig_set(http.r, "history", flags & 1 ? "8" : "0");
    rig_set(http.r, "max-body", flags & 2 ? "64k" : "1k");
    rig_set(http.r, "max-message", flags & 2 ? "64k" : "1k");
    rig_set(http.r, "max-batch", "5");
    rig_set(http.r, "max-channels-per-client", "3");
    rig_set(http.r, "allow-origin", "https://shop.example");
    http.shared.detach = !(flags & 4);
    http.peer_kind = flags & 8 ? PEER_UNIX : PEER_INET;
}

/* In pieces, for as long as the server takes them. True at the connection's end. */
static bool put(int fd, struct str bytes, size_t piece, struct strbuf *got)
{
    bool end = false;

    for (unsigned stuck = 0; bytes.len && !end && stuck < 50; stuck++) {
        size_t n = piece && piece < bytes.len ? piece : bytes.len;
        ssize_t sent = send(fd, bytes.p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.p += sent;
            bytes.len -= (size_t)sent;
            stuck = 0;
        } else if (errno != EAGAIN) {
            break;
        }
        http_turn();
        end = rig_read(fd, got);
    }
    return end;
}

/* A stream of ann's; the key is for what is sent. */
static int stream_of_ann(struct str bytes, struct strbuf *out)
{
    char key[CLIENT_KEY_LEN + 2], *text;
    int fd = http_stream("/events?userId=ann&channel=a&channel=presence-a&reads=true", "", &text);

    http_member(text, "clientKey", key, sizeof(key));
    free(text);
    while (bytes.len) {
        bool here = str_starts(bytes, STR_LIT("@KEY"));
        size_t n = here ? 4 : 1;
        strbuf_add(out, here ? key : bytes.p, here ? CLIENT_KEY_LEN : 1);
        bytes.p += n;
        bytes.len -= n;
    }
    return fd;
}

static bool has(struct str s, const char *text)
{
    return s.len && memmem(s.p, s.len, text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size < MAX_BYTES ? size : MAX_BYTES};
    size_t piece = fuzz_byte(&in);
    uint8_t flags = fuzz_byte(&in);
    struct str bytes = fuzz_rest(&in);
    struct strbuf got = STRBUF_INIT, sent = STRBUF_INIT, seen = STRBUF_INIT;
    int ann = -1;

    if (!doc) {
        FUZZ_CHECK(json_doc_new(&doc) == 0);
    }
    http_start();
    configure(flags);
    (void)rig_publish(http.r, "a", "{\"n\":1}");
    if (flags & 16) {
        ann = stream_of_ann(bytes, &sent);
        bytes = strbuf_str(&sent);
    }
    int fd = http_connect();
    if (!put(fd, bytes, piece, &got)) {
        (void)rig_publish(http.r, "a", "{\"n\":2}");
        (void)http_read(fd, &got);
    }
    answers_check(doc, strbuf_str(&got), has(bytes, "HEAD"));
    close(fd);
    if (ann >= 0) {
        (void)http_read(ann, &seen);
        answer_events(doc, strbuf_str(&seen));
        close(ann);
    }
    http_stop();
    strbuf_fini(&got);
    strbuf_fini(&sent);
    strbuf_fini(&seen);
    return 0;
}
