/* ws/session and ops: a whole WebSocket client on a stream, over a socketpair.
 * Whatever it sends, all that comes back are whole frames of JSON in UTF-8, at
 * most one Close, and nothing behind that; and all memory is given back.
 *
 * Input: a byte of flags, then steps, each a letter with what belongs to it:
 *   o TEXT LF       an op: a masked text frame
 *   f B TEXT LF     a masked frame with the first byte B
 *   r N BYTES       N bytes as they are
 *   c N             what follows goes out in pieces of N bytes, 0: whole
 *   p C             a message is published to the channel C, a letter
 *   u               a message is published to the user
 *   t N             N tenths of a second go by
 *   any other byte  a turn of the loop
 *
 * With the flag 16 it holds a token for the channels a and b.*, and nothing that it
 * can say (the dictionary has more such tokens, and a signed name of b) gets it a
 * message of c or d. */
#include "support_rig.h"

#include "auth/auth.h"
#include "support_wsclient.h"
#include "ws/session.h"

struct run {
    struct rig *r;
    struct ws_shard shard;
    struct json_doc *doc;
    struct strbuf got;
    size_t at; /* of got, read so far */
    int peer;
    size_t piece;
    bool closed, ended;
    struct auth *auth; /* NULL: open mode */
};

/* The server's frames so far; what is not whole waits for more. */
static bool next_frame(struct run *x, struct wsc_got *out)
{
    const uint8_t *p = (const uint8_t *)x->got.data + x->at;
    size_t left = x->got.len - x->at;
    size_t head = left < 2 ? 2 : p[1] == 126 ? 4 : p[1] == 127 ? 10 : 2;
    uint64_t n = 0;

    if (left < head) {
        return false;
    }
    n = head == 2 ? p[1] & 0x7f : 0;
    for (size_t i = 2; i < head; i++) {
        n = n << 8 | p[i];
    }
    return left - head >= n && wsc_next(strbuf_str(&x->got), &x->at, out);
}

static void check_text(struct run *x, struct str text)
{
    const struct json_limits lim = {.max_depth = 80, .tree_depth = 2, .max_nodes = 1000};
    const struct json_node *root, *type;
    struct json_error err;

    FUZZ_CHECK(json_parse(x->doc, text, &lim, &root, &err) == 0, "%s: %.*s", err.text,
               FUZZ_STR(text));
    FUZZ_CHECK(root->type == JSON_OBJECT && !json_duplicate(root), "%.*s", FUZZ_STR(text));
    type = json_get(root, "type");
    FUZZ_CHECK(type && type->type == JSON_STRING, "%.*s", FUZZ_STR(text));
    if (str_eqz(type->text, "fanfare.reply")) {
        const struct json_node *ok = json_get(root, "ok");
        FUZZ_CHECK(ok && ok->type == JSON_BOOL);
        FUZZ_CHECK(json_get(root, ok->truth ? "data" : "error"), "%.*s", FUZZ_STR(text));
    } else if (x->auth && str_eqz(type->text, "message") && json_get(root, "channel")) {
        struct str channel = json_get(root, "channel")->text;
        FUZZ_CHECK(!str_eqz(channel, "c") && !str_eqz(channel, "d"), "%.*s", FUZZ_STR(text));
    }
}

static void take_frames(struct run *x)
{
    struct wsc_got g;

    while (next_frame(x, &g)) {
        FUZZ_CHECK(!x->closed, "a frame behind the Close");
        switch (g.opcode) {
        case 1:
            check_text(x, g.payload);
            break;
        case 8:
            x->closed = true;
            FUZZ_CHECK(g.payload.len != 1 && g.payload.len <= 125);
            break;
        default:
            FUZZ_CHECK(g.opcode == 9 || g.opcode == 10, "opcode %u", g.opcode);
            FUZZ_CHECK(g.payload.len <= 125);
        }
    }
}

static void turn(struct run *x)
{
    rig_turn(x->r);
    x->ended |= rig_read(x->peer, &x->got);
    take_frames(x);
}

