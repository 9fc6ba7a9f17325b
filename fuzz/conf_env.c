/* conf: environment variables, and single options as on the command line. Input:
 * lines NAME=VALUE; one without FANFARE_ in front is an option and its value. */
#include "fuzz.h"

#include "conf/options.h"
#include "fuzz_memfile.h"

#define MAX_LINES 32

static void check_env(char *const *env)
{
    struct options o, again;
    struct errmsg why = {""};

    FUZZ_CHECK(options_init(&o) == 0 && options_init(&again) == 0);
    if (options_load_env(&o, env, &why) != 0) {
        fuzz_controls(why.text);
    } else {
        FUZZ_CHECK(options_load_env(&again, env, &why) == 0, "%s", why.text);
        for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
            FUZZ_CHECK(options_same(&o, &again, (enum opt_id)id));
        }
        if (options_check(&o, &why) != 0) {
            fuzz_controls(why.text);
        }
    }
    options_fini(&o);
    options_fini(&again);
}

/* A value that is refused leaves the option as it was. */
static void check_set(const char *line)
{
    char *name = strdup(line);
    static struct options before; /* what no input changes is made once */
    struct options o;
    struct errmsg why = {""};
    const char *value = "";

    FUZZ_CHECK(before.source || options_init(&before) == 0);
    FUZZ_CHECK(name && options_init(&o) == 0);
    char *eq = strchr(name, '=');
    if (eq) {
        *eq = '\0';
        value = eq + 1;
    }
    int rc = options_set(&o, name, value, OPT_FROM_SET, &why);
    if (rc != 0) {
        fuzz_controls(why.text);
        for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
            FUZZ_CHECK(options_same(&o, &before, (enum opt_id)id), "%s changed", name);
        }
    } else {
        FUZZ_CHECK(options_find(name) != OPT_ID_COUNT, "there is no %s", name);
    }
    options_fini(&o);
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    char *env[MAX_LINES + 1] = {NULL};
    unsigned n = 0;

    while (in.n && n < MAX_LINES) {
        char *line = fuzz_cstr(fuzz_line(&in));
        if (strncmp(line, "FANFARE_", 8) == 0) {
            env[n++] = line;
        } else {
            check_set(line);
            free(line);
        }
    }
    check_env(env);
    for (unsigned i = 0; i < n; i++) {
        free(env[i]);
    }
    return 0;
}
