#include "proto/target.h"

#include "base/strbuf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Parses a heap copy without a NUL, so that a sanitizer sees reads beyond it. */
static int parse(struct str raw, struct target *t, struct errmsg *why)
{
    char *copy = malloc(raw.len ? raw.len : 1);

    cr_assert_not_null(copy);
    if (raw.len > 0) {
        memcpy(copy, raw.p, raw.len);
    }
    int rc = target_parse((struct str){copy, raw.len}, t, why);
    free(copy);
    return rc;
}

/* The segments and parameters as one text: "seg|seg ? name=value & ...". */
static void expect(const char *raw, const char *want)
{
    struct strbuf sb = STRBUF_INIT;
    struct errmsg why = {""};
    struct target t;

    cr_assert_eq(parse(str_of(raw), &t, &why), 0, "%s: %s", raw, why.text);
    for (unsigned i = 0; i < t.nsegments; i++) {
        strbuf_adds(&sb, i ? "|" : "");
        strbuf_addstr(&sb, t.segments[i]);
    }
    strbuf_addf(&sb, " (%u)", t.nsegments);
    for (unsigned i = 0; i < t.nparams; i++) {
        strbuf_addc(&sb, ' ');
        strbuf_addstr(&sb, t.params[i].name);
        strbuf_addc(&sb, '=');
        strbuf_addstr(&sb, t.params[i].value);
    }
    cr_expect(str_eqz(strbuf_str(&sb), want), "%s: %.*s", raw, (int)sb.len, sb.data);
    strbuf_fini(&sb);
    target_fini(&t);
    target_fini(&t); /* twice is fine */
}

Test(target, good)
{
    expect("/", " (0)");
    expect("/?", " (0)");
    expect("/health", "health (1)");
    expect("/channels/a%2Fb?x=1", "channels|a/b (2) x=1");
    expect("/channels/a%2fhistory", "channels|a/history (2)");
    expect("/channels/a/history", "channels|a|history (3)");
    expect("/a/", "a| (2)");
    expect("//", "| (2)");
    expect("//a", "|a (2)");
    expect("/a//b", "a||b (3)");
    expect("/.", ". (1)");
    expect("/../x", "..|x (2)");
    expect("/%2e%2E/x", "..|x (2)");
    expect("/a+b?c+d=e+f%2B", "a+b (1) c d=e f+");
    expect("/e?channel=a&channel=b&userId=", "e (1) channel=a channel=b userId=");
    expect("/e?a", "e (1) a=");
    expect("/e?a&b=", "e (1) a= b=");
    expect("/e?&&a=1&", "e (1) a=1");
    expect("/e?=x", "e (1) =x");
    expect("/e?a=b=c", "e (1) a=b=c");
    expect("/e?a=%26%3D%3f&b?=/:@,;", "e (1) a=&=? b?=/:@,;");
    expect("/e?%61=%C3%A9", "e (1) a=\xC3\xA9");
    expect("/%E2%82%AC", "\xE2\x82\xAC (1)");
    expect("/a%0Ab", "a\nb (1)");
    expect("/e?meta={\"a\":1}", "e (1) meta={\"a\":1}");
    expect("/1/2/3/4/5/6", "1|2|3|4|5|6 (6)");
    expect("/%2525", "%25 (1)");
}

