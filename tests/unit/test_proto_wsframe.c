#include "proto/wsframe.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(wsframe, header_lengths)
{
    static const struct {
        uint64_t len;
        unsigned n;
        uint8_t bytes[10];
    } cases[] = {
        {0, 2, {0x81, 0}},
        {125, 2, {0x81, 125}},
        {126, 4, {0x81, 126, 0, 126}},
        {127, 4, {0x81, 126, 0, 127}},
        {256, 4, {0x81, 126, 1, 0}},
        {65535, 4, {0x81, 126, 255, 255}},
        {65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
        {UINT64_C(0x7fffffffffffffff), 10, {0x81, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[WSFRAME_HEADER_MAX];
        cr_expect_eq(wsframe_header(out, WS_TEXT, cases[i].len), cases[i].n);
        cr_expect_arr_eq(out, cases[i].bytes, cases[i].n);
    }
}

Test(wsframe, whole_frames)
{
    struct strbuf sb = STRBUF_INIT;
    char *big = malloc(70000);

    cr_assert_not_null(big);
    wsframe_add_text(&sb, STR_LIT("Hello"));
    cr_expect(str_eq(strbuf_str(&sb), STR_LIT("\x81\x05Hello")));
    strbuf_reset(&sb);
    wsframe_add(&sb, WS_PING, STR_NONE);
    wsframe_add(&sb, WS_PONG, STR_LIT("x"));
    wsframe_add(&sb, WS_BINARY, STR_LIT("y"));
    cr_expect(str_eq(strbuf_str(&sb), STR_LIT("\x89\x00\x8A\x01x\x82\x01y")));
    strbuf_reset(&sb);
    memset(big, 'z', 70000);
    wsframe_add_text(&sb, (struct str){big, 70000});
    cr_expect_eq(sb.len, 70010);
    cr_expect_eq(memcmp(sb.data + 10, big, 70000), 0);
    free(big);
    strbuf_fini(&sb);
}

Test(wsframe, close)
{
    struct strbuf sb = STRBUF_INIT;
    char reason[200];

    wsframe_add_close(&sb, 0, STR_LIT("not sent"));
    cr_expect(str_eq(strbuf_str(&sb), STR_LIT("\x88\x00")));
    strbuf_reset(&sb);
    wsframe_add_close(&sb, 1000, STR_NONE);
    cr_expect(str_eq(strbuf_str(&sb), STR_LIT("\x88\x02\x03\xE8")));
    strbuf_reset(&sb);
    wsframe_add_close(&sb, 4999, STR_LIT("bye"));
    cr_expect(str_eq(strbuf_str(&sb), STR_LIT("\x88\x05\x13\x87"
                                              "bye")));
    strbuf_reset(&sb);
    memset(reason, 'r', sizeof(reason));
    wsframe_add_close(&sb, 1008, (struct str){reason, 123});
    cr_expect_eq(sb.len, 127);
    strbuf_reset(&sb);
    /* A character over the limit goes as a whole. */
    memcpy(reason + 121, "\xE2\x82\xAC", 3);
    wsframe_add_close(&sb, 1008, (struct str){reason, sizeof(reason)});
    cr_expect_eq(sb.len, 2 + 2 + 121);
    cr_expect_eq((uint8_t)sb.data[1], 123);
    strbuf_fini(&sb);
}
