#include "proto/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Texts with NUL bytes need their length. */
#define T(s)               \
    {                      \
        (s), sizeof(s) - 1 \
    }

static const struct json_limits all = {.max_depth = 64, .tree_depth = 64, .max_nodes = 100000};

static struct json_doc *doc;
static char *copy;

static void setup(void)
{
    cr_assert_eq(json_doc_new(&doc), 0);
}

static void teardown(void)
{
    json_doc_free(doc);
    free(copy);
}

TestSuite(json, .init = setup, .fini = teardown);

/* Parses a heap copy without a NUL, so that a sanitizer sees any byte read
 * beyond the end. The copy is kept until the next call, as the tree needs it. */
static int parse(struct str text, const struct json_limits *lim, const struct json_node **root,
                 struct json_error *err)
{
    free(copy);
    copy = NULL;
    if (text.len > 0) {
        copy = malloc(text.len);
        cr_assert_not_null(copy);
        memcpy(copy, text.p, text.len);
    }
    return json_parse(doc, (struct str){copy, text.len}, lim, root, err);
}

static const struct json_node *good(const char *text)
{
    const struct json_node *root = NULL;
    struct json_error err;

    cr_assert_eq(parse(str_of(text), &all, &root, &err), 0, "%s: %zu: %s", text, err.offset,
                 err.text);
    cr_assert_not_null(root);
    return root;
}

/* clang-format off */
static const struct str accepted[] = {
    T("null"), T("true"), T("false"), T("0"), T("-0"), T("1"), T("\"\""), T("[]"), T("{}"),
    T(" [ ] "), T("\t\n\r []\n"), T("[1]"), T("[1,2]"), T("[ 1 , 2 ]"), T("{\"a\":1}"),
    T("{ \"a\" : 1 , \"b\" : 2 }"), T("{\"a\":[]}"), T("[{}]"), T("[[]   ]"), T("[\"\"]"),
    T("{\"\":0}"), T("{\"a\":\"b\",\"a\":\"c\"}"), T("{\"a\":null,\"b\":[true,false]}"),
    T("[123e65]"), T("[0e+1]"), T("[0e1]"), T("[ 4]"), T("[-0.000000000000000000000000000001]"),
    T("[20e1]"), T("[-0]"), T("[-123]"), T("[-1]"), T("[1E22]"), T("[1E-2]"), T("[1E+2]"),
    T("[123e45]"), T("[123.456e78]"), T("[1e-2]"), T("[1e+2]"), T("[123.456789]"),
    T("[1E400]"), T("[-1e99999]"), T("[123456789012345678901234567890]"), T("1E400"),
    T("99.99"), T("123456789012345678901234567890"), T("-0.0e-0"),
    T("[\"\\u0060\\u012a\\u12AB\"]"), T("[\"\\uD801\\udc37\"]"),
    T("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"), T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    T("[\"\\\\u0000\"]"), T("[\"\\\"\"]"), T("[\"a/*b*/c/*d//e\"]"), T("[\"\\\\a\"]"),
    T("[\"\\\\n\"]"), T("[\"\\u0012\"]"), T("[\"\\uFFFF\"]"), T("[ \"asd\"]"),
    T("[\"\xF4\x8F\xBF\xBF\"]"), T("[\"\xEF\xBF\xBF\"]"), T("[\"\\u0000\"]"), T("[\"\\u002c\"]"),
    T("[\"\xCF\x80\"]"), T("[\"\xF0\x9B\xBF\xBF\"]"), T("[\"\xE2\x80\xA8\"]"),
    T("[\"\xE2\x80\xA9\"]"), T("\" \""), T("[\"\\uDBFF\\uDFFF\"]"), T("[\"new\\u00A0line\"]"),
    T("[\"\x7F\"]"), T("[\"a\x7F" "a\"]"), T("[\"\\uA66D\"]"), T("[\"\\u200B\"]"),
    T("[\"\\u0022\"]"), T("[\"\\uFDD0\"]"), T("[\"\\uFFFE\"]"), T("[\"\xE2\x8D\x82\"]"),
    T("{\"foo\\u0000bar\": 42}"), T("{\"min\": -1.0e+28, \"max\": 1.0e+28}"),
    T("{\"a\":\n\"b\"\n}"), T("[1,null,null,null,2]"), T("[null, 1, \"1\", {}]"), T("[2] "),
    /* What a parser may refuse and we do not: grammar only. */
    T("[\"\\uD800\"]"), T("[\"\\uDC00\\uD800\"]"), T("[\"\\uD800\\uD800\\n\"]"),
    T("[\"\\uDFAA\"]"), T("[\"\\uD888\\u1234\"]"), T("{\"\\uDFAA\":0}"), T("[0.4e00669999999999]"),
};

