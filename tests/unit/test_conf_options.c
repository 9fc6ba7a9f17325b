/* Options: every type, limits, sources in any order, taking over. */
#include "support_conf.h"

TestSuite(conf_options, .init = setup, .fini = teardown);

#define SAYS(text_) cr_assert_str_eq(why.text, text_)

Test(conf_options, every_default_is_what_the_table_says)
{
    cr_assert_eq(o.listen.n, 1);
    cr_assert_str_eq(o.listen.items[0], "127.0.0.1:8080");
    cr_assert_str_eq(o.unix_mode, "660");
    cr_assert_eq(o.allow_origin.n, 0);
    cr_assert_eq(o.demo, false);
    cr_assert_eq(o.heartbeat, 30000);
    cr_assert_eq(o.max_body, 4u << 20);
    cr_assert_eq(o.max_batch, 10000);
    cr_assert_eq(o.slow_client, SLOW_DISCONNECT);
    cr_assert_eq(o.log_level, 2);
    cr_assert_str_eq(o.log_file, "-");
    cr_assert_str_eq(o.config, "");
    cr_assert_eq(options_check(&o, &why), 0, "%s", why.text);
}

Test(conf_options, the_table_is_sound)
{
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        const struct opt_info *info = options_info((enum opt_id)id);
        cr_assert_eq(options_find(info->name), id, "%s twice", info->name);
        cr_assert_leq(info->min, info->max, "%s", info->name);
        cr_assert(info->type != OPT_UINT || info->max <= UINT32_MAX, "%s", info->name);
        cr_assert_eq(info->name[strspn(info->name, "abcdefghijklmnopqrstuvwxyz-")], '\0');
        cr_assert_eq(info->help[strlen(info->help) - 1], '.', "%s", info->name);
    }
    cr_assert_eq(options_find("max_body"), OPT_ID_COUNT);
    cr_assert_eq(options_find(""), OPT_ID_COUNT);
}

Test(conf_options, switches)
{
    static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True"};
    static const char *const no[] = {"no", "false", "off", "0", "No", "OFF"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        cr_assert_eq(set("demo", yes[i]), 0);
        cr_assert(o.demo);
        cr_assert_eq(set("demo", no[i]), 0);
        cr_assert_not(o.demo);
    }
    cr_assert_eq(set("demo", "maybe"), ERR_INVALID);
    SAYS("demo: \"maybe\" is neither yes nor no");
    cr_assert_eq(set("demo", ""), ERR_INVALID);
}

Test(conf_options, whole_numbers_and_their_limits)
{
    cr_assert_eq(set("shards", "64"), 0);
    cr_assert_eq(o.shards, 64);
    cr_assert_eq(set("shards", "0"), 0);
    cr_assert_eq(o.shards, 0);
    cr_assert_eq(set("shards", "007"), 0);
    cr_assert_eq(o.shards, 7);
    cr_assert_eq(set("shards", "65"), ERR_RANGE);
    SAYS("shards: 65 is outside its limits, 0 to 64");
    cr_assert_eq(set("max-batch", "0"), ERR_RANGE);
    cr_assert_eq(set("shards", "99999999999999999999999"), ERR_RANGE);
    cr_assert_eq(set("shards", "4294967297"), ERR_RANGE);
    static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "0x10", "1.5", "1k", "k"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(set("shards", wrong[i]), ERR_INVALID, "\"%s\"", wrong[i]);
    }
    SAYS("shards: \"k\" is not a whole number");
    cr_assert_eq(o.shards, 7, "errors change nothing");
}

Test(conf_options, sizes)
{
    cr_assert_eq(set("max-body", "65536"), 0);
    cr_assert_eq(o.max_body, 65536);
    cr_assert_eq(set("max-body", "8k"), 0);
    cr_assert_eq(o.max_body, 8192);
    cr_assert_eq(set("max-body", "2M"), 0);
    cr_assert_eq(o.max_body, 2u << 20);
    cr_assert_eq(set("max-body", "1g"), 0);
    cr_assert_eq(o.max_body, 1u << 30);
    cr_assert_eq(set("max-body", "2g"), ERR_RANGE);
    SAYS("max-body: 2g is outside its limits, 1k to 1g");
    cr_assert_eq(set("max-body", "1023"), ERR_RANGE);
    cr_assert_eq(set("max-body", "18446744073709551616"), ERR_RANGE);
    cr_assert_eq(set("max-body", "17179869184g"), ERR_RANGE, "2^64 must not wrap to 0");
    cr_assert_eq(set("send-buffer", "0"), 0);
    cr_assert_eq(o.send_buffer, 0);
    static const char *const wrong[] = {"", "k", "1kb", "1 k", "1t", "-1k", "1.5m", "1s"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(set("max-body", wrong[i]), ERR_INVALID, "\"%s\"", wrong[i]);
    }
    SAYS("max-body: \"1s\" is not a size; write a whole number of bytes, or with k, m or g, such "
         "as 64k");
}

