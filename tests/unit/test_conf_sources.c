/* Options out of a file and out of the environment. */
#include "conf/options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct options o;
static struct errmsg why;
static char path[] = "/tmp/fanfare-conf-XXXXXX";

static void setup(void)
{
    memset(&why, 0, sizeof why);
    cr_assert_eq(options_init(&o), 0);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void teardown(void)
{
    options_fini(&o);
    unlink(path);
}

TestSuite(conf_sources, .init = setup, .fini = teardown);

static int load_bytes(const char *bytes, size_t len)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
    why.text[0] = '\0';
    return options_load_file(&o, path, &why);
}

static int load(const char *text)
{
    return load_bytes(text, strlen(text));
}

/* The sentence is FILE:<rest>. */
static void says(const char *rest)
{
    size_t len = strlen(path);
    cr_assert_eq(strncmp(why.text, path, len), 0, "%s", why.text);
    cr_assert_str_eq(why.text + len, rest);
}

Test(conf_sources, a_file)
{
    cr_assert_eq(load("# a comment\n"
                      "; another\n"
                      "\n"
                      "  \t \r\n"
                      "shards = 3\n"
                      "  max-body=8m   \n"
                      "heartbeat = 5s ; every five seconds\n"
                      "listen = 127.0.0.1:1\r\n"
                      "listen = [::1]:2\n"
                      "log-file = /tmp/a b.log\n"
                      "allow-origin =\n"
                      "demo = yes"),
                 0, "%s", why.text);
    cr_assert_eq(o.shards, 3);
    cr_assert_eq(o.max_body, 8u << 20);
    cr_assert_eq(o.heartbeat, 5000);
    cr_assert_eq(o.listen.n, 2);
    cr_assert_str_eq(o.listen.items[1], "[::1]:2");
    cr_assert_str_eq(o.log_file, "/tmp/a b.log");
    cr_assert_eq(o.allow_origin.n, 0);
    cr_assert(o.demo);
    cr_assert_eq(o.source[OPT_ID_shards], OPT_FROM_FILE);
}

Test(conf_sources, an_empty_file_and_a_byte_order_mark)
{
    cr_assert_eq(load(""), 0);
    cr_assert_eq(load("\xef\xbb\xbfshards = 2\n"), 0, "%s", why.text);
    cr_assert_eq(o.shards, 2);
}

Test(conf_sources, errors_name_file_and_line)
{
    cr_assert_eq(load("shards = 3\n\nhartbeat = 3\n"), ERR_NOT_FOUND);
    says(":3: unknown option hartbeat; did you mean heartbeat?");
    cr_assert_eq(load("# x\nshards = 65\n"), ERR_RANGE);
    says(":2: shards: 65 is outside its limits, 0 to 64");
    cr_assert_eq(load("shards 3\n"), ERR_INVALID);
    says(":1: this is not a line of the form name = value");
    cr_assert_eq(load("shards = 3\nnonsense\nshards = 65\n"), ERR_INVALID);
    says(":2: this is not a line of the form name = value");
    cr_assert_eq(load("shards = 65\nnonsense\n"), ERR_RANGE);
    says(":1: shards: 65 is outside its limits, 0 to 64");
    cr_assert_eq(load("listen = 127.0.0.1\n"), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, ":1: listen: \"127.0.0.1\": the port is missing"));
    cr_assert_eq(load("\n[network]\nshards = 3\n"), ERR_INVALID);
    says(":2: there are no [sections] in this file");
    cr_assert_eq(load("config = x\n"), ERR_INVALID);
    says(":1: config: is for the command line only");
    cr_assert_eq(load("version = yes\n"), ERR_INVALID);
    says(":1: version: is for the command line only");
    cr_assert_eq(load("= 3\n"), ERR_NOT_FOUND);
    cr_assert_eq(load("shards =\n"), ERR_INVALID);
    cr_assert_eq(options_load_file(&o, path, NULL), ERR_INVALID, "why may be NULL");
}

Test(conf_sources, an_indented_line_is_a_line_of_its_own)
{
    cr_assert_eq(load("listen = 127.0.0.1:1\n    shards = 4\n\t# comment\n"), 0, "%s", why.text);
    cr_assert_eq(o.listen.n, 1);
    cr_assert_eq(o.shards, 4);
}

Test(conf_sources, long_lines_and_odd_bytes)
{
    char text[1024];
    memset(text, 0, sizeof text);
    memcpy(text, "log-file = /", 12);
    memset(text + 12, 'a', 198 - 12);
    strcpy(text + 198, "\nshards = 2\n");
    cr_assert_eq(load(text), 0, "%s", why.text);
    cr_assert_eq(strlen(o.log_file), 198 - 11);
    cr_assert_eq(o.shards, 2);
    text[198] = 'a';
    text[199] = '\n';
    cr_assert_eq(load(text), ERR_INVALID);
    says(":1: the line is longer than 198 bytes");
    text[0] = '#';
    memset(text + 1, 'x', 900);
    strcpy(text + 901, "\nshards = 5\n");
    cr_assert_eq(load(text), 0, "a long comment is fine: %s", why.text);
    cr_assert_eq(o.shards, 5);
    cr_assert_eq(load_bytes("shards = 1\0 2\n", 14), ERR_INVALID);
    says(":1: the line has a NUL byte");
    cr_assert_eq(load("log-file = a\x01z\n"), ERR_INVALID);
}

