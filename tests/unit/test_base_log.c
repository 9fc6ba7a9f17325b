#include "base/log.h"

#include "base/utf8.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path[96];
static char content[1 << 20];

static void start(void)
{
    snprintf(dir, sizeof dir, "/tmp/fanfare-log-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
}

static void stop(void)
{
    (void)unlink(path);
    (void)rmdir(dir);
}

TestSuite(log, .init = start, .fini = stop);

static struct log *open_log(enum log_level level, enum log_format format)
{
    struct log *log = NULL;
    struct errmsg why;
    cr_assert_eq(log_new(level, format, path, &log, &why), 0, "%s", why.text);
    return log;
}

static const char *read_file(const char *from)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    ssize_t n = read(fd, content, sizeof content - 1);
    cr_assert_geq(n, 0);
    content[n] = '\0';
    close(fd);
    return content;
}

/* What follows the 24 bytes of time and a space. */
static const char *only_text_line(void)
{
    const char *c = read_file(path);
    cr_assert_gt(strlen(c), 25);
    cr_assert_eq(strchr(c, '\n'), c + strlen(c) - 1, "%s", c);
    return c + 25;
}

/* What follows the member "time". */
static const char *only_json_line(void)
{
    const char *c = read_file(path);
    cr_assert_eq(strncmp(c, "{\"time\":\"", 9), 0, "%s", c);
    cr_assert_eq(strncmp(c + 32, "Z\",", 3), 0, "%s", c);
    cr_assert_eq(strchr(c, '\n'), c + strlen(c) - 1, "%s", c);
    return c + 35;
}

Test(log, text_line)
{
    struct log *log = open_log(LOG_INFO_LVL, LOG_TEXT);
    log_warn(log, "slow client closed", "client", "c-1", "lag", "12");
    log_free(log);
    const char *c = only_text_line();
    cr_assert_str_eq(c, "warn  slow client closed client=c-1 lag=12\n");
    cr_assert_eq(c[-2], 'Z');
    cr_assert_eq(c[-1], ' ');
}

Test(log, json_line)
{
    struct log *log = open_log(LOG_INFO_LVL, LOG_JSON);
    log_error(log, "slow client closed", "client", "c-1");
    log_free(log);
    cr_assert_str_eq(only_json_line(),
                     "\"level\":\"error\",\"msg\":\"slow client closed\",\"client\":\"c-1\"}\n");
}

Test(log, levels)
{
    struct log *log = open_log(LOG_WARN_LVL, LOG_TEXT);
    log_error(log, "one");
    log_warn(log, "two");
    log_info(log, "no");
    log_debug(log, "no");
    cr_assert(log_enabled(log, LOG_WARN_LVL));
    cr_assert_not(log_enabled(log, LOG_INFO_LVL));
    log_set_level(log, LOG_DEBUG_LVL);
    log_info(log, "three");
    log_debug(log, "four");
    log_set_level(log, LOG_ERROR_LVL);
    log_warn(log, "no");
    log_free(log);
    const char *c = read_file(path);
    cr_assert_null(strstr(c, " no"));
    cr_assert_not_null(strstr(c, "error one\n"));
    cr_assert_not_null(strstr(c, "warn  two\n"));
    cr_assert_not_null(strstr(c, "info  three\n"));
    cr_assert_not_null(strstr(c, "debug four\n"));
}

Test(log, no_log_is_no_trouble)
{
    log_error(NULL, "nowhere", "k", "v");
    log_debug(NULL, "nowhere");
    cr_assert_not(log_enabled(NULL, LOG_ERROR_LVL));
    log_set_level(NULL, LOG_INFO_LVL);
    log_free(NULL);
}

Test(log, null_values_are_left_out)
{
    struct log *log = open_log(LOG_INFO_LVL, LOG_TEXT);
    log_info(log, "m", "a", (const char *)NULL, "b", "2", "c", (const char *)NULL);
    log_free(log);
    cr_assert_str_eq(only_text_line(), "info  m b=2\n");
}

static void check_value(enum log_format format, const char *value, const char *want)
{
    (void)unlink(path);
    struct log *log = open_log(LOG_INFO_LVL, format);
    log_info(log, "m", "k", value);
    log_free(log);
    char line[256];
    if (format == LOG_JSON) {
        snprintf(line, sizeof line, "\"level\":\"info\",\"msg\":\"m\",\"k\":\"%s\"}\n", want);
        cr_assert_str_eq(only_json_line(), line);
    } else {
        snprintf(line, sizeof line, "info  m k=%s\n", want);
        cr_assert_str_eq(only_text_line(), line);
    }
}

