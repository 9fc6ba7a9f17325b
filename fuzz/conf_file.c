/* conf: a configuration file. What is accepted lies within the limits of the
 * table, and gives the same when it is read again or copied; what is refused
 * gives a sentence with file and line. */
#include "fuzz.h"

#include "conf/options.h"
#include "fuzz_memfile.h"

static void check_value(const struct options *o, enum opt_id id)
{
    const struct opt_info *info = options_info(id);
    uint64_t v = 0;

    switch (id) {
#define OPTION(field, type, name, arg, def, min, max, flags, group, help) \
    case OPT_ID_##field:                                                  \
        FUZZ_NUMBER_##type(o->field);                                     \
        break;
#define FUZZ_NUMBER_UINT(x) v = (x)
#define FUZZ_NUMBER_SIZE(x) v = (x)
#define FUZZ_NUMBER_TIME(x) v = (x)
#define FUZZ_NUMBER_ENUM(x) v = (x)
#define FUZZ_NUMBER_BOOL(x) v = (x)
#define FUZZ_NUMBER_ACTION(x) v = (x)
#define FUZZ_NUMBER_STRING(x) FUZZ_CHECK((x) != NULL)
#define FUZZ_NUMBER_LIST(x) FUZZ_CHECK((x).n == 0 || (x).items != NULL)
#include "conf/options.def"
#undef OPTION
    default:
        break;
    }
    if (info->type == OPT_UINT || info->type == OPT_SIZE || info->type == OPT_TIME) {
        FUZZ_CHECK(v >= info->min && v <= info->max, "%s: %llu", info->name, (unsigned long long)v);
    }
    if (info->flags & OPT_CLI) {
        FUZZ_CHECK(o->source[id] == OPT_FROM_DEFAULT, "%s came from a file", info->name);
    }
}

static void check_same(const struct options *a, const struct options *b)
{
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        FUZZ_CHECK(options_same(a, b, (enum opt_id)id), "%s", options_info((enum opt_id)id)->name);
        check_value(a, (enum opt_id)id);
    }
}

/* What other parts ask of options that passed all checks. */
static void use(const struct options *o)
{
    struct str names[] = {STR_LIT("a"), STR_LIT("private-a.b"), STR_LIT("orders.*"), STR_LIT(">")};

    for (unsigned i = 0; i < 2; i++) {
        (void)options_slow_client(o, names[i]);
        struct history_rule h = options_channel_history(o, names[i]);
        FUZZ_CHECK(h.count == 0 || h.bytes != 0, "history without room");
    }
    for (unsigned i = 0; i < 4; i++) {
        FUZZ_CHECK(options_subscribe_who(o, names[i]) <= WHO_NOBODY);
    }
    for (unsigned i = 0; i < o->listen.n; i++) {
        struct listen_addr a;
        struct errmsg why;
        FUZZ_CHECK(options_parse_listen(o->listen.items[i], &a, &why) == 0, "%s", why.text);
    }
    (void)options_store_path(o);
    (void)options_have_keys(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_memfile(data, size);
    struct options first, second, copy;
    struct errmsg why = {""};
    int rc;

    FUZZ_CHECK(options_init(&first) == 0 && options_init(&second) == 0);
    rc = options_load_file(&first, path, &why);
    if (rc != 0) {
        FUZZ_CHECK(strncmp(why.text, path, strlen(path)) == 0, "%s", why.text);
        fuzz_controls(why.text);
    } else {
        FUZZ_CHECK(options_load_file(&second, path, &why) == 0, "%s", why.text);
        check_same(&first, &second);
        FUZZ_CHECK(options_copy(&copy, &first) == 0);
        check_same(&first, &copy);
        rc = options_check(&copy, &why);
        if (rc == 0) {
            use(&copy);
        } else {
            fuzz_controls(why.text);
        }
        options_fini(&copy);
    }
    options_fini(&first);
    options_fini(&second);
    return 0;
}