static const struct str refused[] = {
    T(""), T(" "), T("\n"), T("["), T("]"), T("{"), T("}"), T("[}"), T("{]"), T(","), T(":"),
    T("[1 true]"), T("[a\xE5]"), T("[\"\": 1]"), T("[\"\"],"), T("[,1]"), T("[1,,2]"),
    T("[\"x\",,]"), T("[\"x\"]]"), T("[\"\",]"), T("[\"x\""), T("[x"), T("[3[4]]"), T("[\xFF]"),
    T("[1:2]"), T("[,]"), T("[-]"), T("[   , \"\"]"), T("[\"a\",\n4\n,1,"), T("[1,]"),
    T("[1,,]"), T("[\"\va\"\\f]"), T("[*]"), T("[\"\""), T("[1,"), T("[1,\n1\n,1"), T("[{}"),
    T("[fals]"), T("[nul]"), T("[tru]"), T("fals"), T("nul"), T("tru"), T("truex"), T("nulll"),
    T("[++1234]"), T("[+1]"), T("[+Inf]"), T("[-01]"), T("[-1.0.]"), T("[-2.]"), T("[-NaN]"),
    T("[.-1]"), T("[.2e-3]"), T("[0.1.2]"), T("[0.3e+]"), T("[0.3e]"), T("[0.e1]"), T("[0E+]"),
    T("[0E]"), T("[0e+]"), T("[0e]"), T("[1.0e+]"), T("[1.0e-]"), T("[1.0e]"), T("[1 000.0]"),
    T("[1eE2]"), T("[2.e+3]"), T("[2.e-3]"), T("[2.e3]"), T("[9.e+]"), T("[Inf]"), T("[NaN]"),
    T("[\xEF\xBC\x91]"), T("[1+2]"), T("[0x1]"), T("[0x42]"), T("[Infinity]"), T("[0e+-1]"),
    T("[-123.123foo]"), T("[123\xE5]"), T("[1e1\xE5]"), T("[0\xE5]"), T("[-Infinity]"),
    T("[-foo]"), T("[- 1]"), T("[-012]"), T("[-.123]"), T("[-1x]"), T("[1ea]"), T("[1e\xE5]"),
    T("[1.]"), T("[.123]"), T("[1.2a-3]"), T("[1.8011670033376514H-308]"), T("[012]"),
    T("-"), T("1e"), T("1e+"), T("01"), T("+1"), T(".5"), T("1."), T("00"), T("-00"), T("- 1"),
    T("[\"x\", truth]"), T("{[: \"x\"}\n"), T("{\"x\", null}"), T("{\"x\"::\"b\"}"),
    T("{\xF0\x9F\x87\xA8\xF0\x9F\x87\xAD}"), T("{\"a\":\"a\" 123}"), T("{key: 'value'}"),
    T("{\"\xB9\":\"0\",}"), T("{\"a\" b}"), T("{:\"b\"}"), T("{\"a\" \"b\"}"), T("{\"a\":"),
    T("{\"a\""), T("{1:1}"), T("{9999E9999:1}"), T("{null:null,null:null}"),
    T("{\"id\":0,,,,,}"), T("{'a':0}"), T("{\"id\":0,}"), T("{\"a\":\"b\"}/**/"),
    T("{\"a\":\"b\"}/**//"), T("{\"a\":\"b\"}//"), T("{\"a\":\"b\"}/"),
    T("{\"a\":\"b\",,\"c\":\"d\"}"),
    T("{a: \"b\"}"), T("{\"a\":\"a"), T("{ \"foo\" : \"bar\", \"a\" }"), T("{\"a\":\"b\"}#"),
    T("{\"a\":/*comment*/\"b\"}"), T("[\"\\uD800\\\"]"), T("[\"\\uD800\\u\"]"),
    T("[\"\\uD800\\u1\"]"), T("[\"\\uD800\\u1x\"]"), T("[\xC3\xA9]"), T("[\"\\\0\"]"),
    T("[\"\\x00\"]"), T("[\"\\\\\\\"]"), T("[\"\\\t\"]"), T("[\"\\\xF0\x9F\x8C\x80\"]"),
    T("[\"\\\"]"), T("[\"\\u00A\"]"), T("[\"\\uD834\\uDd\"]"), T("[\"\\uD800\\uD800\\x\"]"),
    T("[\"\\u\xE5\"]"), T("[\"\\a\"]"), T("[\"\\uqqqq\"]"), T("[\"\\\xE5\"]"),
    T("[\\u0020\"asd\"]"),
    T("[\\n]"), T("\""), T("['single quote']"), T("abc"), T("[\"\\"), T("[\"a\0a\"]"),
    T("[\"new\nline\"]"), T("[\"\t\"]"), T("\"\\UA66D\""), T("\"\"x"), T("<.>"), T("[<null>]"),
    T("[1]x"), T("[1]]"), T("[][]"), T("[] {}"), T("1 2"), T("1,2"), T("aa\""), T("\xEF\xBB\xBF"),
    T("\xEF\xBB\xBF[]"), T("\xEF\xBB\xBF{}"), T("\xFF\xFE[\0]\0"), T("\0[\0]"), T("[]\0"),
    T("[\0]"), T("\0"), T("[\f]"), T("[\v]"), T("\f[]"), T("[]\f"), T("[]\v"), T("{\"a\"\v:1}"),
    T("[\xC2\xA0]"), T("[\xE2\x81\xA0]"), T("\xE2\x81\xA0"), T("\xE5"), T("[\"\xE5\"]"),
    T("[\"\xC0\x80\"]"), T("[\"\xC0\xAF\"]"), T("[\"\xE0\x80\xAF\"]"), T("[\"\xF0\x80\x80\x80\"]"),
    T("[\"\xED\xA0\x80\"]"), T("[\"\xED\xBF\xBF\"]"), T("[\"\xF4\x90\x80\x80\"]"),
    T("[\"\xF5\x80\x80\x80\"]"), T("[\"\xFC\x80\x80\x80\x80\x80\"]"), T("[\"\x80\"]"),
    T("[\"\xC3\"]"), T("[\"\xE2\x82\"]"), T("\"\xE2\x82"), T("[\"\xFF\"]"), T("[\"\xE9\"]"),
    /* The lexer alone would take these: the rest is an unfinished token. */
    T("[] \"abc"), T("1 \"abc"), T("{} \"\\"), T("[] tru"), T("[] -"), T("[] 1."), T("null \""),
    T("True"), T("NULL"), T("undefined"), T("[1;2]"), T("[1 2]"), T("{\"a\":1 \"b\":2}"),
    T("{\"a\" 1}"), T("{,}"), T("{\"a\":}"), T("{\"a\":,}"), T("[\"a\" \"b\"]"), T("//\n1"),
    T("1 // c"), T("/* */ 1"), T("\"a\\"), T("\"a\\u"), T("\"a\\u1"), T("\"a\\u12"),
    T("\"a\\u123"), T("\"a\\u1234"), T("\x01"), T("[1\x00]"),
};
/* clang-format on */

