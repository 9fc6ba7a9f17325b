/* support_gateway.h - a real gateway and real clients over loopback, as an
 * embedding program has them. Waiting is by poll with a deadline, never a nap. */
#ifndef FF_TESTS_SUPPORT_GATEWAY_H
#define FF_TESTS_SUPPORT_GATEWAY_H

#include <fanfare/fanfare.h>

#include "base/clock.h"
#include "base/strbuf.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Generous: the sanitizers and valgrind are slow, and a wait ends when it may. */
#define GW_DEADLINE_MS 30000

static inline struct fanfare_options *gw_options(void)
{
    struct fanfare_options *o;

    cr_assert_eq(fanfare_options_new(&o), 0);
    cr_assert_eq(fanfare_options_set(o, "listen", "127.0.0.1:0", NULL), 0);
    cr_assert_eq(fanfare_options_set(o, "shards", "2", NULL), 0);
    cr_assert_eq(fanfare_options_set(o, "log-file", "/dev/null", NULL), 0);
    return o;
}

static inline void gw_set(struct fanfare_options *o, const char *name, const char *value)
{
    struct fanfare_why why = {""};

    cr_assert_eq(fanfare_options_set(o, name, value, &why), 0, "%s", why.text);
}

/* Takes the options over. */
static inline struct fanfare *gw_new(struct fanfare_options *o)
{
    struct fanfare *gw;
    struct fanfare_why why = {""};

    cr_assert_eq(fanfare_new(o, &gw, &why), 0, "%s", why.text);
    fanfare_options_free(o);
    return gw;
}

static inline void gw_run(struct fanfare *gw)
{
    struct fanfare_why why = {""};

    cr_assert_eq(fanfare_start(gw, &why), 0, "%s", why.text);
}

static inline struct fanfare *gw_start(void)
{
    struct fanfare *gw = gw_new(gw_options());

    gw_run(gw);
    return gw;
}

static inline unsigned gw_port(const struct fanfare *gw)
{
    unsigned port = 0;
    const char *url = fanfare_url(gw, 0);

    cr_assert_not_null(url);
    cr_assert_eq(sscanf(url, "http://127.0.0.1:%u", &port), 1, "%s", url);
    return port;
}

/* ---- clients ---- */

struct gw_client {
    int fd;
    struct strbuf in; /* everything that came */
    char id[20];
};

static inline int gw_connect(unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0, "%s", strerror(errno));
    return fd;
}

static inline struct gw_client gw_send(unsigned port, const char *text)
{
    struct gw_client c = {.fd = gw_connect(port)};

    cr_assert_eq(send(c.fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    return c;
}

/* Reads once. False at the end of the stream. */
static inline bool gw_read(struct gw_client *c, uint64_t deadline)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    uint64_t now = clock_mono_ms();
    char buf[65536];
    ssize_t n;

    cr_assert_lt(now, deadline, "too late; so far: %s", c->in.data ? c->in.data : "(nothing)");
    if (poll(&p, 1, (int)(deadline - now)) <= 0) {
        return true;
    }
    n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n > 0) {
        strbuf_add(&c->in, buf, (size_t)n);
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Waits until the text has come. */
static inline void gw_expect(struct gw_client *c, const char *text)
{
    uint64_t deadline = clock_mono_ms() + GW_DEADLINE_MS;

    while (!c->in.len || !memmem(c->in.data, c->in.len, text, strlen(text))) {
        cr_assert(gw_read(c, deadline), "ended without %s: %s", text,
                  c->in.data ? c->in.data : "(nothing)");
    }
}

/* Waits for the end of the stream. */
static inline void gw_expect_end(struct gw_client *c)
{
    uint64_t deadline = clock_mono_ms() + GW_DEADLINE_MS;

    while (gw_read(c, deadline)) {
    }
}

static inline void gw_close(struct gw_client *c)
{
    close(c->fd);
    strbuf_fini(&c->in);
}

/* An SSE client that has been greeted. */
static inline struct gw_client gw_sse(const struct fanfare *gw, const char *query)
{
    struct gw_client c;
    char text[400];
    const char *id;

    snprintf(text, sizeof(text),
             "GET /events?%s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n\r\n", query);
    c = gw_send(gw_port(gw), text);
    gw_expect(&c, "event: fanfare.synced\n");
    gw_expect(&c, "\"data\":{}}\n\n");
    id = strstr(c.in.data, "\"clientId\":\"");
    cr_assert_not_null(id);
    snprintf(c.id, sizeof(c.id), "%.16s", id + 12);
    return c;
}

static inline struct gw_client gw_ws(const struct fanfare *gw, const char *query)
{
    struct gw_client c;
    char text[600];
    const char *id;

    snprintf(text, sizeof(text),
             "GET /ws?%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             query);
    c = gw_send(gw_port(gw), text);
    gw_expect(&c, "\"type\":\"fanfare.synced\"");
    id = memmem(c.in.data, c.in.len, "\"clientId\":\"", 12);
    cr_assert_not_null(id);
    snprintf(c.id, sizeof(c.id), "%.16s", id + 12);
    return c;
}

/* One request; the whole answer, to be freed. */
static inline char *gw_ask(const struct fanfare *gw, const char *line, const char *body)
{
    struct gw_client c;
    struct strbuf sb = STRBUF_INIT;
    char *text;

    strbuf_addf(&sb, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", line);
    if (body) {
        strbuf_addf(&sb, "Content-Length: %zu\r\n", strlen(body));
    }
    strbuf_addf(&sb, "\r\n%s", body ? body : "");
    c = gw_send(gw_port(gw), sb.data);
    strbuf_fini(&sb);
    gw_expect_end(&c);
    close(c.fd);
    text = strbuf_steal(&c.in, NULL);
    cr_assert_not_null(text);
    return text;
}

/* ---- figures ---- */

static inline struct fanfare_stats gw_stats(const struct fanfare *gw)
{
    struct fanfare_stats s = {.size = sizeof(s)};

    cr_assert_eq(fanfare_get_stats(gw, &s), 0);
    return s;
}

/* Waits until the condition holds, asking the kernel for time between looks. */
#define GW_UNTIL(condition)                                                 \
    do {                                                                    \
        uint64_t until_ = clock_mono_ms() + GW_DEADLINE_MS;                 \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), until_, "too late: " #condition); \
            (void)poll(NULL, 0, 1);                                         \
        }                                                                   \
    } while (0)

#endif
