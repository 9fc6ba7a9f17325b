/* new, start, stop, free: in all orders, and what can go wrong at the start. */
#include "support_gateway.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct fanfare_why why;

Test(life, start_serve_stop_free)
{
    struct fanfare *gw = gw_start();
    char *a = gw_ask(gw, "GET /health", NULL);

    cr_assert_not_null(strstr(a, "{\"status\":\"ok\"}"));
    free(a);
    fanfare_stop(gw);
    fanfare_free(gw);
}

Test(life, new_and_free)
{
    fanfare_free(gw_new(gw_options()));
    fanfare_free(NULL);
}

Test(life, free_stops)
{
    fanfare_free(gw_start());
}

Test(life, stop_is_idempotent)
{
    struct fanfare *gw = gw_start();

    fanfare_stop(gw);
    fanfare_stop(gw);
    fanfare_free(gw);
}

Test(life, stop_before_the_start)
{
    struct fanfare *gw = gw_new(gw_options());
    int rc;

    fanfare_stop(gw);
    rc = fanfare_start(gw, &why);
    if (rc == 0) { /* then it must really serve */
        char *a = gw_ask(gw, "GET /ready", NULL);
        cr_assert_not_null(strstr(a, " 200 OK\r\n"), "%s", a);
        free(a);
    } else {
        cr_assert(rc == FANFARE_ERR_STATE || rc == FANFARE_ERR_CLOSED, "%d", rc);
    }
    fanfare_free(gw);
}

Test(life, start_only_once)
{
    struct fanfare *gw = gw_start();

    cr_assert_eq(fanfare_start(gw, &why), FANFARE_ERR_STATE);
    cr_assert_gt(strlen(why.text), 5);
    cr_assert_eq(fanfare_start(gw, NULL), FANFARE_ERR_STATE);
    fanfare_stop(gw);
    cr_assert_eq(fanfare_start(gw, NULL), FANFARE_ERR_STATE);
    fanfare_free(gw);
}

Test(life, options_are_copied)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;

    cr_assert_eq(fanfare_new(o, &gw, NULL), 0);
    gw_set(o, "shards", "7");
    fanfare_options_free(o);
    gw_run(gw);
    cr_assert_eq(gw_stats(gw).shards, 2);
    fanfare_free(gw);
}

Test(life, new_checks_the_options)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw = NULL;

    gw_set(o, "listen", "0.0.0.0:0");
    cr_assert_neq(fanfare_new(o, &gw, &why), 0);
    cr_assert_gt(strlen(why.text), 5);
    cr_assert_neq(fanfare_new(o, &gw, NULL), 0);
    cr_assert_null(gw);
    fanfare_options_free(o);
}

Test(life, new_opens_the_log)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;

    gw_set(o, "log-file", "/nonexistent/log");
    cr_assert_eq(fanfare_new(o, &gw, &why), FANFARE_ERR_SYSTEM);
    cr_assert_not_null(strstr(why.text, "/nonexistent/log"), "%s", why.text);
    fanfare_options_free(o);
}

Test(life, many_times)
{
    for (int i = 0; i < 20; i++) {
        struct fanfare *gw = gw_start();
        cr_assert_eq(fanfare_broadcast_everyone(gw, NULL, NULL, NULL), 0);
        fanfare_free(gw);
    }
}

Test(life, two_at_once)
{
    struct fanfare *a = gw_start(), *b = gw_start();
    struct fanfare_receipt ra, rb;

    cr_assert_neq(gw_port(a), gw_port(b));
    cr_assert_eq(fanfare_broadcast_everyone(a, NULL, NULL, &ra), 0);
    cr_assert_eq(fanfare_broadcast_everyone(b, NULL, NULL, &rb), 0);
    cr_assert_str_neq(ra.cursor, rb.cursor, "each has a log of its own");
    fanfare_free(a);
    fanfare_free(b);
}

/* ---- addresses ---- */

Test(life, port_in_use_by_another_instance)
{
    struct fanfare *first = gw_start();
    struct fanfare_options *o;
    struct fanfare *second;
    char listen[40];

    snprintf(listen, sizeof(listen), "127.0.0.1:%u", gw_port(first));
    cr_assert_eq(fanfare_options_new(&o), 0);
    gw_set(o, "listen", listen);
    gw_set(o, "log-file", "/dev/null");
    second = gw_new(o);
    cr_assert_eq(fanfare_start(second, &why), FANFARE_ERR_IN_USE);
    cr_assert_not_null(strstr(why.text, listen), "%s", why.text);
    cr_assert_eq(fanfare_start(second, NULL), FANFARE_ERR_STATE, "it can only be freed");
    cr_assert_eq(fanfare_broadcast_everyone(second, NULL, NULL, NULL), FANFARE_ERR_STATE);
    fanfare_free(second);
    free(gw_ask(first, "GET /health", NULL)); /* undisturbed */
    fanfare_free(first);
}

Test(life, port_in_use_by_a_stranger_with_reuseport)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;
    char listen_on[40];

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&in, len), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%u", ntohs(in.sin_port));
    gw_set(o, "listen", listen_on); /* the second of two: the first is let go */
    gw = gw_new(o);
    cr_assert_eq(fanfare_start(gw, &why), FANFARE_ERR_IN_USE, "%s", why.text);
    fanfare_free(gw);
    close(fd);
}

