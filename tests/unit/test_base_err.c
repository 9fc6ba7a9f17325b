#include "base/err.h"

#include <criterion/criterion.h>
#include <string.h>

Test(err, every_code_has_its_own_text)
{
    for (int code = ERR_MOVED; code <= ERR_OK; code++) {
        const char *text = err_text(code);
        cr_assert_str_neq(text, "unknown error", "code %d", code);
        for (int other = ERR_MOVED; other < code; other++) {
            cr_assert_str_neq(text, err_text(other), "codes %d and %d", code, other);
        }
    }
    cr_assert_str_eq(err_text(1), "unknown error");
    cr_assert_str_eq(err_text(ERR_MOVED - 1), "unknown error");
}

Test(err, errmsg_formats_and_returns_the_code)
{
    struct errmsg m;
    cr_assert_eq(errmsg_set(&m, ERR_RANGE, "%s is %d", "port", 70000), ERR_RANGE);
    cr_assert_str_eq(m.text, "port is 70000");
    cr_assert_eq(errmsg_set(NULL, ERR_BUSY, "%s", "unseen"), ERR_BUSY);
}

Test(err, errmsg_truncates)
{
    char big[1000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    struct errmsg m;
    cr_assert_eq(errmsg_set(&m, ERR_INVALID, "%s", big), ERR_INVALID);
    cr_assert_eq(strlen(m.text), sizeof m.text - 1);
}
