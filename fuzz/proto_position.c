/* proto/cursor and proto/position: where a stream is to begin, out of a query, an
 * op, or the Last-Event-ID header. */
#include "fuzz.h"

#include "proto/position.h"
#include "proto/publish.h"

#define NOW 1763632800000

static void check_cursor(struct str s)
{
    struct cursor c;
    char text[CURSOR_MAX];

    if (cursor_parse(s, &c) == 0) {
        size_t n = cursor_format(c, text);
        FUZZ_CHECK(str_eq(s, (struct str){text, n}), "%.*s becomes %s", FUZZ_STR(s), text);
        FUZZ_CHECK(text[n] == '\0' && n < CURSOR_MAX);
    }
}

static void check_after(struct str s)
{
    struct position p, header;
    struct errmsg why = {""};
    int rc = position_parse_after(s, &p, &why);

    position_of_header(s, &header);
    if (rc == 0) {
        FUZZ_CHECK(p.kind == POSITION_CURSOR || p.kind == POSITION_EARLIEST, "%d", p.kind);
        FUZZ_CHECK(p.kind != POSITION_CURSOR || p.cursor.epoch != 0);
        FUZZ_CHECK(header.kind == p.kind && header.cursor.seq == p.cursor.seq);
    } else {
        FUZZ_CHECK(rc == ERR_INVALID && header.kind == POSITION_LOST, "%d", rc);
        fuzz_sentence(why.text);
    }
}

static void check_since(struct str s)
{
    struct position p;
    struct errmsg why = {""};
    int rc = position_parse_since(s, NOW, &p, &why);

    if (rc == 0) {
        FUZZ_CHECK(p.kind == POSITION_SINCE && p.since_ms <= NOW);
    } else {
        FUZZ_CHECK(rc == ERR_INVALID && !publish_timestamp_ok(s), "%d", rc);
        fuzz_sentence(why.text);
    }
}

static void check_history(struct str s)
{
    struct position p;
    struct errmsg why = {""};
    int rc = position_parse_history(s, &p, &why);

    if (rc == 0) {
        FUZZ_CHECK(p.kind == POSITION_NEWEST && p.count >= 1 && p.count <= POSITION_MAX_HISTORY);
    } else {
        FUZZ_CHECK(rc == ERR_INVALID, "%d", rc);
        fuzz_sentence(why.text);
    }
}

/* Any two numbers, written and read. */
static void check_numbers(struct str s)
{
    struct cursor c = {0, 0}, back;
    char text[CURSOR_MAX];

    memcpy(&c, s.p, s.len < sizeof(c) ? s.len : sizeof(c));
    c.seq = c.epoch ? c.seq : 0;
    size_t n = cursor_format(c, text);
    FUZZ_CHECK(cursor_parse((struct str){text, n}, &back) == 0, "%s", text);
    FUZZ_CHECK(back.epoch == c.epoch && back.seq == c.seq, "%s", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = fuzz_copy(data, size);

    check_cursor(s);
    check_after(s);
    check_since(s);
    check_history(s);
    check_numbers(s);
    fuzz_free(s);
    return 0;
}
