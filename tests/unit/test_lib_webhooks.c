/* A gateway inside another program that tells an application what happens: what it starts with,
 * what it tells, and that nothing of it stays. */
#include "support_gateway.h"
#include "support_hook.h"

#include <dirent.h>
#include <sys/stat.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static struct app app;
static char path[64], told[65536]; /* under the application's lock */

static void took(struct app *a, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n");

    (void)a;
    if (strlen(told) + strlen(body) < sizeof told) {
        strcat(told, body);
    }
}

static void setup(void)
{
    strcpy(path, "/tmp/fanfare-webhooks-XXXXXX");
    cr_assert(close(mkstemp(path)) == 0);
    told[0] = '\0';
    app_start(&app);
    app.took = took;
    app_says(&app, APP_ANSWERS, 204, "");
}

static void teardown(void)
{
    app_stop(&app);
    unlink(path);
}

TestSuite(webhooks, .init = setup, .fini = teardown);

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

    gw_set(o, "webhook-url", url);
    gw_set(o, "webhook-secret-file", path);
    gw_set(o, "webhook-timeout", "1s");
    return gw_new(o);
}

static void put(const char *bytes, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "we");

    cr_assert(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static unsigned count(const char *text)
{
    unsigned n = 0;

    pthread_mutex_lock(&app.lock);
    for (const char *p = told; (p = strstr(p, text)); p++) {
        n++;
    }
    pthread_mutex_unlock(&app.lock);
    return n;
}

static void await_told(const char *text, unsigned n)
{
    uint64_t until = clock_mono_ms() + GW_DEADLINE_MS;

    while (count(text) < n) {
        cr_assert_lt(clock_mono_ms(), until, "%s: %s", text, told);
        usleep(1000);
    }
}

Test(webhooks, are_told_and_leave_nothing)
{
    unsigned threads = 0, descriptors = 0;

    put(SECRET "\n", 33, 0600);
    for (unsigned i = 0; i < 3; i++) {
        struct fanfare *gw = with_url(app.url);
        struct gw_client c;
        gw_run(gw);
        c = gw_send(gw_port(gw),
                    "GET /events?channel=a&userId=ann HTTP/1.1\r\nHost: localhost\r\n\r\n");
        gw_expect(&c, "event: fanfare.connected\n");
        fanfare_stop(gw); /* ends the client: what that causes is told before it returns */
        cr_expect_eq(count("\"event\":\"client.connected\""), i + 1);
        cr_expect_eq(count("\"event\":\"client.disconnected\""), i + 1);
        cr_expect_eq(count("\"event\":\"channel.vacated\""), i + 1);
        gw_close(&c);
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
    cr_assert_eq(entries("/proc/self/fd"), descriptors);
    cr_assert_leq(entries("/proc/self/task"), threads);
    cr_assert_eq(count("\"seq\":1,"), 3, "each run counts anew: %s", told);
}

Test(webhooks, know_whose_a_client_was_that_ends_in_order)
{
    struct fanfare *gw;
    struct gw_client c;
    char id[17] = "";

    put(SECRET, 32, 0600);
    gw = with_url(app.url);
    gw_run(gw);
    c = gw_send(gw_port(gw),
                "GET /events?channel=a&userId=ann HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await_told("\"event\":\"client.connected\"", 1);
    pthread_mutex_lock(&app.lock);
    memcpy(id, strstr(told, "\"clientId\":\"") + 12, 16);
    pthread_mutex_unlock(&app.lock);
    cr_assert_eq(fanfare_disconnect(gw, id, "enough"), 0);
    await_told("\"event\":\"client.disconnected\"", 1);
    cr_assert_eq(count("\"userId\":\"ann\",\"transport\":\"sse\",\"reason\":"), 1, "%s", told);
    gw_close(&c);
    fanfare_stop(gw);
    fanfare_free(gw);
}

/* A client begins with this many channels, which it is the first in. */
#define MANY 40

static struct gw_client in_many(struct fanfare *gw, char prefix, const char *more)
{
    char request[2048];
    int n = snprintf(request, sizeof request, "GET /events?%s", more);

    for (unsigned i = 0; i < MANY; i++) {
        n += snprintf(request + n, sizeof request - (size_t)n, "&channel=%c%u", prefix, i);
    }
    snprintf(request + n, sizeof request - (size_t)n, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return gw_send(gw_port(gw), request);
}

Test(webhooks, channels_count_for_who_is_their_first)
{
    struct fanfare_options *o = gw_options();
    struct gw_client c[4];
    struct fanfare *gw;

    gw_set(o, "webhook-url", app.url);
    gw_set(o, "webhook-events", "channel.occupied");
    gw_set(o, "webhook-queue", "128"); /* an eighth of it is 16 */
    app_hold(&app, true);
    gw = gw_new(o);
    gw_run(gw);
    c[0] = in_many(gw, 'a', "userId=ann");
    gw_expect(&c[0], "event: fanfare.connected\n");
    c[1] = in_many(gw, 'b', "userId=ann"); /* finds nothing left */
    gw_expect(&c[1], "event: fanfare.connected\n");
    for (unsigned i = 2; i < 4; i++) { /* of two, one has a counter that is not ann's */
        c[i] = in_many(gw, (char)('a' + i), "");
        gw_expect(&c[i], "event: fanfare.connected\n");
    }
    app_hold(&app, false);
    fanfare_stop(gw); /* what waits is told before it returns */
    cr_assert_eq(count("\"channel\":\"a"), 16, "%s", told);
    cr_assert_eq(count("\"channel\":\"b"), 0, "%s", told);
    cr_assert(count("\"channel\":\"c") == 16 || count("\"channel\":\"d") == 16, "%s", told);
    for (unsigned i = 0; i < 4; i++) {
        gw_close(&c[i]);
    }
    fanfare_free(gw);
}

Test(webhooks, stopped_while_it_hangs)
{
    struct fanfare *gw;
    struct gw_client c;
    uint64_t before;

    put(SECRET, 32, 0600);
    app_hold(&app, true);
    gw = with_url(app.url);
    gw_run(gw);
    c = gw_send(gw_port(gw), "GET /events?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (atomic_load(&app.asked) == 0) {
        usleep(1000);
    }
    before = clock_mono_ms();
    fanfare_stop(gw);
    fanfare_free(gw);
    cr_assert_lt(clock_mono_ms() - before, 8000);
    gw_close(&c);
}

Test(webhooks, secrets_that_are_none)
{
    static const struct {
        const char *bytes;
        size_t len;
        mode_t mode;
        const char *says;
    } cases[] = {{"short", 5, 0600, "webhook-secret-file"},
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

Test(webhooks, no_file_of_certificates)
{
    struct fanfare_options *o = gw_options();
    struct fanfare_why why = {""};
    struct fanfare *gw;

    gw_set(o, "webhook-url", "https://127.0.0.1:1/");
    gw_set(o, "webhook-ca", "/nonexistent");
    gw = gw_new(o);
    cr_assert_lt(fanfare_start(gw, &why), 0);
    cr_assert(strstr(why.text, "webhook-ca: /nonexistent"), "%s", why.text);
    fanfare_free(gw);
}
