#include "proto/frame.h"

#include "proto/json.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct envelope order = {
    .kind = TARGET_CHANNEL,
    .target = STR_LIT("orders"),
    .type = STR_LIT("order.created"),
    .id = STR_LIT("ID"),
    .timestamp = STR_LIT("2026-11-20T10:00:00.000Z"),
    .source = STR_LIT("shop"),
    .data = STR_LIT("{ \"n\" : 99.99 ,\r\n \"a b\" : [ 1 , 2 ] }"),
    .epoch = 12345,
};

static struct frame *make(const struct envelope *e, uint64_t seq)
{
    struct frame *f = NULL;

    cr_assert_eq(frame_new(e, frame_digits(seq), &f), 0);
    frame_seal(f, seq);
    return f;
}

/* Checks both frames against the envelope and the lines before it. */
static void expect(const struct envelope *e, uint64_t seq, const char *lead, const char *envelope)
{
    char want[2000];
    struct frame *f = make(e, seq);

    (void)snprintf(want, sizeof(want), "%sdata: %s\n\n", lead, envelope);
    cr_expect(str_eqz(frame_sse(f), want), "%.*s", (int)f->sse_len, f->bytes);
    size_t n = strlen(envelope);
    size_t header = n < 126 ? 2 : 4;
    struct str ws = frame_ws(f);
    cr_assert_eq(ws.len, header + n);
    cr_expect_eq((unsigned char)ws.p[0], 0x81);
    if (header == 2) {
        cr_expect_eq((unsigned char)ws.p[1], n);
    } else {
        cr_expect_eq((unsigned char)ws.p[1], 126);
        cr_expect_eq((unsigned)(unsigned char)ws.p[2] << 8 | (unsigned char)ws.p[3], n);
    }
    cr_expect_eq(memcmp(ws.p + header, envelope, n), 0, "%.*s", (int)ws.len, ws.p);
    frame_unref(f);
}

Test(frame, all_parts_in_order)
{
    expect(
        &order, 1042, "event: order.created\nid: 9ix-1042\n",
        "{\"type\":\"order.created\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-1042\","
        "\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"source\":\"shop\","
        "\"data\":{\"n\":99.99,\"a b\":[1,2]}}");
}

Test(frame, user_everyone_and_message)
{
    struct envelope e = order;

    e.source = STR_NONE;
    e.data = STR_LIT("null");
    e.type = STR_LIT("message");
    e.kind = TARGET_USER;
    e.target = STR_LIT("a\"b");
    expect(&e, 7, "id: 9ix-7\n",
           "{\"type\":\"message\",\"userId\":\"a\\\"b\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
           "\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":null}");
    e.kind = TARGET_EVERYONE;
    e.target = STR_NONE;
    expect(&e, 7, "id: 9ix-7\n",
           "{\"type\":\"message\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
           "\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":null}");
}

Test(frame, the_sender_stands_behind_the_source)
{
    struct envelope e = order;

    e.data = STR_LIT("1");
    e.sender_user = STR_LIT("a\"b");
    e.sender_client = STR_LIT("00000007deadbeef");
    expect(&e, 7, "event: order.created\nid: 9ix-7\n",
           "{\"type\":\"order.created\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
           "\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"source\":\"shop\","
           "\"sender\":{\"userId\":\"a\\\"b\",\"clientId\":\"00000007deadbeef\"},\"data\":1}");
    e.source = STR_NONE;
    e.sender_user = STR_NONE;
    expect(&e, 7, "event: order.created\nid: 9ix-7\n",
           "{\"type\":\"order.created\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
           "\"timestamp\":\"2026-11-20T10:00:00.000Z\","
           "\"sender\":{\"clientId\":\"00000007deadbeef\"},\"data\":1}");
    e.sender_user = STR_LIT("ann");
    e.sender_client = STR_NONE;
    expect(&e, 7, "event: order.created\nid: 9ix-7\n",
           "{\"type\":\"order.created\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
           "\"timestamp\":\"2026-11-20T10:00:00.000Z\","
           "\"sender\":{\"userId\":\"ann\"},\"data\":1}");
}

