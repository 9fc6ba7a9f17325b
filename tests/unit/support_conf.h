/* support_conf.h - one set of options, new for each test, for the tests of src/conf:
 * TestSuite(name, .init = setup, .fini = teardown). */
#ifndef FF_TESTS_SUPPORT_CONF_H
#define FF_TESTS_SUPPORT_CONF_H

#include "conf/options.h"

#include <criterion/criterion.h>
#include <string.h>

static struct options o;
static struct errmsg why;

static inline void setup(void)
{
    memset(&why, 0, sizeof why);
    cr_assert_eq(options_init(&o), 0);
}

static inline void teardown(void)
{
    options_fini(&o);
}

static inline int set(const char *name, const char *value)
{
    why.text[0] = '\0';
    return options_set(&o, name, value, OPT_FROM_SET, &why);
}

#endif