Test(conf_options, times)
{
    cr_assert_eq(set("heartbeat", "5"), 0);
    cr_assert_eq(o.heartbeat, 5000, "a plain number is seconds");
    cr_assert_eq(set("heartbeat", "1500ms"), 0);
    cr_assert_eq(o.heartbeat, 1500);
    cr_assert_eq(set("heartbeat", "2m"), 0);
    cr_assert_eq(o.heartbeat, 120000);
    cr_assert_eq(set("heartbeat", "1h"), 0);
    cr_assert_eq(o.heartbeat, 3600000);
    cr_assert_eq(set("heartbeat", "3600001ms"), ERR_RANGE);
    SAYS("heartbeat: 3600001ms is outside its limits, 1s to 1h");
    cr_assert_eq(set("heartbeat", "999ms"), ERR_RANGE);
    cr_assert_eq(set("heartbeat", "5124095576030h"), ERR_RANGE, "must not wrap");
    cr_assert_eq(set("drain", "0"), 0);
    cr_assert_eq(o.drain, 0);
    static const char *const wrong[] = {"", "s", "1.5s", "1 s", "1d", "-1s", "1sec", "1k"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(set("heartbeat", wrong[i]), ERR_INVALID, "\"%s\"", wrong[i]);
    }
}

Test(conf_options, choices_suggest_the_nearest)
{
    cr_assert_eq(set("slow-client", "drop-oldest"), 0);
    cr_assert_eq(o.slow_client, SLOW_DROP_OLDEST);
    cr_assert_eq(set("slow-client", "drop_oldest"), ERR_INVALID);
    SAYS("slow-client: \"drop_oldest\" is not one of disconnect|drop-oldest|conflate; did you mean "
         "drop-oldest?");
    cr_assert_eq(set("log-level", "purple"), ERR_INVALID);
    SAYS("log-level: \"purple\" is not one of error|warn|info|debug");
    cr_assert_eq(set("log-level", ""), ERR_INVALID);
    cr_assert_eq(set("log-level", "error|warn"), ERR_INVALID);
    cr_assert_eq(set("log-level", "error"), 0);
    cr_assert_eq(o.log_level, 0);
}

Test(conf_options, strings)
{
    cr_assert_eq(set("log-file", "/var/log/x y"), 0);
    cr_assert_str_eq(o.log_file, "/var/log/x y");
    cr_assert_eq(set("log-file", ""), ERR_INVALID);
    cr_assert_eq(set("log-file", "a\nb"), ERR_INVALID);
    SAYS("log-file: \"a?b\" has a control character");
    cr_assert_str_eq(o.log_file, "/var/log/x y");
}

Test(conf_options, unix_mode_is_octal)
{
    cr_assert_eq(set("unix-mode", "0"), 0);
    cr_assert_eq(set("unix-mode", "777"), 0);
    cr_assert_eq(set("unix-mode", "0640"), 0);
    cr_assert_eq(set("unix-mode", ""), ERR_INVALID);
    cr_assert_eq(set("unix-mode", "680"), ERR_INVALID);
    cr_assert_eq(set("unix-mode", "rw"), ERR_INVALID);
    cr_assert_eq(set("unix-mode", "1777"), ERR_RANGE);
    cr_assert_eq(set("unix-mode", "00660"), ERR_RANGE);
}

