/* A gateway inside another program, with an application that it asks: what it starts with, and that
 * nothing of it stays. */
#include "support_gateway.h"
#include "support_hook.h"

#include <dirent.h>
#include <sys/stat.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static struct app app;
static char path[64];

static void setup(void)
{
    strcpy(path, "/tmp/fanfare-application-XXXXXX");
    cr_assert(close(mkstemp(path)) == 0);
    app_start(&app);
    app_says(&app, APP_ANSWERS, 200, "{\"allow\":true,\"userId\":\"ann\"}");
}

static void teardown(void)
{
    app_stop(&app);
    unlink(path);
}

TestSuite(application, .init = setup, .fini = teardown);

static unsigned entries(const char *dir)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    cr_assert(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static struct fanfare *with_url(const char *url)
{
    struct fanfare_options *o = gw_options();

    gw_set(o, "auth-url", url);
    gw_set(o, "auth-secret-file", path);
    return gw_new(o);
}

static void put(const char *bytes, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "we");

    cr_assert(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
    cr_assert_eq(chmod(path, mode), 0);
}

Test(application, is_asked_and_leaves_nothing)
{
    unsigned threads = 0, descriptors = 0;

    put(SECRET "\n", 33, 0600);
    for (unsigned i = 0; i < 3; i++) {
        struct fanfare *gw = with_url(app.url);
        struct gw_client c;
        char text[256];
        gw_run(gw);
        snprintf(text, sizeof text, "GET /events HTTP/1.1\r\nHost: x\r\nCookie: n=%u\r\n\r\n", i);
        c = gw_send(gw_port(gw), text);
        gw_expect(&c, "event: fanfare.connected\n");
        gw_close(&c);
        fanfare_stop(gw);
        fanfare_free(gw);
        while (atomic_load(&app.open)) {
            usleep(1000);
        }
        /* The first run may leave what libraries keep for good. */
        if (i == 1) {
            threads = entries("/proc/self/task");
            descriptors = entries("/proc/self/fd");
        }
    }
    cr_assert_eq(atomic_load(&app.asked), 3);
    cr_assert_eq(entries("/proc/self/fd"), descriptors);
    cr_assert_leq(entries("/proc/self/task"), threads);
}

Test(application, stopped_while_it_hangs)
{
    struct fanfare *gw;
    struct gw_client c;
    uint64_t before;

    put(SECRET, 32, 0600);
    app_hold(&app, true);
    gw = with_url(app.url);
    gw_run(gw);
    c = gw_send(gw_port(gw), "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&app.asked) == 0) {
        usleep(1000);
    }
    before = clock_mono_ms();
    fanfare_stop(gw);
    fanfare_free(gw);
    cr_assert_lt(clock_mono_ms() - before, 2500, "less than auth-timeout");
    gw_close(&c);
}

Test(application, secrets_that_are_none)
{
    static const struct {
        const char *bytes;
        size_t len;
        mode_t mode;
        const char *says;
    } cases[] = {{"short", 5, 0600, "32"},
                 {SECRET, 32, 0644, ""},
                 {SECRET "\0" SECRET, 65, 0600, "NUL"},
                 {"", 0, 0600, ""}};

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fanfare_why why = {""};
        struct fanfare *gw;
        put(cases[i].bytes, cases[i].len, cases[i].mode);
        gw = with_url(app.url);
        cr_assert_lt(fanfare_start(gw, &why), 0, "%u", i);
        cr_assert(strstr(why.text, path) && strstr(why.text, cases[i].says), "%s", why.text);
        cr_assert(!strstr(why.text, SECRET) && !strstr(why.text, "short"), "%s", why.text);
        fanfare_free(gw);
    }
}

Test(application, no_file_of_certificates)
{
    struct fanfare_options *o = gw_options();
    struct fanfare_why why = {""};
    struct fanfare *gw;

    gw_set(o, "auth-url", "https://127.0.0.1:1/");
    gw_set(o, "auth-ca", "/nonexistent");
    gw = gw_new(o);
    cr_assert_lt(fanfare_start(gw, &why), 0);
    cr_assert(strstr(why.text, "auth-ca: /nonexistent"), "%s", why.text);
    fanfare_free(gw);
}