Test(json, conformance)
{
    const struct json_node *root;
    struct json_error err;

    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        cr_expect_eq(parse(accepted[i], &all, &root, &err), 0, "should accept %.*s: %zu: %s",
                     (int)accepted[i].len, accepted[i].p, err.offset, err.text);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        cr_expect_eq(parse(refused[i], &all, &root, &err), ERR_INVALID, "should refuse %.*s",
                     (int)refused[i].len, refused[i].p);
        cr_expect_null(root);
        cr_expect_neq(err.text[0], '\0');
        cr_expect_leq(err.offset, refused[i].len);
        cr_expect_null(strstr(err.text, "not valid JSON"), "no precise reason for %.*s",
                       (int)refused[i].len, refused[i].p);
        for (const char *p = err.text; *p; p++) {
            cr_expect(*p >= 0x20 && *p < 0x7F, "error text is not printable");
        }
    }
}

/* Every beginning of a text is refused or, if it is a number, accepted. */
Test(json, every_prefix)
{
    static const char text[] = " {\"a\\u00e9\\ud83d\\ude00\":[1,-2.5e+3,\"x\\ny\xE2\x82\xAC\",true,"
                               "false,null,{\"b\":{}}],\"c\":[[]]}";
    const struct json_node *root;
    struct json_error err;

    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        cr_expect_eq(parse((struct str){text, n}, &all, &root, &err), ERR_INVALID);
        cr_expect_leq(err.offset, n);
    }
    cr_expect_eq(parse(STR_LIT(text), &all, &root, &err), 0);
}