Test(target, bad)
{
    static const struct {
        struct str raw;
        int rc;
        const char *say;
    } cases[] = {
        {STR_LIT(""), ERR_INVALID, "must begin with '/'"},
        {STR_LIT("x"), ERR_INVALID, "must begin with '/'"},
        {STR_LIT("*"), ERR_INVALID, "must begin with '/'"},
        {STR_LIT("http://a/b"), ERR_INVALID, "must begin with '/'"},
        {STR_LIT("/a#b"), ERR_INVALID, "'#' at byte 2"},
        {STR_LIT("/a?b#"), ERR_INVALID, "'#' at byte 4"},
        {STR_LIT("/a%00b"), ERR_INVALID, "%00 at byte 2"},
        {STR_LIT("/e?a=%00"), ERR_INVALID, "%00 at byte 5"},
        {STR_LIT("/%zz"), ERR_INVALID, "bad escape at byte 1"},
        {STR_LIT("/abc%2"), ERR_INVALID, "bad escape at byte 4"},
        {STR_LIT("/abc%"), ERR_INVALID, "bad escape at byte 4"},
        {STR_LIT("/%2/f"), ERR_INVALID, "bad escape at byte 1"},
        {STR_LIT("/e?a=%2&b"), ERR_INVALID, "bad escape at byte 5"},
        {STR_LIT("/e?a%=2b"), ERR_INVALID, "bad escape at byte 4"},
        {STR_LIT("/%+1"), ERR_INVALID, "bad escape at byte 1"},
        {STR_LIT("/% 1"), ERR_INVALID, "byte 0x20 at byte 2"},
        {STR_LIT("/%u0041"), ERR_INVALID, "bad escape at byte 1"},
        {STR_LIT("/a b"), ERR_INVALID, "byte 0x20 at byte 2"},
        {STR_LIT("/a\nb"), ERR_INVALID, "byte 0x0a at byte 2"},
        {STR_LIT("/a\0b"), ERR_INVALID, "byte 0x00 at byte 2"},
        {STR_LIT("/a\x7f"), ERR_INVALID, "byte 0x7f at byte 2"},
        {STR_LIT("/\xC3\xA9"), ERR_INVALID, "byte 0xc3 at byte 1"},
        {STR_LIT("/a/%C3"), ERR_INVALID, "part at byte 3"},
        {STR_LIT("/%C0%AF"), ERR_INVALID, "part at byte 1"},
        {STR_LIT("/%ED%A0%80"), ERR_INVALID, "part at byte 1"},
        {STR_LIT("/%C3/%A9"), ERR_INVALID, "part at byte 1"},
        {STR_LIT("/e?a=b&c=%FF"), ERR_INVALID, "part at byte 9"},
        {STR_LIT("/1/2/3/4/5/6/7/%zz"), ERR_INVALID, "bad escape"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct errmsg why = {""};
        struct target t;
        cr_expect_eq(parse(cases[i].raw, &t, &why), cases[i].rc, "%s", cases[i].raw.p);
        cr_expect_not_null(strstr(why.text, cases[i].say), "%s: %s", cases[i].raw.p, why.text);
        cr_expect_neq(parse(cases[i].raw, &t, NULL), 0);
    }
}

Test(target, more_segments_than_are_kept)
{
    struct target t;

    cr_assert_eq(parse(STR_LIT("/1/2/3/4/5/6"), &t, NULL), 0);
    cr_expect_eq(t.nsegments, 6);
    target_fini(&t);
    cr_assert_eq(parse(STR_LIT("/1/2/3/4/5/6/7/8/9?a=b"), &t, NULL), 0);
    cr_expect_eq(t.nsegments, TARGET_MAX_SEGMENTS + 1);
    cr_expect(str_eqz(t.segments[5], "6"));
    cr_expect_not_null(target_param(&t, "a"));
    target_fini(&t);
}

Test(target, parameter_limit)
{
    struct strbuf sb = STRBUF_INIT;
    struct errmsg why;
    struct target t;

    strbuf_adds(&sb, "/e?");
    for (int i = 0; i < TARGET_MAX_PARAMS; i++) {
        strbuf_adds(&sb, "a=1&");
    }
    cr_assert_eq(parse(strbuf_str(&sb), &t, &why), 0);
    cr_expect_eq(t.nparams, TARGET_MAX_PARAMS);
    target_fini(&t);
    strbuf_adds(&sb, "a");
    cr_expect_eq(parse(strbuf_str(&sb), &t, &why), ERR_LIMIT);
    strbuf_fini(&sb);
}

Test(target, parameters)
{
    static const char *const known[] = {"channel", "userId"};
    struct target t;

    cr_assert_eq(parse(STR_LIT("/e?channel=a&userId=u&channel=b&chanel=c"), &t, NULL), 0);
    const struct param *p = target_param(&t, "channel");
    cr_assert_not_null(p);
    cr_expect(str_eqz(p->value, "a"));
    p = target_next(&t, p);
    cr_assert_not_null(p);
    cr_expect(str_eqz(p->value, "b"));
    cr_expect_null(target_next(&t, p));
    cr_expect_null(target_param(&t, "chan"));
    p = target_unknown(&t, known, 2);
    cr_assert_not_null(p);
    cr_expect(str_eqz(p->name, "chanel"));
    target_fini(&t);
    cr_assert_eq(parse(STR_LIT("/e?channel=a"), &t, NULL), 0);
    cr_expect_null(target_unknown(&t, known, 2));
    cr_expect_not_null(target_unknown(&t, NULL, 0));
    target_fini(&t);
}
