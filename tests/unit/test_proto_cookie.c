/* proto/cookie.h */
#include "proto/cookie.h"

#include <criterion/criterion.h>

static struct str value;

static unsigned find(const char *header)
{
    return cookie_find(str_of(header), STR_LIT("session"), &value);
}

Test(proto_cookie, one)
{
    static const struct {
        const char *header, *value;
    } cases[] = {
        {"session=x", "x"},
        {"session=", ""},
        {"a=b; session=x", "x"},
        {"a=b;session=x", "x"},
        {"session=x; a=b", "x"},
        {"a=session; session=x", "x"},
        {"xsession=y; session=x", "x"},
        {"session2=y; session=x", "x"},
        {" session = x ;", "x"},
        {"session=\"x y\"", "x y"},
        {"session=\"", "\""},
        {"session=a=b==", "a=b=="},
        {"session", ""},
        {"a=b; session ;c=d", ""},
        {"sessions; session=x", "x"},
        {"; ;;=;session=x", "x"},
        {"a=1,session=y; session=x", "x"}, /* a comma divides nothing */
        {"\tsession=x\t", "x"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(find(cases[i].header), 1, "%s", cases[i].header);
        cr_assert(str_eqz(value, cases[i].value), "%s: %.*s", cases[i].header, (int)value.len,
                  value.p);
    }
}

Test(proto_cookie, none)
{
    static const char *const cases[] = {
        "",          "sessions",   "Session",    "Session=x",    "SESSION=x",
        "a=session", "sessio=n",   "session2=x", "=session",     ";",
        "a=\"b",     "s ession=x", "a=b; c=d",   "a=b,session=x"};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(find(cases[i]), 0, "%s", cases[i]);
        cr_assert_eq(value.len, 0);
    }
}

Test(proto_cookie, twice)
{
    cr_assert_eq(find("session=x; session=y"), 2);
    cr_assert(str_eqz(value, "x"), "the first");
    cr_assert_eq(find("session=x; session=x;session=x"), 3);
    cr_assert_eq(find("session=x; session"), 2);
    cr_assert_eq(find("session; session=x"), 2);
    cr_assert_eq(value.len, 0);
}

Test(proto_cookie, names)
{
    cr_assert(cookie_name_ok(STR_LIT("__Host-session")));
    cr_assert(cookie_name_ok(STR_LIT("a.b!#$%&'*+^`|~")));
    cr_assert_not(cookie_name_ok(STR_NONE));
    cr_assert_not(cookie_name_ok(STR_LIT("a b")));
    cr_assert_not(cookie_name_ok(STR_LIT("a=b")));
    cr_assert_not(cookie_name_ok(STR_LIT("a;b")));
    cr_assert_not(cookie_name_ok(STR_LIT("caf\xc3\xa9")));
    cr_assert_not(cookie_name_ok(((struct str){"a\0b", 3})));
}