Test(json, errors_say_where_and_what)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *say;
    } cases[] = {
        {"", 0, "the text is empty, expected a JSON value"},
        {"  ", 2, "the text is empty, expected a JSON value"},
        {"[1,,2]", 3, "unexpected ',', expected a value"},
        {"[1,]", 3, "unexpected ']', expected a value (a comma may not stand last)"},
        {"[1 2]", 3, "unexpected '2', expected ',' or ']'"},
        {"[01]", 2, "unexpected '1', a number may not begin with a zero"},
        {"{\"a\":1,}", 7,
         "unexpected '}', expected a member name in double quotes (a comma may not stand last)"},
        {"{\"a\":1 \"b\":2}", 7, "unexpected '\"', expected ',' or '}'"},
        {"{'a':1}", 1, "unexpected ''', expected a member name in double quotes or '}'"},
        {"{\"a\" 1}", 5, "unexpected '1', expected ':' after the member name"},
        {"{\"a\":'b'}", 5, "unexpected ''', expected a value (strings stand in double quotes)"},
        {"[1e]", 3, "unexpected ']', expected a digit after 'e' in a number"},
        {"-", 1, "unexpected end, expected a digit after '-' in a number"},
        {"1.", 2, "unexpected end, expected a digit after '.' in a number"},
        {"[tru]", 4, "unexpected ']', expected \"true\""},
        {"[1] x", 4, "unexpected 'x' after the value, expected the end of the text"},
        {"\"a\nb\"", 2, "control byte 0x0a in a string, write it as \\u000a"},
        {"\"a\\q\"", 3, "unexpected 'q' after '\\' in a string"},
        {"\"abc", 4, "unexpected end inside the string that begins at byte 0"},
        {"{\"k\":[true,\"x", 13, "unexpected end inside the string that begins at byte 11"},
        {"\xEF\xBB\xBF{}", 0, "a byte order mark is not allowed before JSON"},
        {"[\"ab\xFF\"]", 4, "not valid UTF-8 at this byte"},
        {"[1,\v2]", 3, "control byte 0x0b is not allowed"},
    };
    const struct json_node *root;
    struct json_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(parse(str_of(cases[i].text), &all, &root, &err), ERR_INVALID);
        cr_expect_eq(err.offset, cases[i].offset, "%s: at %zu", cases[i].text, err.offset);
        cr_expect_str_eq(err.text, cases[i].say);
    }
}