Test(conf_options, unknown_names_get_the_nearest)
{
    cr_assert_eq(set("hartbeat", "1"), ERR_NOT_FOUND);
    SAYS("unknown option hartbeat; did you mean heartbeat?");
    cr_assert_eq(set("--hartbeat", "1"), ERR_NOT_FOUND);
    SAYS("unknown option --hartbeat; did you mean --heartbeat?");
    cr_assert_eq(set("--heartbeat", "1"), ERR_NOT_FOUND);
    SAYS("unknown option --heartbeat; did you mean heartbeat?");
    cr_assert_eq(set("max_body", "1"), ERR_NOT_FOUND);
    SAYS("unknown option max_body; did you mean max-body?");
    cr_assert_eq(set("xyzzy-nothing-like-it", "1"), ERR_NOT_FOUND);
    SAYS("unknown option xyzzy-nothing-like-it; fanfare --help lists them all");
    cr_assert_eq(set("verison", "1"), ERR_NOT_FOUND);
    SAYS("unknown option verison; did you mean version?");
    cr_assert_eq(options_set(&o, "verison", "1", OPT_FROM_FILE, &why), ERR_NOT_FOUND);
    cr_assert_null(strstr(why.text, "did you mean version"), "not in a file");
    cr_assert_eq(set("test-ws-ech", "1"), ERR_NOT_FOUND);
    cr_assert_null(strstr(why.text, "test-ws-echo"), "hidden");
    cr_assert_eq(set("", "1"), ERR_NOT_FOUND);
}

Test(conf_options, actions_cannot_be_set)
{
    cr_assert_eq(set("version", "yes"), ERR_INVALID);
    SAYS("version: is for the command line only");
}

Test(conf_options, outside_bytes_cannot_forge_a_line)
{
    char huge[4096];
    memset(huge, 'a', sizeof huge);
    huge[sizeof huge - 1] = '\0';
    cr_assert_eq(set(huge, "1"), ERR_NOT_FOUND);
    cr_assert_lt(strlen(why.text), sizeof why.text);
    cr_assert_eq(set("shards", huge), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "...\" is not a whole number"));
    cr_assert_eq(set("shards", "1\n2\x1b[0m\x7f"), ERR_INVALID);
    SAYS("shards: \"1?2?[0m?\" is not a whole number");
    cr_assert_eq(options_set(&o, "shards", "x", OPT_FROM_SET, NULL), ERR_INVALID);
}

/* ---- sources ------------------------------------------------------------- */