Test(log, text_values)
{
    check_value(LOG_TEXT, "plain", "plain");
    check_value(LOG_TEXT, "", "\"\"");
    check_value(LOG_TEXT, "two words", "\"two words\"");
    check_value(LOG_TEXT, "a=b", "\"a=b\"");
    check_value(LOG_TEXT, "say \"hi\"", "\"say \\\"hi\\\"\"");
    check_value(LOG_TEXT, "back\\slash", "\"back\\\\slash\"");
    check_value(LOG_TEXT, "caf\xc3\xa9", "caf\xc3\xa9");
    check_value(LOG_TEXT, "\x1b[2J", "\"\\u001b[2J\"");
    check_value(LOG_TEXT, "\xff\x80", "\"\\xff\\x80\"");
    check_value(LOG_TEXT, "del\x7f", "\"del\\u007f\"");
}

Test(log, json_values)
{
    check_value(LOG_JSON, "plain", "plain");
    check_value(LOG_JSON, "", "");
    check_value(LOG_JSON, "\"\\/", "\\\"\\\\/");
    check_value(LOG_JSON, "\b\f\n\r\t\x01", "\\u0008\\u000c\\n\\r\\t\\u0001");
    check_value(LOG_JSON, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
    check_value(LOG_JSON, "a\xc3(\xed\xa0\x80", "a\\ufffd(\\ufffd\\ufffd\\ufffd");
}

Test(log, a_line_cannot_be_forged)
{
    const char *evil = "x\n2026-11-20T10:00:00.000Z error forged a=\"b\"\r\n";
    check_value(LOG_TEXT, evil, "\"x\\n2026-11-20T10:00:00.000Z error forged a=\\\"b\\\"\\r\\n\"");
    check_value(LOG_JSON, "x\"}\n{\"level\":\"error\"", "x\\\"}\\n{\\\"level\\\":\\\"error\\\"");
    check_value(LOG_TEXT, "x\" admin=\"yes", "\"x\\\" admin=\\\"yes\"");
    /* NEL, CSI, line separator, right-to-left override, zero-width no-break. */
    check_value(LOG_TEXT, "\xc2\x85", "\"\\u0085\"");
    check_value(LOG_TEXT, "\xc2\x9b", "\"\\u009b\"");
    check_value(LOG_TEXT, "\xe2\x80\xa8", "\"\\u2028\"");
    check_value(LOG_JSON, "\xe2\x80\xae", "\\u202e");
    check_value(LOG_JSON, "\xef\xbb\xbf", "\\ufeff");
}

Test(log, every_byte_alone_keeps_one_line)
{
    for (unsigned format = LOG_TEXT; format <= LOG_JSON; format++) {
        (void)unlink(path);
        struct log *log = open_log(LOG_INFO_LVL, (enum log_format)format);
        for (unsigned c = 1; c < 256; c++) {
            char v[4] = {'<', (char)c, '>', '\0'};
            log_info(log, v, "k", v, v, "x");
        }
        log_free(log);
        const char *p = read_file(path);
        unsigned lines = 0;
        for (; *p; p++) {
            unsigned char c = (unsigned char)*p;
            lines += c == '\n';
            cr_assert(c == '\n' || (c >= 0x20 && c < 0x7f), "byte %u", c);
        }
        cr_assert_eq(lines, 255);
    }
}

static void check_long(enum log_format format, char with, const char *close)
{
    (void)unlink(path);
    char *big = malloc(100000);
    cr_assert_not_null(big);
    memset(big, with, 99999);
    big[99999] = '\0';
    struct log *log = open_log(LOG_INFO_LVL, format);
    log_info(log, big, "a", big, "b", big, "c", "", "d", big, "e", big, "f", "tail", big, big, "g",
             big);
    log_free(log);
    free(big);
    const char *c = format == LOG_JSON ? only_json_line() : only_text_line();
    size_t len = strlen(c);
    cr_assert_leq(len, 4096);
    cr_assert_gt(len, 3000);
    cr_assert_str_eq(c + len - strlen(close), close);
    cr_assert_not_null(strstr(c, "..."));
}

Test(log, long_values_are_clipped_and_the_line_stays_whole)
{
    check_long(LOG_TEXT, 'x', "...\n");
    check_long(LOG_TEXT, ' ', "...\"\n");
    check_long(LOG_TEXT, '\n', "...\"\n");
    check_long(LOG_JSON, 'x', "...\"}\n");
    check_long(LOG_JSON, '"', "...\"}\n");
    check_long(LOG_JSON, '\x01', "...\"}\n");
    check_long(LOG_JSON, '\xff', "...\"}\n");
}

/* An odd number of quotes or a cut escape would show: quotes that are not
 * escaped come in pairs, at every total length around the limit. */
Test(log, json_is_balanced_at_every_length)
{
    char v[1100];
    for (size_t n = 900; n < 1090; n++) {
        (void)unlink(path);
        memset(v, '\\', n);
        memset(v, 'y', n % 7);
        v[n] = '\0';
        struct log *log = open_log(LOG_INFO_LVL, LOG_JSON);
        log_info(log, "m", "a", v, "b", v + n / 2, "c", v, "d", v, "e", v + n - 20, "f", v);
        log_free(log);
        const char *c = only_json_line();
        unsigned quotes = 0;
        size_t i = 0;
        for (; c[i]; i++) {
            if (c[i] == '\\') {
                i++;
            } else {
                quotes += c[i] == '"';
            }
        }
        cr_assert_eq(quotes % 4, 0, "%s", c);
        cr_assert_str_eq(c + i - 3, "\"}\n");
    }
}

Test(log, clipping_keeps_characters_whole)
{
    char v[1200];
    for (size_t lead = 0; lead < 4; lead++) {
        (void)unlink(path);
        size_t n = 0;
        while (n < lead) {
            v[n++] = 'x';
        }
        for (; n + 4 < sizeof v; n += 4) {
            memcpy(v + n, "\xf0\x9f\x98\x80", 4);
        }
        v[n] = '\0';
        struct log *log = open_log(LOG_INFO_LVL, LOG_JSON);
        log_info(log, "m", "k", v);
        log_free(log);
        cr_assert(utf8_valid(str_of(only_json_line())));
    }
}

Test(log, one_write_a_line)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    int saved = dup(STDERR_FILENO);
    cr_assert_eq(dup2(pair[0], STDERR_FILENO), STDERR_FILENO);
    struct log *log = NULL;
    cr_assert_eq(log_new(LOG_INFO_LVL, LOG_TEXT, "-", &log, NULL), 0);
    errno = EDOM;
    log_info(log, "first", "k", "v w");
    log_info(log, "second");
    cr_assert_eq(errno, EDOM);
    cr_assert_eq(log_reopen(log, NULL), 0); /* nothing to do */
    log_free(log);
    cr_assert_neq(fcntl(STDERR_FILENO, F_GETFD), -1); /* not ours to close */
    dup2(saved, STDERR_FILENO);
    char b[256];
    ssize_t n = recv(pair[1], b, sizeof b, MSG_DONTWAIT);
    cr_assert_gt(n, 25);
    b[n] = '\0';
    cr_assert_str_eq(b + 25, "info  first k=\"v w\"\n");
    n = recv(pair[1], b, sizeof b, MSG_DONTWAIT);
    cr_assert_gt(n, 25);
    b[n] = '\0';
    cr_assert_str_eq(b + 25, "info  second\n");
    cr_assert_lt(recv(pair[1], b, sizeof b, MSG_DONTWAIT), 0);
    close(pair[0]);
    close(pair[1]);
    close(saved);
}