Test(json, numbers_stay_as_they_are)
{
    static const char *const numbers[] = {
        "99.99",  "123456789012345678901234567890",
        "1E400",  "-0",
        "-0.0",   "1e-7",
        "1.10",   "0.30000000000000004",
        "100",    "1E+022",
        "0e0000", "-1e-400",
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), " [ %s ,{ \"n\" : %s}]", numbers[i], numbers[i]);
        const struct json_node *root = good(text);
        cr_expect(str_eqz(root->child->raw, numbers[i]));
        cr_expect_eq(root->child->type, JSON_NUMBER);
        cr_expect(str_eqz(json_get(root->child->next, "n")->raw, numbers[i]));
        cr_expect(str_eqz(good(numbers[i])->raw, numbers[i]));
        (void)snprintf(text, sizeof(text), "  %s\n", numbers[i]);
        root = good(text);
        cr_expect(str_eqz(root->raw, numbers[i]));
        cr_expect_eq(root->offset, 2);
    }
}

Test(json, tree)
{
    static const char text[] = "{ \"z\" : [ 1 , {} ] ,\"a\\n\":\"x\\u20ac\\ud83d\\ude00\\/\", "
                               "\"t\":true,\"f\":false, \"n\":null }";
    const struct json_node *root = good(text);

    cr_assert_eq(root->type, JSON_OBJECT);
    cr_expect_eq(root->count, 5);
    cr_expect(str_eqz(root->raw, text));

    const struct json_node *n = root->child;
    cr_expect(str_eqz(n->key, "z"));
    cr_expect_eq(n->type, JSON_ARRAY);
    cr_expect(str_eqz(n->raw, "[ 1 , {} ]"));
    cr_expect_eq(n->offset, 8);
    cr_expect_eq(n->count, 2);
    cr_expect(str_eqz(n->child->raw, "1"));
    cr_expect(str_eqz(n->child->next->raw, "{}"));
    cr_expect_eq(n->child->next->count, 0);
    cr_expect_null(n->child->next->child);
    cr_expect_null(n->child->next->next);

    n = n->next;
    cr_expect(str_eqz(n->key, "a\n"));
    cr_expect(str_eqz(n->text, "x\xE2\x82\xAC\xF0\x9F\x98\x80/"));
    cr_expect(str_eqz(n->raw, "\"x\\u20ac\\ud83d\\ude00\\/\""));
    cr_expect_not(n->lone_surrogate);
    n = n->next;
    cr_expect(n->type == JSON_BOOL && n->truth);
    n = n->next;
    cr_expect(n->type == JSON_BOOL && !n->truth && str_eqz(n->raw, "false"));
    n = n->next;
    cr_expect(n->type == JSON_NULL && str_eqz(n->raw, "null"));
    cr_expect_null(n->next);
    cr_expect_null(json_get(root, "q"));
    cr_expect_null(json_get(n, "q"));
    cr_expect_eq(json_get(root, "n"), n);
}

Test(json, strings_are_decoded)
{
    static const struct {
        const char *text;
        struct str want;
        bool lone;
    } cases[] = {
        {"\"\"", T(""), false},
        {"\"plain\"", T("plain"), false},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", T("\"\\/\b\f\n\r\t"), false},
        {"\"\\u0000a\\u00e9\"", T("\0a\xC3\xA9"), false},
        {"\"\\uD834\\uDD1E!\"", T("\xF0\x9D\x84\x9E!"), false},
        {"\"\\uFFFF\\u07ff\\u0800\"", T("\xEF\xBF\xBF\xDF\xBF\xE0\xA0\x80"), false},
        {"\"\xE2\x80\xA8\"", T("\xE2\x80\xA8"), false},
        {"\"\\ud800\"", T("\xEF\xBF\xBD"), true},
        {"\"\\udc00x\"", T("\xEF\xBF\xBDx"), true},
        {"\"\\ud800\\ud800\\udc00\"", T("\xEF\xBF\xBD\xF0\x90\x80\x80"), true},
        {"\"\\ud800\\n\"", T("\xEF\xBF\xBD\n"), true},
        {"\"\\ud800\\u0041\"",
         T("\xEF\xBF\xBD"
           "A"),
         true},
        {"\"\\\\ud800\"", T("\\ud800"), false},
        {"\"\\ud800\\\\udc00\"", T("\xEF\xBF\xBD\\udc00"), true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct json_node *n = good(cases[i].text);
        cr_expect(str_eq(n->text, cases[i].want), "%s", cases[i].text);
        cr_expect_eq(n->lone_surrogate, cases[i].lone, "%s", cases[i].text);
    }
}