Test(conf_options, the_later_source_wins_in_any_order)
{
    static const enum opt_source order[6][3] = {
        {OPT_FROM_FILE, OPT_FROM_ENV, OPT_FROM_SET}, {OPT_FROM_FILE, OPT_FROM_SET, OPT_FROM_ENV},
        {OPT_FROM_ENV, OPT_FROM_FILE, OPT_FROM_SET}, {OPT_FROM_ENV, OPT_FROM_SET, OPT_FROM_FILE},
        {OPT_FROM_SET, OPT_FROM_FILE, OPT_FROM_ENV}, {OPT_FROM_SET, OPT_FROM_ENV, OPT_FROM_FILE}};
    static const char *const number[] = {"", "1", "2", "3"};
    static const char *const address[] = {"", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"};
    static const char *const path[] = {"", "/one", "/two", "/three"};
    static const char *const level[] = {"", "error", "warn", "debug"};
    for (size_t i = 0; i < 6; i++) {
        struct options x;
        cr_assert_eq(options_init(&x), 0);
        for (size_t k = 0; k < 3; k++) {
            enum opt_source from = order[i][k];
            cr_assert_eq(options_set(&x, "shards", number[from], from, NULL), 0);
            cr_assert_eq(options_set(&x, "retry", number[from], from, NULL), 0);
            cr_assert_eq(options_set(&x, "ws-path", path[from], from, NULL), 0);
            cr_assert_eq(options_set(&x, "log-level", level[from], from, NULL), 0);
            cr_assert_eq(options_set(&x, "listen", address[from], from, NULL), 0);
            cr_assert_eq(options_set(&x, "demo", from == OPT_FROM_SET ? "yes" : "no", from, NULL),
                         0);
        }
        cr_assert_eq(x.shards, 3);
        cr_assert_eq(x.retry, 3000);
        cr_assert_str_eq(x.ws_path, "/three");
        cr_assert_eq(x.log_level, 3);
        cr_assert_eq(x.listen.n, 1);
        cr_assert_str_eq(x.listen.items[0], "127.0.0.1:3");
        cr_assert(x.demo);
        cr_assert_eq(x.source[OPT_ID_shards], OPT_FROM_SET);
        cr_assert_eq(x.source[OPT_ID_heartbeat], OPT_FROM_DEFAULT);
        options_fini(&x);
    }
}

Test(conf_options, an_overruled_value_is_checked_all_the_same)
{
    cr_assert_eq(set("shards", "3"), 0);
    cr_assert_eq(options_set(&o, "shards", "65", OPT_FROM_FILE, &why), ERR_RANGE);
    cr_assert_eq(set("listen", "127.0.0.1:0"), 0);
    cr_assert_eq(options_set(&o, "listen", "nonsense", OPT_FROM_FILE, &why), ERR_INVALID);
    cr_assert_eq(o.listen.n, 1);
}

Test(conf_options, lists_gather_replace_and_empty)
{
    cr_assert_eq(options_set(&o, "listen", "127.0.0.1:1", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(o.listen.n, 1, "the default gives way");
    cr_assert_eq(options_set(&o, "listen", "[::1]:2", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(o.listen.n, 2);
    cr_assert_str_eq(o.listen.items[0], "127.0.0.1:1");
    cr_assert_str_eq(o.listen.items[1], "[::1]:2");
    cr_assert_eq(options_set(&o, "listen", "unix:/x", OPT_FROM_ENV, NULL), 0);
    cr_assert_eq(o.listen.n, 1, "a later source replaces");
    cr_assert_eq(options_set(&o, "listen", "127.0.0.1:3", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(o.listen.n, 1, "an earlier one does not count");
    cr_assert_eq(options_set(&o, "listen", "", OPT_FROM_ENV, NULL), 0);
    cr_assert_eq(o.listen.n, 0);
    cr_assert_eq(options_set(&o, "listen", "127.0.0.1:4", OPT_FROM_ENV, NULL), 0);
    cr_assert_eq(o.listen.n, 1);
    cr_assert_eq(set("allow-origin", ""), 0);
    cr_assert_eq(options_set(&o, "allow-origin", "https://a.example", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(o.allow_origin.n, 0, "emptied for good by the later source");
}

/* ---- copies and taking over ---------------------------------------------- */

Test(conf_options, a_copy_is_its_own)
{
    struct options copy;
    cr_assert_eq(set("listen", "127.0.0.1:1"), 0);
    cr_assert_eq(set("ws-path", "/live"), 0);
    cr_assert_eq(options_copy(&copy, &o), 0);
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        cr_assert(options_same(&copy, &o, (enum opt_id)id));
    }
    cr_assert_eq(set("listen", "127.0.0.1:2"), 0);
    cr_assert_eq(set("ws-path", "/other"), 0);
    cr_assert_eq(copy.listen.n, 1);
    cr_assert_str_eq(copy.ws_path, "/live");
    cr_assert_not(options_same(&copy, &o, OPT_ID_listen));
    cr_assert_not(options_same(&copy, &o, OPT_ID_ws_path));
    cr_assert_eq(options_set(&copy, "ws-path", "/file", OPT_FROM_FILE, NULL), 0);
    cr_assert_str_eq(copy.ws_path, "/live", "sources are copied too");
    options_fini(&copy);
}

Test(conf_options, a_reload_takes_live_values_only)
{
    struct options next;
    unsigned ignored = 99;
    cr_assert_eq(options_init(&next), 0);
    cr_assert_eq(options_apply_live(&o, &next, &ignored), 0);
    cr_assert_eq(ignored, 0);
    cr_assert_eq(set("heartbeat", "7s"), 0);
    cr_assert_eq(options_set(&next, "retry", "9s", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(options_set(&next, "allow-origin", "https://a.example", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(options_set(&next, "slow-client", "drop-oldest", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(options_set(&next, "shards", "5", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(options_set(&next, "ws-path", "/sock", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(options_set(&next, "listen", "127.0.0.1:9", OPT_FROM_FILE, NULL), 0);
    cr_assert_eq(options_set(&next, "config", "/some/file", OPT_FROM_SET, NULL), 0);
    cr_assert_eq(options_apply_live(&o, &next, &ignored), 0);
    cr_assert_eq(o.heartbeat, 30000, "what is no longer given is the default again");
    cr_assert_eq(o.retry, 9000);
    cr_assert_eq(o.slow_client, SLOW_DROP_OLDEST);
    cr_assert_eq(o.allow_origin.n, 1);
    cr_assert_str_eq(o.allow_origin.items[0], "https://a.example");
    cr_assert_eq(o.shards, 0);
    cr_assert_str_eq(o.ws_path, "/ws");
    cr_assert_str_eq(o.listen.items[0], "127.0.0.1:8080");
    cr_assert_eq(ignored, 3, "shards, ws-path and listen; config is nobody's business");
    cr_assert_eq(next.allow_origin.n, 1, "the source keeps its own");
    options_fini(&next);
}

Test(conf_options, fini_is_fine_with_nothing)
{
    struct options empty;
    memset(&empty, 0, sizeof empty);
    options_fini(&empty);
    options_fini(&empty);
}