Test(frame, nothing_in_data_is_changed_but_white_space)
{
    struct envelope e = order;

    e.type = STR_LIT("t\"\\\xE2\x80\xA8");
    e.source = STR_NONE;
    e.data =
        STR_LIT("\t[123456789012345678901234567890,1E400,-0,\"\xE2\x80\xA8 \\u2028 \\/ \\r\\n\","
                "{\"z\":1,\"a\":2}\r]\n");
    expect(&e, 1, "event: t\"\\\xE2\x80\xA8\nid: 9ix-1\n",
           "{\"type\":\"t\\\"\\\\\xE2\x80\xA8\",\"channel\":\"orders\",\"id\":\"ID\","
           "\"cursor\":\"9ix-1\",\"timestamp\":\"2026-11-20T10:00:00.000Z\",\"data\":"
           "[123456789012345678901234567890,1E400,-0,\"\xE2\x80\xA8 \\u2028 \\/ \\r\\n\","
           "{\"z\":1,\"a\":2}]}");
}

Test(frame, line_ends_never_reach_a_line)
{
    struct envelope e = order;

    e.data = STR_LIT("\r\n{\r\"a\"\n:\r\n[\n1\r,\n\"x\"\r]\n}\r");
    struct frame *f = make(&e, 10);
    struct str s = frame_sse(f);
    cr_expect_null(memchr(s.p, '\r', s.len));
    unsigned lines = 0;
    for (size_t i = 0; i < s.len; i++) {
        lines += s.p[i] == '\n';
    }
    cr_expect_eq(lines, 4);
    frame_unref(f);
}

Test(frame, seq_at_digit_boundaries)
{
    uint64_t power = 1;

    for (unsigned digits = 1; digits <= 20; digits++) {
        uint64_t ends[2] = {digits == 1 ? 0 : power, digits == 20 ? UINT64_MAX : power * 10 - 1};
        for (int i = 0; i < 2; i++) {
            char cursor[64];
            cr_expect_eq(frame_digits(ends[i]), digits);
            struct frame *f = make(&order, ends[i]);
            (void)snprintf(cursor, sizeof(cursor), "9ix-%llu", (unsigned long long)ends[i]);
            size_t n = strlen(cursor);
            for (int k = 0; k < 3; k++) {
                cr_expect_eq(memcmp(f->bytes + f->seq_at[k] - 4, cursor, n), 0);
                char after = f->bytes[f->seq_at[k] - 4 + n];
                cr_expect_eq(after, k == 0 ? '\n' : '"');
            }
            cr_expect_lt(f->seq_at[1], f->sse_len);
            cr_expect_gt(f->seq_at[2], f->sse_len);
            frame_unref(f);
        }
        power = digits < 20 ? power * 10 : power;
    }
}

Test(frame, websocket_header_at_length_boundaries)
{
    static char data[70100];
    struct frame *f;

    memset(data, '1', sizeof(data));
    struct envelope e = {.kind = TARGET_EVERYONE,
                         .type = STR_LIT("message"),
                         .id = STR_LIT("i"),
                         .timestamp = STR_LIT("t"),
                         .epoch = 1};
    e.data = STR_LIT("1");
    f = make(&e, 1);
    size_t fixed = f->ws_len - 2 - 1; /* of the envelope, without data */
    frame_unref(f);
    static const size_t lengths[] = {124, 125, 126, 127, 65534, 65535, 65536, 65537};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t n = lengths[i];
        e.data = (struct str){data, n - fixed};
        f = make(&e, 1);
        size_t header = n < 126 ? 2 : n < 65536 ? 4 : 10;
        cr_expect_eq(f->ws_len, n + header);
        cr_expect_eq(memcmp(frame_ws(f).p + header, frame_sse(f).p + strlen("id: 1-1\ndata: "), n),
                     0);
        cr_expect_eq(f->bytes[f->seq_at[2]], '1');
        frame_unref(f);
    }
}

/* What a client parses is what the publisher meant. */
Test(frame, envelope_is_valid_json)
{
    struct json_limits lim = {.max_depth = 32, .tree_depth = 3, .max_nodes = 100};
    const struct json_node *root;
    struct json_error err;
    struct json_doc *doc;
    struct envelope e = order;

    e.type = STR_LIT("\xF0\x9F\x98\x80\"/\\");
    struct frame *f = make(&e, 99999);
    struct str s = frame_ws(f);
    cr_assert_eq(json_doc_new(&doc), 0);
    cr_assert_eq(json_parse(doc, (struct str){s.p + 4, s.len - 4}, &lim, &root, &err), 0, "%s",
                 err.text);
    cr_expect(str_eq(json_get(root, "type")->text, e.type));
    cr_expect(str_eqz(json_get(root, "cursor")->text, "9ix-99999"));
    json_doc_free(doc);
    frame_unref(f);
}