Test(json, tree_ends_below_its_depth)
{
    struct json_limits lim = {.max_depth = 64, .tree_depth = 2, .max_nodes = 6};
    const struct json_node *root;
    struct json_error err;

    /* Root (level 1), two members (2), their children (3): nothing deeper. */
    static const char text[] = "{\"a\":[1,[2,[3]]],\"b\":{\"c\":{\"d\\n\":[4]}}}";
    cr_assert_eq(parse(STR_LIT(text), &lim, &root, &err), 0, "%s", err.text);
    const struct json_node *deep = root->child->child->next;
    cr_expect(str_eqz(deep->raw, "[2,[3]]"));
    cr_expect_eq(deep->type, JSON_ARRAY);
    cr_expect_null(deep->child);
    cr_expect_eq(deep->count, 0);
    cr_expect(str_eqz(json_get(root->child->next, "c")->raw, "{\"d\\n\":[4]}"));

    lim.max_nodes = 5;
    cr_expect_eq(parse(STR_LIT(text), &lim, &root, &err), ERR_LIMIT);
    cr_expect_str_eq(err.text, "more than 5 values");
    cr_expect_eq(err.offset, 26);
}

Test(json, a_member_may_be_left_out)
{
    struct json_limits lim = {.max_depth = 8, .tree_depth = 8, .max_nodes = 6, .leave = "data"};
    static const char text[] = "{\"d\":{\"data\":[1]},\"data\":{\"a\":[1,{\"b\\n\":2}],\"c\":3},"
                               "\"e\":4}";
    const struct json_node *root;
    struct json_error err;

    cr_assert_eq(parse(STR_LIT(text), &lim, &root, &err), 0, "%s", err.text);
    cr_expect_eq(root->count, 3);
    cr_expect_not_null(json_get(root->child, "data")->child);
    const struct json_node *data = json_get(root, "data");
    cr_expect(str_eqz(data->raw, "{\"a\":[1,{\"b\\n\":2}],\"c\":3}"));
    cr_expect_null(data->child);
    cr_expect(str_eqz(data->next->key, "e"));
    /* Left out of the tree, but not of the checks. */
    cr_expect_eq(parse(STR_LIT("{\"data\":[1,{\"a\":[01]}]}"), &lim, &root, &err), ERR_INVALID);
    cr_expect_eq(err.offset, 18);
    lim.max_depth = 3;
    cr_expect_eq(parse(STR_LIT("{\"data\":[[[1]]]}"), &lim, &root, &err), ERR_INVALID);
    cr_expect_eq(err.offset, 10);
}

Test(json, depth_is_bounded)
{
    struct json_limits lim = {.max_depth = 3, .tree_depth = 2, .max_nodes = 100};
    const struct json_node *root;
    struct json_error err;

    cr_expect_eq(parse(STR_LIT("[[[1]]]"), &lim, &root, &err), 0);
    cr_expect_eq(parse(STR_LIT("[[[ [] ]]]"), &lim, &root, &err), ERR_INVALID);
    cr_expect_eq(err.offset, 4);
    cr_expect_str_eq(err.text, "nested deeper than 3 levels");
    cr_expect_eq(parse(STR_LIT("{\"a\":[{\"b\":{}}]}"), &lim, &root, &err), ERR_INVALID);
    cr_expect_eq(err.offset, 11);
    lim.max_depth = 0;
    cr_expect_eq(parse(STR_LIT("1"), &lim, &root, &err), 0);
    cr_expect_eq(parse(STR_LIT("[]"), &lim, &root, &err), ERR_INVALID);

    size_t n = 1000000;
    char *deep = malloc(n);
    cr_assert_not_null(deep);
    memset(deep, '[', n);
    lim.max_depth = 1000;
    cr_expect_eq(parse((struct str){deep, n}, &lim, &root, &err), ERR_INVALID);
    cr_expect_eq(err.offset, 1000);
    /* Exactly at the bound, and balanced. */
    memset(deep + 1000, ']', 1000);
    cr_expect_eq(parse((struct str){deep, 2000}, &lim, &root, &err), 0);
    lim.max_depth = 400000;
    memset(deep, '[', n / 4);
    memset(deep + n / 4, ']', n / 4);
    cr_expect_eq(parse((struct str){deep, n / 2}, &lim, &root, &err), 0);
    free(deep);
}