Test(conf_sources, a_file_that_is_not_there)
{
    cr_assert_eq(options_load_file(&o, "/nonexistent/fanfare.conf", &why), ERR_SYSTEM);
    cr_assert_str_eq(why.text, "/nonexistent/fanfare.conf: No such file or directory");
    cr_assert_eq(options_load_file(&o, "/tmp", &why), ERR_SYSTEM);
    cr_assert_str_eq(why.text, "/tmp: Is a directory");
}

/* ---- environment --------------------------------------------------------- */

static int env(const char *a, const char *b)
{
    char first[256], second[256];
    char *list[] = {first, second, NULL};
    snprintf(first, sizeof first, "%s", a);
    snprintf(second, sizeof second, "%s", b);
    why.text[0] = '\0';
    return options_load_env(&o, list, &why);
}

Test(conf_sources, the_environment)
{
    cr_assert_eq(env("FANFARE_MAX_BODY=8m", "FANFARE_DEMO=yes"), 0, "%s", why.text);
    cr_assert_eq(o.max_body, 8u << 20);
    cr_assert(o.demo);
    cr_assert_eq(o.source[OPT_ID_demo], OPT_FROM_ENV);
    cr_assert_eq(env("PATH=/bin", "FANFARES=1"), 0);
    cr_assert_eq(env("FANFARE_MAX_CONNECTIONS_PER_ADDRESS=9", "HOME=/"), 0);
    cr_assert_eq(o.max_per_address, 9);
    cr_assert_eq(options_load_env(&o, NULL, &why), 0);
}

Test(conf_sources, lists_in_the_environment)
{
    cr_assert_eq(env("FANFARE_LISTEN= 127.0.0.1:1  [::1]:2\tunix:/x ", "A=b"), 0, "%s", why.text);
    cr_assert_eq(o.listen.n, 3);
    cr_assert_str_eq(o.listen.items[2], "unix:/x");
    cr_assert_eq(env("FANFARE_LISTEN=", "A=b"), 0);
    cr_assert_eq(o.listen.n, 0);
    cr_assert_eq(env("FANFARE_LISTEN=127.0.0.1:1 x", "A=b"), ERR_INVALID);
    cr_assert_eq(strncmp(why.text, "FANFARE_LISTEN: \"x\": ", 21), 0, "%s", why.text);
}

Test(conf_sources, errors_name_the_variable)
{
    cr_assert_eq(env("A=b", "FANFARE_SHARDS=65"), ERR_RANGE);
    cr_assert_str_eq(why.text, "FANFARE_SHARDS: 65 is outside its limits, 0 to 64");
    cr_assert_eq(env("A=b", "FANFARE_HARTBEAT=3"), ERR_NOT_FOUND);
    cr_assert_str_eq(why.text, "unknown environment variable FANFARE_HARTBEAT; did you mean "
                               "FANFARE_HEARTBEAT?");
    cr_assert_eq(env("A=b", "FANFARE_XYZZY=3"), ERR_NOT_FOUND);
    cr_assert_null(strstr(why.text, "did you mean"));
    cr_assert_eq(env("A=b", "FANFARE_=3"), ERR_NOT_FOUND);
    cr_assert_eq(env("A=b", "FANFARE_heartbeat=3"), ERR_NOT_FOUND);
    cr_assert_eq(env("A=b", "FANFARE_CONFIG=/x"), ERR_INVALID);
    cr_assert_str_eq(why.text, "FANFARE_CONFIG: --config is for the command line only");
    cr_assert_eq(env("A=b", "FANFARE_HELP=1"), ERR_INVALID);
    char huge[200] = "FANFARE_";
    memset(huge + 8, 'A', sizeof huge - 9);
    cr_assert_eq(env("A=b", huge), ERR_NOT_FOUND, "no '=' either");
}

Test(conf_sources, a_service_called_fanfare_is_not_for_us)
{
    cr_assert_eq(env("FANFARE_SERVICE_HOST=10.0.0.1", "FANFARE_SERVICE_PORT_HTTP=80"), 0);
    cr_assert_eq(env("FANFARE_PORT=tcp://10.0.0.1:80", "FANFARE_PORT_80_TCP_ADDR=10.0.0.1"), 0);
    cr_assert_eq(env("A=b", "FANFARE_PORT=8080"), ERR_NOT_FOUND, "that one was meant for us");
}

Test(conf_sources, the_environment_wins_over_the_file_and_flags_over_both)
{
    cr_assert_eq(options_set(&o, "retry", "3s", OPT_FROM_SET, NULL), 0);
    cr_assert_eq(env("FANFARE_RETRY=2s", "FANFARE_SHARDS=2"), 0);
    cr_assert_eq(load("retry = 1s\nshards = 1\nmax-batch = 1\n"), 0);
    cr_assert_eq(o.retry, 3000);
    cr_assert_eq(o.shards, 2);
    cr_assert_eq(o.max_batch, 1);
}