Test(frame, references)
{
    struct frame *f = make(&order, 5);

    cr_expect_eq(frame_ref(f), f);
    cr_expect_eq(atomic_load(&f->refs), 2);
    frame_unref(f);
    cr_expect_eq(atomic_load(&f->refs), 1);
    frame_unref(f);
    frame_unref(NULL);
}

Test(frame, too_large)
{
    struct envelope e = order;
    struct frame *f = NULL;

    e.data.len = ((size_t)1 << 31) + 1; /* refused without a look at the bytes */
    cr_expect_eq(frame_new(&e, 1, &f), ERR_RANGE);
    cr_expect_null(f);
}

/* Whom it is for, as the envelope has it, and the key, which it has not. */
Test(frame, target_and_key_can_be_read)
{
    struct envelope e = order;
    struct frame *f = make(&e, 7);
    size_t without = frame_size(f);

    cr_expect_eq(f->kind, TARGET_CHANNEL);
    cr_expect(str_eqz(frame_target(f), "orders"));
    cr_expect_eq(frame_key(f).len, 0);
    frame_unref(f);
    e.key = STR_LIT("EUR");
    f = make(&e, 7);
    cr_expect(str_eqz(frame_key(f), "EUR"));
    cr_expect_eq(frame_size(f), without + 3);
    cr_expect_null(memmem(f->bytes, f->sse_len + f->ws_len, "EUR", 3));
    frame_unref(f);
    e.kind = TARGET_USER;
    e.target = STR_LIT("a\"b\xC3\xA9");
    f = make(&e, 7);
    cr_expect_eq(f->kind, TARGET_USER);
    cr_expect(str_eqz(frame_target(f), "a\\\"b\xC3\xA9"), "escaped");
    frame_unref(f);
    e.kind = TARGET_EVERYONE;
    f = make(&e, 7);
    cr_expect_eq(frame_target(f).len, 0);
    cr_expect(str_eqz(frame_key(f), "EUR"));
    frame_unref(f);
}

Test(frame, type_and_envelope_can_be_read)
{
    struct envelope e = order;
    struct frame *f = make(&e, 7);
    struct str env = frame_envelope(f);

    cr_expect(str_eqz(frame_type(f), "order.created"));
    cr_expect(str_starts(env, STR_LIT("{\"type\":\"order.created\",")));
    cr_expect_eq(env.p[env.len - 1], '}');
    frame_unref(f);
    e.type = STR_LIT("message");
    f = make(&e, 7);
    cr_expect(str_eqz(frame_type(f), "message"));
    frame_unref(f);
}

/* Takes a frame apart as a store would, and makes it again. */
static int restore(const struct frame *f, uint64_t seq, struct frame **out)
{
    char cursor[CURSOR_MAX];
    size_t n = cursor_format((struct cursor){order.epoch, seq}, cursor);

    return frame_restore((enum target_kind)f->kind, frame_type(f), frame_key(f),
                         (struct str){cursor, n}, frame_envelope(f), out);
}

static void expect_restored(const struct envelope *e, uint64_t seq)
{
    struct frame *f = make(e, seq);
    struct frame *g = NULL;

    cr_assert_eq(restore(f, seq, &g), 0, "%.*s", (int)f->sse_len, f->bytes);
    cr_expect(str_eq(frame_sse(f), frame_sse(g)));
    cr_expect(str_eq(frame_ws(f), frame_ws(g)));
    cr_expect(str_eq(frame_key(f), frame_key(g)));
    cr_expect(str_eq(frame_target(f), frame_target(g)));
    cr_expect_eq(f->kind, g->kind);
    cr_expect_eq(frame_size(f), frame_size(g));
    cr_expect_eq(atomic_load(&g->refs), 1);
    frame_unref(f);
    frame_unref(g);
}