Test(json, large_texts_and_reuse)
{
    const struct json_node *root;
    struct json_error err;
    size_t n = 3000000;
    char *big = malloc(n + 2);

    cr_assert_not_null(big);
    memset(big, 'x', n + 2);
    big[0] = '"';
    big[n + 1] = '"';
    memcpy(big + 1, "\\n", 2);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(parse((struct str){big, n + 2}, &all, &root, &err), 0);
        cr_expect_eq(root->text.len, n - 1);
        /* Cut off inside: the copy of the token is large, too. */
        cr_assert_eq(parse((struct str){big, n}, &all, &root, &err), ERR_INVALID);
        cr_expect_eq(err.offset, n);
        cr_expect(str_eqz(good("{\"a\":\"b\\t\"}")->child->text, "b\t"));
    }
    /* Escapes only: what is decoded is largest against the source. */
    for (size_t i = 1; i < n; i += 2) {
        memcpy(big + i, "\\\\", 2);
    }
    big[n + 1] = '"';
    cr_assert_eq(parse((struct str){big, n + 2}, &all, &root, &err), 0);
    cr_expect_eq(root->text.len, n / 2);
    free(big);
}

Test(json, lengths_around_buffer_sizes)
{
    static char text[9000];
    const struct json_node *root;
    struct json_error err;

    for (size_t n = 2; n<sizeof(text) - 8; n += n> 2030 && n < 2060 ? 1 : 37) {
        memset(text, '1', sizeof(text));
        cr_assert_eq(parse((struct str){text, n}, &all, &root, &err), 0);
        cr_expect_eq(root->raw.len, n);
        text[0] = '"';
        text[1] = '\\';
        cr_assert_eq(parse((struct str){text, n}, &all, &root, &err), ERR_INVALID);
        text[1] = '1';
        text[n - 2] = '\\';
        text[n - 1] = 'n';
        cr_assert_eq(parse((struct str){text, n}, &all, &root, &err), ERR_INVALID);
    }
}

Test(json, duplicate)
{
    char text[2000] = "{";
    size_t len = 1;

    cr_expect_null(json_duplicate(good("{}")));
    cr_expect_null(json_duplicate(good("[1,1]")));
    cr_expect_null(json_duplicate(good("{\"a\":1,\"b\":{\"a\":1}}")));
    const struct json_node *d = json_duplicate(good("{\"a\":1,\"b\":2,\"\\u0062\":3,\"a\":4}"));
    cr_assert_not_null(d);
    cr_expect(str_eqz(d->key, "b") && str_eqz(d->raw, "3"));
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\"k%d\":%d,", i * 7 % 101, i);
    }
    (void)snprintf(text + len, sizeof(text) - len, "\"x\":1}");
    cr_expect_null(json_duplicate(good(text)));
    (void)snprintf(text + len, sizeof(text) - len, "\"k7\":100,\"k0\":101,\"k7\":102}");
    d = json_duplicate(good(text));
    cr_assert_not_null(d);
    cr_expect(str_eqz(d->raw, "100"));
}

