/* Options: secrets do not stay behind in freed memory. */
#include "conf/options.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHER_MALLOC 1
#endif

#define SECRET "the-first-secret-of-32-characters"
#define SECOND "the-second-secret-of-32-characters"

#ifdef OTHER_MALLOC

Test(conf_zeroed, freed_secrets)
{
    cr_skip_test("the sanitizer has its own malloc");
}

#else

/* Every free of the program comes here: how many blocks still had a secret. */
static volatile bool watch;
static volatile int left_behind, freed;

void __libc_free(void *p);

__attribute__((visibility("default"))) void free(void *ptr)
{
    if (watch && ptr != NULL) {
        freed++;
        left_behind += memmem(ptr, malloc_usable_size(ptr), "-secret-of-", 11) != NULL;
    }
    __libc_free(ptr);
}

static void is_clean(const char *what)
{
    watch = false;
    cr_expect_gt(freed, 0, "%s: nothing was freed", what);
    cr_expect_eq(left_behind, 0, "%s: %d", what, left_behind);
    freed = left_behind = 0;
}

Test(conf_zeroed, the_test_would_see_it)
{
    char *text = strdup(SECRET);
    watch = true;
    free(text);
    watch = false;
    cr_expect_eq(left_behind, 1);
}

Test(conf_zeroed, freed_secrets)
{
    static const char *const names[] = {"api-key", "token-secret", "channel-secret"};
    struct options o, copy;
    struct errmsg why;
    unsigned ignored;
    cr_assert_eq(options_init(&o), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert_eq(options_set(&o, names[i], SECRET, OPT_FROM_SET, &why), 0);
        watch = true;
        cr_assert_eq(options_set(&o, names[i], SECOND, OPT_FROM_SET, &why), 0);
        is_clean(names[i]);
    }
    cr_assert_eq(options_copy(&copy, &o), 0);
    watch = true;
    cr_assert_eq(options_apply_live(&o, &copy, &ignored), 0);
    is_clean("taking over");
    watch = true;
    options_fini(&copy);
    is_clean("copy");
    watch = true;
    options_fini(&o);
    is_clean("end");
}

Test(conf_zeroed, lines_of_a_file)
{
    char path[] = "/tmp/fanfare-conf-XXXXXX";
    struct options o;
    struct errmsg why;
    FILE *f = fdopen(mkstemp(path), "w");
    cr_assert_not_null(f);
    fputs("api-key = " SECRET "\n", f);
    fclose(f);
    cr_assert_eq(options_init(&o), 0);
    watch = true;
    int rc = options_load_file(&o, path, &why);
    watch = false;
    remove(path);
    cr_assert_eq(rc, 0, "%s", why.text);
    cr_expect_str_eq(o.api_key, SECRET);
    watch = true;
    options_fini(&o);
    is_clean("file");
}

#endif