Test(frame, restored_is_the_same)
{
    static char data[70002];
    static const char *const values[] = {"null", "99.990", "{\"a\" : [1 , {}]}",
                                         "\"\\u00e9\\/\\ud800 \xC3\xA9\"",
                                         "[123456789012345678901234567890,1E400,-0]"};
    struct envelope e = order;

    expect_restored(&e, 1);
    expect_restored(&e, UINT64_MAX);
    e.key = STR_LIT("EUR/\xC3\xA9");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        e.data = str_of(values[i]);
        expect_restored(&e, 1042);
    }
    e.type = STR_LIT("message");
    e.source = STR_NONE;
    e.kind = TARGET_USER;
    e.target = STR_LIT("a\"b\\\xC3\xA9");
    expect_restored(&e, 9);
    e.kind = TARGET_EVERYONE;
    e.target = STR_NONE;
    e.type = STR_LIT("t\"\\\xE2\x80\xA8");
    expect_restored(&e, 10);
    memset(data, '1', sizeof(data));
    for (size_t i = 0; i < 2; i++) { /* all three lengths of a WebSocket header */
        e.data = (struct str){data, i == 0 ? 300 : sizeof(data)};
        expect_restored(&e, 10);
    }
}

Test(frame, restored_with_its_sender)
{
    struct envelope e = order;

    e.sender_user = STR_LIT("a\"b\\\xC3\xA9");
    expect_restored(&e, 1042);
    e.sender_client = STR_LIT("0123456789abcdef");
    expect_restored(&e, 1042);
    e.sender_user = STR_NONE;
    expect_restored(&e, 1042);
    e.kind = TARGET_EVERYONE;
    e.source = STR_NONE;
    expect_restored(&e, 1042);
}

static const char kept[] =
    "{\"type\":\"t\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
    "\"timestamp\":\"T\",\"source\":\"s\",\"data\":{\"a\":[1]}}";

static int restore_text(enum target_kind kind, const char *type, const char *key,
                        const char *cursor, struct str envelope)
{
    struct frame *f = NULL;
    int rc = frame_restore(kind, str_of(type), str_of(key), str_of(cursor), envelope, &f);

    cr_expect(rc == 0 ? f != NULL : f == NULL);
    frame_unref(f);
    return rc;
}

Test(frame, what_does_not_belong_together_is_not_restored)
{
    struct str good = STR_LIT(kept);

    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k", "9ix-7", good), 0);
    cr_expect_eq(restore_text(TARGET_USER, "t", "k", "9ix-7", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_EVERYONE, "t", "k", "9ix-7", good), ERR_INVALID);
    cr_expect_eq(restore_text((enum target_kind)77, "t", "k", "9ix-7", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "u", "k", "9ix-7", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "", "k", "9ix-7", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k\n", "9ix-7", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k", "9ix-8", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k", "9iy-7", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k", "9ix-07", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k", "", good), ERR_INVALID);
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "k", "9ix-7", STR_NONE), ERR_INVALID);
}

/* Whatever byte of it goes bad, it is no frame or a frame of the same form. */
Test(frame, damaged_envelopes_are_not_restored)
{
    static const char *const bad[] = {
        "null",
        "[]",
        "{}",
        "7",
        "\"\"",
        "{\"type\":\"t\"}",
        /* in another order, spaced, with more in it, of another type */
        "{\"channel\":\"orders\",\"type\":\"t\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":"
        "\"T\","
        "\"data\":1}",
        "{\"type\":\"t\", "
        "\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":\"T\","
        "\"data\":1}",
        "{\"type\":\"t\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":"
        "\"T\","
        "\"data\":1,\"x\":2}",
        "{\"type\":\"t\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":"
        "\"T\","
        "\"data\":1}\n",
        "{\"type\":\"t\",\"channel\":\"a "
        "b\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":\"T\","
        "\"data\":1}",
        "{\"type\":\"t\",\"channel\":\"orders\",\"id\":7,\"cursor\":\"9ix-7\",\"timestamp\":\"T\","
        "\"data\":1}",
        "{\"type\":\"t\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":"
        "\"T\","
        "\"source\":null,\"data\":1}",
        "{\"type\":\"t\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\",\"timestamp\":"
        "\"T\","
        "\"data\":[1,\n2]}",
    };
    char text[sizeof(kept)];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "", "9ix-7", str_of(bad[i])), ERR_INVALID,
                     "%s", bad[i]);
    }
    for (size_t n = 0; n < sizeof(kept) - 1; n++) {
        cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "", "9ix-7", (struct str){kept, n}),
                     ERR_INVALID, "%zu bytes", n);
    }
    for (size_t at = 0; at < sizeof(kept) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            struct frame *f = NULL;
            memcpy(text, kept, sizeof(kept));
            text[at] = (char)byte;
            struct str s = {text, sizeof(kept) - 1};
            if (frame_restore(TARGET_CHANNEL, STR_LIT("t"), STR_NONE, STR_LIT("9ix-7"), s, &f) ==
                0) {
                cr_expect(str_eq(frame_envelope(f), s));
                cr_expect_null(memchr(s.p, '\n', s.len));
                cr_expect_null(memchr(s.p, '\r', s.len));
                cr_expect_null(memchr(s.p, '\0', s.len));
            }
            frame_unref(f);
        }
    }
}