Test(json, uint)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t v;
    } cases[] = {
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"5", 3, false, 0},
        {"10", 10, true, 10},
        {"11", 10, false, 0},
        {"-0", 10, false, 0},
        {"-1", 10, false, 0},
        {"1.0", 10, false, 0},
        {"1e1", 10, false, 0},
        {"\"1\"", 10, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999999", UINT64_MAX, false, 0},
        {"4294967295", UINT32_MAX, true, UINT32_MAX},
        {"4294967296", UINT32_MAX, false, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t v = 77;
        cr_expect_eq(json_uint(good(cases[i].text), cases[i].max, &v), cases[i].ok, "%s",
                     cases[i].text);
        cr_expect_eq(v, cases[i].ok ? cases[i].v : 77);
    }
}

Test(json, type_names)
{
    cr_expect_str_eq(json_type_name(JSON_NULL), "null");
    cr_expect_str_eq(json_type_name(JSON_BOOL), "true or false");
    cr_expect_str_eq(json_type_name(JSON_NUMBER), "number");
    cr_expect_str_eq(json_type_name(JSON_STRING), "string");
    cr_expect_str_eq(json_type_name(JSON_ARRAY), "array");
    cr_expect_str_eq(json_type_name(JSON_OBJECT), "object");
}

Test(json, minify)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"1", "1"},
        {" 1 ", "1"},
        {"[ ]", "[]"},
        {"{ \"a\" : [ 1 , 2.50 ] ,\r\n\t\"b c\" : \" x  y \" }",
         "{\"a\":[1,2.50],\"b c\":\" x  y \"}"},
        {"\"a \\\" b \\\\\" ", "\"a \\\" b \\\\\""},
        {"[\"\\\\\" , \" \\\\\\\" \"]", "[\"\\\\\",\" \\\\\\\" \"]"},
        {"\"\xE2\x80\xA8 \"", "\"\xE2\x80\xA8 \""},
        {"[1,\n\n2]", "[1,2]"},
        {"", ""},
        {"{\"z\":1,\"a\":2,\"z\":3}", "{\"z\":1,\"a\":2,\"z\":3}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct strbuf sb = STRBUF_INIT;
        char room[100];
        struct str in = str_of(cases[i].in);
        json_minify(&sb, in);
        cr_expect(str_eqz(strbuf_str(&sb), cases[i].out), "%s", cases[i].in);
        cr_expect_eq(json_minified_len(in), strlen(cases[i].out));
        char *end = json_put_minified(room, in);
        cr_expect(str_eqz((struct str){room, (size_t)(end - room)}, cases[i].out));
        strbuf_fini(&sb);
    }
}

Test(json, strings_are_written)
{
    static const struct {
        struct str in;
        const char *out;
    } cases[] = {
        {T(""), "\"\""},
        {T("abc"), "\"abc\""},
        {T("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
        {T("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {T("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\""},
        {T("\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80"), "\"\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct strbuf sb = STRBUF_INIT;
        char room[100];
        json_add_string(&sb, cases[i].in);
        cr_expect(str_eqz(strbuf_str(&sb), cases[i].out));
        cr_expect_eq(json_string_len(cases[i].in), strlen(cases[i].out));
        char *end = json_put_string(room, cases[i].in);
        cr_expect(str_eqz((struct str){room, (size_t)(end - room)}, cases[i].out));
        cr_expect(str_eq(good(cases[i].out)->text, cases[i].in));
        strbuf_fini(&sb);
    }
}

Test(json, lossy_strings)
{
    struct strbuf sb = STRBUF_INIT;

    json_add_lossy(&sb, STR_LIT("a\xFF\"\xE2\x82\xAC\xE2\x82"));
    cr_expect(
        str_eqz(strbuf_str(&sb), "\"a\xEF\xBF\xBD\\\"\xE2\x82\xAC\xEF\xBF\xBD\xEF\xBF\xBD\""));
    strbuf_reset(&sb);
    json_add_lossy(&sb, STR_LIT("ok\n"));
    cr_expect(str_eqz(strbuf_str(&sb), "\"ok\\n\""));
    strbuf_fini(&sb);
}