Test(log, file_mode_and_append)
{
    umask(0);
    struct log *log = open_log(LOG_INFO_LVL, LOG_TEXT);
    log_info(log, "one");
    log_free(log);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0640);
    log = open_log(LOG_INFO_LVL, LOG_TEXT);
    log_info(log, "two");
    log_free(log);
    cr_assert_not_null(strstr(read_file(path), "one\n"));
    cr_assert_not_null(strstr(content, "two\n"));
}

Test(log, open_failure_names_the_file)
{
    struct log *log = NULL;
    struct errmsg why;
    cr_assert_eq(log_new(LOG_INFO_LVL, LOG_TEXT, "/nonexistent/dir/log", &log, &why), ERR_SYSTEM);
    cr_assert_null(log);
    cr_assert_not_null(strstr(why.text, "/nonexistent/dir/log"));
    cr_assert_not_null(strstr(why.text, "No such file"));
    cr_assert_eq(log_new(LOG_INFO_LVL, LOG_TEXT, dir, &log, NULL), ERR_SYSTEM);
}

Test(log, failed_reopen_keeps_the_old_file)
{
    char moved[128];
    snprintf(moved, sizeof moved, "%s.1", path);
    struct log *log = open_log(LOG_INFO_LVL, LOG_TEXT);
    cr_assert_eq(rename(path, moved), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    struct errmsg why;
    cr_assert_eq(log_reopen(log, &why), ERR_SYSTEM);
    cr_assert_not_null(strstr(why.text, path));
    log_info(log, "still here");
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(log_reopen(log, &why), 0);
    log_info(log, "anew");
    log_free(log);
    cr_assert_str_eq(only_text_line(), "info  anew\n");
    cr_assert_not_null(strstr(read_file(moved), "still here\n"));
    unlink(moved);
}

/* A full disk cuts a line; the next one still begins on its own. */
Test(log, torn_line_is_ended)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct log *log = open_log(LOG_INFO_LVL, LOG_TEXT);
    struct rlimit small = {40, old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_info(log, "this line is cut");
    log_info(log, "this one is lost");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    log_info(log, "whole");
    log_info(log, "next");
    log_free(log);
    const char *c = read_file(path);
    cr_assert_eq(c[40], '\n', "%s", c);
    cr_assert_null(strstr(c, "lost"));
    cr_assert_str_eq(c + 41 + 25 + 12 + 25, "info  next\n");
}

enum { WRITERS = 4, LINES = 2000, ROTATIONS = 40 };

static void *write_many(void *arg)
{
    struct log *log = arg;
    for (unsigned i = 0; i < LINES; i++) {
        char n[NUM_LEN];
        log_info(log, "from a thread", "n", num_text(n, i), "pad", "some words to fill it");
    }
    return NULL;
}

Test(log, reopening_under_writers_loses_nothing)
{
    struct log *log = open_log(LOG_INFO_LVL, LOG_TEXT);
    pthread_t t[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        cr_assert_eq(pthread_create(&t[i], NULL, write_many, log), 0);
    }
    char moved[ROTATIONS + 1][128];
    for (unsigned i = 0; i < ROTATIONS; i++) {
        snprintf(moved[i], sizeof moved[i], "%s.%u", path, i);
        cr_assert_eq(rename(path, moved[i]), 0);
        cr_assert_eq(log_reopen(log, NULL), 0);
        log_set_level(log, i % 2 ? LOG_INFO_LVL : LOG_DEBUG_LVL);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(t[i], NULL);
    }
    log_free(log);
    snprintf(moved[ROTATIONS], sizeof moved[0], "%s", path);
    unsigned lines = 0;
    for (unsigned i = 0; i <= ROTATIONS; i++) {
        const char *c = read_file(moved[i]);
        while (*c) {
            const char *end = strchr(c, '\n');
            cr_assert_not_null(end);
            cr_assert_eq(strncmp(c + 24, " info  from a thread n=", 23), 0);
            cr_assert_eq(strncmp(end - 11, "to fill it\"", 11), 0);
            lines++;
            c = end + 1;
        }
        unlink(moved[i]);
    }
    cr_assert_eq(lines, WRITERS * LINES);
}

Test(log, limit_passes_once_a_second)
{
    struct log_limit l = {0};
    uint32_t held = 99;
    cr_assert(log_limit_pass(&l, 5000, &held));
    cr_assert_eq(held, 0);
    for (uint64_t ms = 5000; ms < 6000; ms += 100) {
        cr_assert_not(log_limit_pass(&l, ms, &held));
    }
    cr_assert(log_limit_pass(&l, 6000, &held));
    cr_assert_eq(held, 10);
    cr_assert_not(log_limit_pass(&l, 6999, NULL));
    cr_assert(log_limit_pass(&l, 9000, NULL));
    cr_assert(log_limit_pass(&l, 10000, &held));
    cr_assert_eq(held, 0);
    l = (struct log_limit){.next_ms = 20000, .held = UINT32_MAX};
    cr_assert_not(log_limit_pass(&l, 15000, &held));
    cr_assert_eq(l.held, UINT32_MAX);
}

Test(log, num_text)
{
    char n[NUM_LEN];
    cr_assert_str_eq(num_text(n, 0), "0");
    cr_assert_str_eq(num_text(n, 1200), "1200");
    cr_assert_str_eq(num_text(n, UINT64_MAX), "18446744073709551615");
}