/* In pieces, for as long as the server takes them. */
static void put(struct run *x, struct str bytes)
{
    while (bytes.len && !x->ended) {
        size_t n = x->piece && x->piece < bytes.len ? x->piece : bytes.len;
        ssize_t sent = send(x->peer, bytes.p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            return;
        }
        bytes.p += sent > 0 ? sent : 0;
        bytes.len -= sent > 0 ? (size_t)sent : 0;
        turn(x);
    }
}

static void put_frame(struct run *x, unsigned first, struct str payload)
{
    struct strbuf sb = STRBUF_INIT;

    wsc_frame(&sb, first, payload.p, payload.len, false);
    put(x, strbuf_str(&sb));
    strbuf_fini(&sb);
}

static void step(struct run *x, struct fuzz_in *in)
{
    char channel[2] = "a";
    unsigned first;

    switch (fuzz_byte(in)) {
    case 'o':
        put_frame(x, WSC_FIN | 1, fuzz_line(in));
        break;
    case 'f':
        first = fuzz_byte(in);
        put_frame(x, first, fuzz_line(in));
        break;
    case 'r':
        put(x, fuzz_bytes(in, fuzz_byte(in)));
        break;
    case 'c':
        x->piece = fuzz_byte(in);
        break;
    case 'p':
        channel[0] = (char)('a' + fuzz_byte(in) % 4);
        (void)rig_publish_at(x->r, TARGET_CHANNEL, channel, "{\"n\":[1]}", x->r->now);
        break;
    case 'u':
        (void)rig_publish_at(x->r, TARGET_USER, "ann", "\"for you\"", x->r->now);
        break;
    case 't':
        rig_pass(x->r, fuzz_byte(in) * 100u);
        break;
    default:
        turn(x);
    }
}

static struct grant *grant(bool user)
{
    static const struct str names[] = {{"a", 1}, {"b.*", 3}};
    struct grant_spec spec = {.kind = GRANT_CLIENT,
                              .user = user ? STR_LIT("ann") : STR_NONE,
                              .lists_subscribe = true,
                              .subscribe = names,
                              .nsubscribe = 2};
    struct grant *g = NULL;

    FUZZ_CHECK(grant_new(&spec, &g) == 0);
    return g;
}

static void start(struct run *x, uint8_t flags)
{
    struct rig_pair p = rig_socketpair();
    struct stream_intro intro = {.fd = p.ours, .user = flags & 1 ? STR_LIT("ann") : STR_NONE};
    struct errmsg why = {""};

    x->r = rig_new();
    x->r->takes = flags & 2;
    rig_set(x->r, "max-message", flags & 4 ? "128" : "64k");
    rig_set(x->r, "history", flags & 8 ? "4" : "0");
    rig_set(x->r, "max-channels-per-client", "3");
    x->peer = p.peer;
    cr_assert_eq(json_doc_new(&x->doc), 0);
    cr_assert_eq(ws_shard_init(&x->shard, &x->r->env), 0);
    if (flags & 16) {
        rig_set(x->r, "token-secret", "0123456789abcdef0123456789abcdef");
        rig_set(x->r, "channel-secret", "channel-secret-0123456789abcdefg");
        FUZZ_CHECK(auth_new(&x->r->opt, &x->auth, &why) == 0, "%s", why.text);
        x->shard.auth = x->auth;
        intro.grant = grant(flags & 1);
    }
    cr_assert_eq(ws_open(&x->shard, &intro, STR_NONE), 0);
    grant_unref(intro.grant);
    turn(x);
}

static void stop(struct run *x)
{
    close(x->peer);
    rig_free(x->r);
    ws_shard_fini(&x->shard);
    json_doc_free(x->doc);
    auth_free(x->auth);
    FUZZ_CHECK(!x->ended || x->at == x->got.len || x->closed, "the last frame is not whole");
    strbuf_fini(&x->got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct run x = {.peer = -1};

    start(&x, fuzz_byte(&in));
    for (unsigned i = 0; in.n && !x.ended && i < 200; i++) {
        step(&x, &in);
    }
    for (unsigned i = 0; i < 4; i++) {
        turn(&x);
    }
    stop(&x);
    return 0;
}
