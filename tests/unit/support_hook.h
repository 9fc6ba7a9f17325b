/* support_hook.h - an application that is asked, in threads of the test: a small HTTP server
 * that answers as it is told. Without the test framework. */
#ifndef FF_TESTS_SUPPORT_HOOK_H
#define FF_TESTS_SUPPORT_HOOK_H

#include "hook/hook.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef APP_REQUEST_MAX
#define APP_REQUEST_MAX 65536
#endif

enum app_mode {
    APP_ANSWERS, /* `status` and `body` */
    APP_HANGS,   /* until it is let go */
    APP_CLOSES,  /* without a word */
    APP_STOPS,   /* in the middle of the answer */
    APP_FLOODS,  /* a body without an end */
    APP_BLOATS,  /* headers without an end */
    APP_RAMBLES  /* no HTTP at all */
};

struct app {
    int fd;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool stop, hold;
    enum app_mode mode;
    int status;
    char body[4096], headers[256];
    char request[APP_REQUEST_MAX]; /* the last one, head and body */
    /* NULL, or is told of each one, with the lock held. */
    void (*took)(struct app *app, const char *request);
    atomic_uint asked, open, most; /* questions so far; connections at once, and at most */
};

struct app_conn {
    struct app *app;
    int fd;
};

/* False: it is gone. */
static inline bool app_read(int fd, char *buf)
{
    size_t n = 0, want = SIZE_MAX;

    while (n < want && n + 1 < APP_REQUEST_MAX) {
        ssize_t got = recv(fd, buf + n, APP_REQUEST_MAX - 1 - n, 0);
        char *end, *length;
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        buf[n] = '\0';
        end = strstr(buf, "\r\n\r\n");
        if (end && want == SIZE_MAX) {
            length = strstr(buf, "Content-Length: ");
            want = (size_t)(end + 4 - buf) + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    return true;
}

static inline bool app_send(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static inline void app_answer(struct app *app, int fd)
{
    char text[8192], status[32];
    enum app_mode mode;

    pthread_mutex_lock(&app->lock);
    mode = app->mode;
    while (!app->stop && (app->hold || (mode == APP_HANGS && app->mode == APP_HANGS))) {
        pthread_cond_wait(&app->cond, &app->lock);
    }
    snprintf(status, sizeof status, "%d", app->status);
    snprintf(text, sizeof text,
             "HTTP/1.1 %s Whatever\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", status,
             app->headers, strlen(app->body) + (mode == APP_STOPS ? 10 : 0), app->body);
    pthread_mutex_unlock(&app->lock);
    switch (mode) {
    case APP_ANSWERS:
    case APP_HANGS:
    case APP_STOPS:
        (void)app_send(fd, text);
        break;
    case APP_CLOSES:
        break;
    case APP_FLOODS:
        (void)app_send(fd, "HTTP/1.1 200 OK\r\n\r\n{\"allow\":true,\"x\":\"");
        while (
            app_send(fd, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) {
        }
        break;
    case APP_BLOATS:
        (void)app_send(fd, "HTTP/1.1 200 OK\r\n");
        while (app_send(fd,
                        "X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")) {
        }
        break;
    case APP_RAMBLES:
        (void)app_send(fd, "{\"allow\":true}\r\n\r\n{\"allow\":true}");
        break;
    }
}

static inline void *app_serve(void *arg)
{
    struct app_conn *c = arg;
    struct app *app = c->app;
    char *buf = malloc(APP_REQUEST_MAX);
    unsigned now = atomic_fetch_add(&app->open, 1) + 1;
    unsigned most = atomic_load(&app->most);

    while (now > most && !atomic_compare_exchange_weak(&app->most, &most, now)) {
    }
    if (buf && app_read(c->fd, buf)) {
        pthread_mutex_lock(&app->lock);
        strcpy(app->request, buf);
        if (app->took) {
            app->took(app, buf);
        }
        atomic_fetch_add(&app->asked, 1);
        pthread_mutex_unlock(&app->lock);
        app_answer(app, c->fd);
    }
    free(buf);
    close(c->fd);
    free(c);
    atomic_fetch_sub(&app->open, 1);
    return NULL;
}

static inline void *app_run(void *arg)
{
    struct app *app = arg;

    for (;;) {
        struct app_conn *c = calloc(1, sizeof *c);
        pthread_t t;
        if (!c) {
            abort();
        }
        c->app = app;
        c->fd = accept(app->fd, NULL, NULL);
        if (c->fd < 0) {
            free(c);
            return NULL;
        }
        if (pthread_create(&t, NULL, app_serve, c) != 0) {
            abort();
        }
        pthread_detach(t);
    }
}

static inline void app_start(struct app *app)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;

    memset(app, 0, sizeof *app);
    pthread_mutex_init(&app->lock, NULL);
    pthread_cond_init(&app->cond, NULL);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    app->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (app->fd < 0 || bind(app->fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        listen(app->fd, 1024) != 0 || getsockname(app->fd, (struct sockaddr *)&addr, &len) != 0) {
        abort();
    }
    snprintf(app->url, sizeof app->url, "http://127.0.0.1:%u/who", ntohs(addr.sin_port));
    if (pthread_create(&app->thread, NULL, app_run, app) != 0) {
        abort();
    }
}

static inline void app_says(struct app *app, enum app_mode mode, int status, const char *body)
{
    pthread_mutex_lock(&app->lock);
    app->mode = mode;
    app->status = status;
    snprintf(app->body, sizeof app->body, "%s", body);
    pthread_cond_broadcast(&app->cond);
    pthread_mutex_unlock(&app->lock);
}

/* Questions are taken, and answered when it is over. */
static inline void app_hold(struct app *app, bool hold)
{
    pthread_mutex_lock(&app->lock);
    app->hold = hold;
    pthread_cond_broadcast(&app->cond);
    pthread_mutex_unlock(&app->lock);
}

/* No more connections are taken; all that are open are let go. */
static inline void app_stop(struct app *app)
{
    shutdown(app->fd, SHUT_RDWR);
    pthread_join(app->thread, NULL);
    close(app->fd);
    pthread_mutex_lock(&app->lock);
    app->stop = true;
    pthread_cond_broadcast(&app->cond);
    pthread_mutex_unlock(&app->lock);
    while (atomic_load(&app->open)) {
        usleep(1000);
    }
}

/* ---- who asks ---- */

struct asker {
    struct hook_call call; /* first */
    bool done;
};

static pthread_mutex_t askers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t askers_cond = PTHREAD_COND_INITIALIZER;

static inline void asker_done(struct hook_call *c)
{
    pthread_mutex_lock(&askers_lock);
    ((struct asker *)(void *)c)->done = true;
    pthread_cond_broadcast(&askers_cond);
    pthread_mutex_unlock(&askers_lock);
}

static inline void asker_ask(struct asker *a, struct hook *h, const struct hook_question *q)
{
    memset(a, 0, sizeof *a);
    a->call.done = asker_done;
    hook_ask(h, q, &a->call);
}

static inline bool asker_is_done(struct asker *a)
{
    bool done;

    pthread_mutex_lock(&askers_lock);
    done = a->done;
    pthread_mutex_unlock(&askers_lock);
    return done;
}

static inline struct hook_answer asker_wait(struct asker *a)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&askers_lock);
    while (!a->done) {
        if (pthread_cond_timedwait(&askers_cond, &askers_lock, &until) != 0) {
            fprintf(stderr, "no answer within a minute\n");
            abort();
        }
    }
    pthread_mutex_unlock(&askers_lock);
    return a->call.answer;
}

#endif