Test(life, the_port_is_free_again)
{
    struct fanfare *gw = gw_start();
    char listen_on[40];

    snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%u", gw_port(gw));
    for (int i = 0; i < 3; i++) {
        struct fanfare_options *o;
        struct gw_client c = gw_sse(gw, "");
        fanfare_free(gw);
        cr_assert_eq(fanfare_options_new(&o), 0);
        gw_set(o, "listen", listen_on);
        gw_set(o, "log-file", "/dev/null");
        gw = gw_new(o);
        gw_run(gw);
        gw_close(&c);
    }
    fanfare_free(gw);
}

Test(life, urls)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;
    char dir[] = "/tmp/fanfare-test-XXXXXX";
    char listen_on[80], path[60];
    const char *url;
    struct stat st;

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(listen_on, sizeof(listen_on), "unix:%s", path);
    gw_set(o, "listen", listen_on);
    gw_set(o, "unix-mode", "600");
    gw = gw_new(o);
    cr_assert_null(fanfare_url(gw, 0), "not before the start");
    gw_run(gw);
    cr_assert_not_null(fanfare_url(gw, 0));
    cr_assert_str_eq(fanfare_url(gw, 1), listen_on);
    cr_assert_null(fanfare_url(gw, 2));
    cr_assert_null(fanfare_url(gw, SIZE_MAX));
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        struct gw_client c = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
        static const char text[] = "GET /health HTTP/1.1\r\nHost: any.example\r\n\r\n";
        strcpy(un.sun_path, path);
        cr_assert_eq(connect(c.fd, (struct sockaddr *)&un, sizeof(un)), 0);
        cr_assert_eq(send(c.fd, text, sizeof(text) - 1, 0), (ssize_t)sizeof(text) - 1);
        gw_expect(&c, "{\"status\":\"ok\"}");
        gw_close(&c);
    }
    url = fanfare_url(gw, 1);
    fanfare_stop(gw);
    cr_assert_eq(stat(path, &st), -1, "the socket's path is cleared");
    cr_assert_str_eq(url, listen_on, "valid until fanfare_free");
    cr_assert_eq(fanfare_url(gw, 1), url);
    fanfare_free(gw);
    rmdir(dir);
}

Test(life, unix_path_in_use_and_left_over)
{
    char dir[] = "/tmp/fanfare-test-XXXXXX";
    char listen_on[80], path[60];
    struct fanfare *gw[2];

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(listen_on, sizeof(listen_on), "unix:%s", path);
    for (int i = 0; i < 2; i++) {
        struct fanfare_options *o;
        cr_assert_eq(fanfare_options_new(&o), 0);
        gw_set(o, "listen", listen_on);
        gw_set(o, "log-file", "/dev/null");
        gw[i] = gw_new(o);
    }
    { /* left over from a crash */
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        strcpy(un.sun_path, path);
        cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
        close(fd);
    }
    gw_run(gw[0]);
    cr_assert_eq(fanfare_start(gw[1], &why), FANFARE_ERR_IN_USE);
    fanfare_free(gw[1]);
    cr_assert_eq(access(path, F_OK), 0, "the first one's socket stays");
    fanfare_free(gw[0]);
    cr_assert_neq(access(path, F_OK), 0);
    rmdir(dir);
}

Test(life, a_file_in_the_way_of_a_unix_path)
{
    char path[] = "/tmp/fanfare-test-XXXXXX";
    char listen_on[60];
    struct fanfare_options *o;
    struct fanfare *gw;

    close(mkstemp(path));
    snprintf(listen_on, sizeof(listen_on), "unix:%s", path);
    cr_assert_eq(fanfare_options_new(&o), 0);
    gw_set(o, "listen", listen_on);
    gw_set(o, "log-file", "/dev/null");
    gw = gw_new(o);
    cr_assert_eq(fanfare_start(gw, &why), FANFARE_ERR_IN_USE);
    fanfare_free(gw);
    cr_assert_eq(access(path, F_OK), 0, "it is not ours to remove");
    unlink(path);
}

/* ---- limits ---- */

Test(life, more_connections_than_descriptors)
{
    struct fanfare_options *o = gw_options();
    struct fanfare *gw;

    gw_set(o, "max-connections", "10000000");
    gw = gw_new(o);
    cr_assert_eq(fanfare_start(gw, &why), FANFARE_ERR_LIMIT);
    cr_assert_not_null(strstr(why.text, "max-connections"), "%s", why.text);
    fanfare_free(gw);
}

/* Nothing is printed, nothing stays open. */
Test(life, leaves_no_descriptor)
{
    int before, after;

    fanfare_free(gw_start());
    before = dup(0);
    for (int i = 0; i < 5; i++) {
        struct fanfare *gw = gw_start();
        struct gw_client c = gw_sse(gw, "channel=a"), d = gw_ws(gw, "channel=a");
        fanfare_free(gw);
        gw_close(&c);
        gw_close(&d);
    }
    after = dup(0);
    cr_assert_eq(after, before + 1, "%d, %d", before, after);
}
