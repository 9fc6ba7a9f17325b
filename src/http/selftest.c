/* Tries, before the gateway serves, what detach.h does with libmicrohttpd. */
#include "http/detach.h"
#include "http/server.h"

#include <microhttpd.h>

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

struct trial {
    struct MHD_Connection *c;
    int dummy;
    int client;     /* the other end of the connection */
    int taken;      /* the stream's descriptor, once it is ours */
    bool early;     /* the reader was called before the headers were out */
    bool completed; /* libmicrohttpd has buried its part */
};

static ssize_t reader(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct trial *t = cls;
    char head[16];

    (void)pos;
    (void)buf;
    (void)max;
    if (t->taken >= 0) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    t->early = recv(t->client, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT) <= 0;
    t->taken = detach_socket(t->c, t->dummy);
    return t->taken >= 0 ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **req_cls)
{
    struct trial *t = cls;
    struct MHD_Response *r;
    enum MHD_Result res;

    (void)url;
    (void)method;
    (void)version;
    (void)upload;
    (void)upload_len;
    *req_cls = t;
    t->c = c;
    r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 512, reader, t, NULL);
    if (!r) {
        return MHD_NO;
    }
    (void)MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    res = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return res;
}

static void completed(void *cls, struct MHD_Connection *c, void **req_cls,
                      enum MHD_RequestTerminationCode code)
{
    struct trial *t = cls;

    (void)c;
    (void)req_cls;
    (void)code;
    t->completed = true;
}

static void silent(void *cls, const char *fmt, va_list ap)
{
    (void)cls;
    (void)fmt;
    (void)ap;
}

/* Is the connection whole, and does it carry bytes both ways, unframed? */
static const char *check_stream(const struct trial *t)
{
    static const char word[] = "stream-bytes";
    char buf[2048];
    struct pollfd p = {.fd = t->client, .events = POLLIN};
    ssize_t n;

    if (send(t->taken, word, sizeof(word) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return "the taken socket cannot be written";
    }
    if (poll(&p, 1, 1000) != 1) {
        return "nothing arrives";
    }
    n = recv(t->client, buf, sizeof(buf) - 1, MSG_DONTWAIT);
    if (n <= 0) {
        return "the connection was closed";
    }
    buf[n] = '\0';
    if (!strstr(buf, "\r\n\r\nstream-bytes")) {
        return "the body is framed, or the headers are not whole";
    }
    if (poll(&p, 1, 0) != 0) {
        return "something follows the stream's bytes";
    }
    return NULL;
}

static const char *run_trial(struct trial *t, struct MHD_Daemon *d, int server)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_storage addr = {.ss_family = AF_UNIX};

    if (MHD_add_connection(d, server, (const struct sockaddr *)&addr, sizeof(sa_family_t)) !=
        MHD_YES) {
        return "a connection cannot be added";
    }
    if (send(t->client, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0) {
        return "the trial request cannot be sent";
    }
    for (int i = 0; i < 100 && !t->completed; i++) {
        MHD_run(d);
    }
    if (t->taken < 0) {
        return "the socket could not be taken";
    }
    if (t->early) {
        return "the reader is called before the headers are out";
    }
    if (!t->completed) {
        return "the response does not end";
    }
    return check_stream(t);
}

int http_selftest(struct errmsg *why)
{
    struct trial t = {.taken = -1, .dummy = -1, .client = -1};
    struct MHD_Daemon *d = NULL;
    int pair[2] = {-1, -1};
    const char *failure = "no descriptors or memory for the trial";

    t.dummy = detach_dummy();
    if (t.dummy < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        goto out;
    }
    t.client = pair[0];
    d = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_UPGRADE |
                             MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                         0, NULL, NULL, answer, &t, MHD_OPTION_EXTERNAL_LOGGER, silent, NULL,
                         MHD_OPTION_NOTIFY_COMPLETED, completed, &t, MHD_OPTION_END);
    if (!d) {
        goto out;
    }
    failure = run_trial(&t, d, pair[1]);
    pair[1] = -1; /* libmicrohttpd's, in any case */
out:
    if (d) {
        MHD_stop_daemon(d);
    }
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
    }
    if (t.taken >= 0) {
        close(t.taken);
    }
    if (t.dummy >= 0) {
        close(t.dummy);
    }
    return failure ? errmsg_set(why, ERR_STATE, "%s", failure) : 0;
}
