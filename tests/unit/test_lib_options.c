#include "support_gateway.h"

static struct fanfare_options *o;
static struct fanfare_why why;

static void start(void)
{
    cr_assert_eq(fanfare_options_new(&o), 0);
}

static void stop(void)
{
    fanfare_options_free(o);
}

TestSuite(options, .init = start, .fini = stop);

Test(options, errors_have_texts)
{
    for (int code = FANFARE_OK; code >= FANFARE_ERR_CLOSED; code--) {
        cr_assert_not_null(fanfare_strerror(code));
        cr_assert_gt(strlen(fanfare_strerror(code)), 1);
    }
    cr_assert_not_null(fanfare_strerror(-1000));
    cr_assert_not_null(fanfare_strerror(1));
}

Test(options, version)
{
    int a, b, c;

    cr_assert_eq(sscanf(fanfare_version(), "%d.%d.%d", &a, &b, &c), 3);
}

Test(options, info_goes_through_all)
{
    struct fanfare_option_info i;
    size_t n = 0, lists = 0, actions = 0, live = 0;

    while (fanfare_options_info(n, &i) == 0) {
        cr_assert_not_null(i.name);
        cr_assert_gt(strlen(i.help), 5, "%s", i.name);
        cr_assert_gt(strlen(i.group), 2, "%s", i.name);
        cr_assert_not_null(i.argument);
        cr_assert_not_null(i.default_value);
        cr_assert(i.is_switch ? !*i.argument : *i.argument, "%s", i.name);
        cr_assert(!i.is_action || i.cli_only, "%s", i.name);
        lists += i.is_list != 0;
        actions += i.is_action != 0;
        live += i.live != 0;
        n++;
    }
    cr_assert_gt(n, 30);
    cr_assert_eq(lists, 18);
    cr_assert_eq(actions, 3);
    cr_assert_gt(live, 10);
    cr_assert_eq(fanfare_options_info(n + 1, &i), FANFARE_ERR_NOT_FOUND);
    cr_assert_eq(fanfare_options_info(SIZE_MAX, &i), FANFARE_ERR_NOT_FOUND);
}

/* Every default is a value that its own option takes. */
Test(options, defaults_can_be_set)
{
    struct fanfare_option_info i;

    for (size_t n = 0; fanfare_options_info(n, &i) == 0; n++) {
        if (!i.is_action && !i.cli_only) {
            cr_assert_eq(fanfare_options_set(o, i.name, i.default_value, &why), 0, "%s: %s", i.name,
                         why.text);
        }
    }
    cr_assert_eq(fanfare_options_check(o, &why), 0, "%s", why.text);
}

Test(options, set)
{
    cr_assert_eq(fanfare_options_set(o, "max-body", "1m", &why), 0);
    cr_assert_eq(fanfare_options_set(o, "heartbeat", "15s", NULL), 0);
    cr_assert_eq(fanfare_options_set(o, "demo", "yes", NULL), 0);
}

Test(options, set_refuses)
{
    cr_assert_eq(fanfare_options_set(o, "max-boddy", "1m", &why), FANFARE_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(why.text, "max-body"), "%s", why.text);
    cr_assert_eq(fanfare_options_set(o, "max-boddy", "1m", NULL), FANFARE_ERR_NOT_FOUND);
    cr_assert_eq(fanfare_options_set(o, "max-body", "much", &why), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_options_set(o, "max-body", "1", &why), FANFARE_ERR_RANGE);
    cr_assert_not_null(strstr(why.text, "max-body"), "%s", why.text);
    cr_assert_eq(fanfare_options_set(o, "slow-client", "hope", &why), FANFARE_ERR_INVALID);
    cr_assert_eq(fanfare_options_set(o, "demo", "maybe", &why), FANFARE_ERR_INVALID);
    cr_assert_neq(fanfare_options_set(o, "help", "yes", &why), 0, "actions are not options");
    cr_assert_neq(fanfare_options_set(o, "", "1", &why), 0);
}

Test(options, check_finds_what_no_single_value_shows)
{
    cr_assert_eq(fanfare_options_check(o, &why), 0, "%s", why.text);
    gw_set(o, "max-body", "1k");
    gw_set(o, "max-message", "1m");
    cr_assert_neq(fanfare_options_check(o, &why), 0);
    cr_assert_not_null(strstr(why.text, "max-message"), "%s", why.text);
    cr_assert_neq(fanfare_options_check(o, NULL), 0);
}

Test(options, addresses_that_need_insecure_open)
{
    gw_set(o, "listen", "0.0.0.0:0");
    cr_assert_neq(fanfare_options_check(o, &why), 0);
    cr_assert_not_null(strstr(why.text, "insecure-open"), "%s", why.text);
    gw_set(o, "insecure-open", "yes");
    cr_assert_eq(fanfare_options_check(o, &why), 0, "%s", why.text);
}

Test(options, environment_and_file_lose)
{
    char path[] = "/tmp/fanfare-test-XXXXXX";
    static const char text[] = "heartbeat = 7s\nmax-body = 2m\nshards = 3\n";
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    close(fd);
    setenv("FANFARE_MAX_BODY", "3m", 1);
    setenv("FANFARE_SHARDS", "4", 1);
    gw_set(o, "shards", "5");
    cr_assert_eq(fanfare_options_load_env(o, &why), 0, "%s", why.text);
    cr_assert_eq(fanfare_options_load_file(o, path, &why), 0, "%s", why.text);
    unlink(path);
    gw_set(o, "listen", "127.0.0.1:0");
    gw_set(o, "log-file", "/dev/null");
    {
        struct fanfare *gw;
        cr_assert_eq(fanfare_new(o, &gw, &why), 0, "%s", why.text);
        gw_run(gw);
        cr_assert_eq(gw_stats(gw).shards, 5, "what was set wins");
        fanfare_free(gw);
    }
}

Test(options, bad_file_and_environment)
{
    cr_assert_neq(fanfare_options_load_file(o, "/nonexistent/fanfare.conf", &why), 0);
    cr_assert_not_null(strstr(why.text, "/nonexistent/fanfare.conf"), "%s", why.text);
    setenv("FANFARE_MAX_BODDY", "3m", 1);
    cr_assert_neq(fanfare_options_load_env(o, &why), 0);
    cr_assert_not_null(strstr(why.text, "FANFARE_MAX_BODDY"), "%s", why.text);
    unsetenv("FANFARE_MAX_BODDY");
    setenv("FANFARE_MAX_BODY", "x", 1);
    cr_assert_neq(fanfare_options_load_env(o, NULL), 0);
}

Test(options, free_of_nothing)
{
    fanfare_options_free(NULL);
}