Test(frame, once_more_for_one_client)
{
    struct frame *f = make(&order, 7);
    struct str env = frame_envelope(f);
    struct strbuf sb = STRBUF_INIT;
    char want[1000];

    frame_add_again(f, TRANSPORT_SSE, STR_LIT("9ix-12"), 2, &sb);
    (void)snprintf(want, sizeof(want),
                   "event: order.created\nid: 9ix-12\ndata: %.*s,\"attempt\":2}\n\n",
                   (int)env.len - 1, env.p);
    cr_expect(str_eqz(strbuf_str(&sb), want), "%.*s", (int)sb.len, sb.data);
    cr_expect_not_null(strstr(sb.data, "\"cursor\":\"9ix-7\""), "its own cursor stays");
    strbuf_reset(&sb);
    frame_add_again(f, TRANSPORT_SSE, STR_LIT("9ix-12"), 0, &sb);
    (void)snprintf(want, sizeof(want), "event: order.created\nid: 9ix-12\ndata: %.*s\n\n",
                   (int)env.len, env.p);
    cr_expect(str_eqz(strbuf_str(&sb), want), "%.*s", (int)sb.len, sb.data);
    strbuf_reset(&sb);
    frame_add_again(f, TRANSPORT_WS, STR_LIT("9ix-12"), 0, &sb);
    cr_expect(str_eq(strbuf_str(&sb), frame_ws(f)));
    strbuf_reset(&sb);
    frame_add_again(f, TRANSPORT_WS, STR_LIT("9ix-12"), 4294967295u, &sb);
    size_t n = env.len + sizeof(",\"attempt\":4294967295") - 1;
    cr_assert_eq(sb.len, 4 + n);
    cr_expect_eq((unsigned)(unsigned char)sb.data[2] << 8 | (unsigned char)sb.data[3], n);
    cr_expect_eq(memcmp(sb.data + 4, env.p, env.len - 1), 0);
    cr_expect_str_eq(sb.data + 4 + env.len - 1, ",\"attempt\":4294967295}");
    strbuf_fini(&sb);
    frame_unref(f);
}

Test(frame, damaged_senders_are_not_restored)
{
    static const char *const bad[] = {"null",
                                      "7",
                                      "[]",
                                      "{}",
                                      "{\"x\":1}",
                                      "{\"userId\":\"\"}",
                                      "{\"userId\":7}",
                                      "{\"userId\":\"a\\u0000\"}",
                                      "{\"userId\":\"a\" }",
                                      "{\"userId\":\"a\",\"x\":1}",
                                      "{\"userId\":\"a\",\"userId\":\"a\"}",
                                      "{\"clientId\":\"0123456789abcde\"}",
                                      "{\"clientId\":\"0123456789abcdeg\"}",
                                      "{\"clientId\":\"0123456789ABCDEF\"}",
                                      "{\"clientId\":\"0123456789abcdef\",\"userId\":\"a\"}"};
    static const char form[] =
        "{\"type\":\"t\",\"channel\":\"orders\",\"id\":\"ID\",\"cursor\":\"9ix-7\","
        "\"timestamp\":\"T\",\"sender\":%s,\"data\":1}";
    char text[400];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(text, sizeof(text), form, bad[i]);
        cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "", "9ix-7", str_of(text)), ERR_INVALID,
                     "%s", text);
    }
    (void)snprintf(text, sizeof(text), form,
                   "{\"userId\":\"a\",\"clientId\":\"0123456789abcdef\"}");
    cr_expect_eq(restore_text(TARGET_CHANNEL, "t", "", "9ix-7", str_of(text)), 0);
}
