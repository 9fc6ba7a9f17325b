#include "lib/listener.h"

#include "lib/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage any;
};

/* ---- addresses ---- */

static int resolve(const struct listen_addr *a, union address *out, socklen_t *len,
                   struct errmsg *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *res;
    char port[8];
    int rc;

    snprintf(port, sizeof(port), "%u", (unsigned)a->port);
    rc = getaddrinfo(a->host, port, &hints, &res);
    if (rc != 0) {
        return errmsg_set(why, ERR_INVALID, "listen address \"%s\" cannot be resolved: %s", a->host,
                          gai_strerror(rc));
    }
    memcpy(out, res->ai_addr, res->ai_addrlen);
    *len = res->ai_addrlen;
    freeaddrinfo(res);
    return 0;
}

static void describe(struct listen_point *p, const union address *a)
{
    char ip[INET6_ADDRSTRLEN] = "";

    if (a->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
        snprintf(p->host, sizeof(p->host), "[%s]:%u", ip, ntohs(a->in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip));
        snprintf(p->host, sizeof(p->host), "%s:%u", ip, ntohs(a->in.sin_port));
    }
    snprintf(p->url, sizeof(p->url), "%s://%s", p->tls ? "https" : "http", p->host);
}

/* ---- binding ---- */

static int socket_error(const char *what, const char *where, struct errmsg *why)
{
    if (errno == EADDRINUSE) {
        return errmsg_set(why, ERR_IN_USE,
                          "%s is in use: another program, or another instance, listens there",
                          where);
    }
    return errmsg_set(why, ERR_SYSTEM, "cannot %s %s: %s", what, where, strerror(errno));
}

static int bind_tcp(const union address *a, socklen_t len, bool reuse_port, const char *where,
                    int *out, struct errmsg *why)
{
    int one = 1;
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return socket_error("make a socket for", where, why);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (a->sa.sa_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    if ((reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) ||
        bind(fd, &a->sa, len) != 0) {
        int rc = socket_error("bind", where, why);
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

/* SO_REUSEPORT would let us share the port with a stranger of the same user
 * without a word: a bind without it finds out. */
static int probe(const union address *a, socklen_t len, const char *where, struct errmsg *why)
{
    int fd;
    int rc = bind_tcp(a, len, false, where, &fd, why);

    if (rc != 0) {
        return rc;
    }
    /* Only listening tells of one that has SO_REUSEADDR as well. */
    if (listen(fd, 1) != 0) {
        rc = socket_error("listen on", where, why);
    }
    close(fd);
    return rc;
}

static int open_tcp(struct listen_point *p, const struct listen_addr *la, const struct options *opt,
                    unsigned shards, const char *where, struct errmsg *why)
{
    union address a;
    socklen_t len;
    int rc = resolve(la, &a, &len, why);

    if (rc == 0 && la->port != 0) {
        rc = probe(&a, len, where, why);
    }
    for (unsigned i = 0; rc == 0 && i < shards; i++) {
        rc = bind_tcp(&a, len, true, where, &p->fds[i], why);
        if (rc == 0 && i == 0 && getsockname(p->fds[0], &a.sa, &len) != 0) {
            rc = socket_error("look at", where, why);
        }
    }
    /* Only when all are bound: nobody is left waiting at one that fails. */
    for (unsigned i = 0; rc == 0 && i < shards; i++) {
        if (listen(p->fds[i], (int)opt->listen_backlog) != 0) {
            rc = socket_error("listen on", where, why);
        }
    }
    if (rc == 0) {
        describe(p, &a);
    }
    return rc;
}

/* A path that nobody answers at is left over from a crash. */
static int clear_unix_path(const union address *a, socklen_t len, const char *where,
                           struct errmsg *why)
{
    struct stat st;
    int fd;
    int rc = 0;

    if (lstat(a->un.sun_path, &st) != 0) {
        return 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return errmsg_set(why, ERR_IN_USE, "%s exists and is not a socket", where);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return socket_error("make a socket for", where, why);
    }
    if (connect(fd, &a->sa, len) == 0 || errno != ECONNREFUSED) {
        rc = errmsg_set(why, ERR_IN_USE, "%s is in use by another program", where);
    } else if (unlink(a->un.sun_path) != 0) {
        rc = socket_error("remove the old", where, why);
    }
    close(fd);
    return rc;
}

static int open_unix(struct listen_point *p, const struct listen_addr *la,
                     const struct options *opt, unsigned shards, const char *where,
                     struct errmsg *why)
{
    union address a = {.un = {.sun_family = AF_UNIX}};
    size_t n = strlen(la->host);
    int fd;
    int rc;

    if (n >= sizeof(a.un.sun_path)) {
        return errmsg_set(why, ERR_RANGE, "%s: a unix path may have %zu bytes", where,
                          sizeof(a.un.sun_path) - 1);
    }
    memcpy(a.un.sun_path, la->host, n);
    rc = clear_unix_path(&a, sizeof(a.un), where, why);
    if (rc != 0) {
        return rc;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return socket_error("make a socket for", where, why);
    }
    p->is_unix = true;
    for (unsigned i = 0; i < shards; i++) {
        p->fds[i] = fd;
    }
    if (bind(fd, &a.sa, sizeof(a.un)) != 0) {
        rc = socket_error("bind", where, why);
        p->is_unix = false; /* not ours to unlink */
        p->fds[0] = -1;
        close(fd);
        return rc;
    }
    snprintf(p->url, sizeof(p->url), "unix:%s", la->host);
    if (chmod(la->host, (mode_t)strtoul(opt->unix_mode, NULL, 8)) != 0 ||
        listen(fd, (int)opt->listen_backlog) != 0) {
        return socket_error("listen on", where, why);
    }
    return 0;
}

int listen_open(struct listen_set *set, const struct options *opt, unsigned shards,
                struct errmsg *why)
{
    unsigned n = opt->listen.n + opt->listen_plain.n;

    set->points = calloc(n ? n : 1, sizeof(*set->points));
    if (!set->points) {
        return errmsg_set(why, ERR_NOMEM, "out of memory");
    }
    set->shards = shards;
    for (unsigned i = 0; i < n; i++) {
        struct listen_point *p = &set->points[i];
        bool plain = i >= opt->listen.n;
        const char *where =
            plain ? opt->listen_plain.items[i - opt->listen.n] : opt->listen.items[i];
        struct listen_addr la;
        int rc = options_parse_listen(where, &la, why);
        if (rc != 0) {
            return rc;
        }
        p->tls = opt->tls_cert.n && !plain && !la.is_unix;
        p->fds = malloc(shards * sizeof(int));
        if (!p->fds) {
            return errmsg_set(why, ERR_NOMEM, "out of memory");
        }
        for (unsigned s = 0; s < shards; s++) {
            p->fds[s] = -1;
        }
        set->n++;
        rc = la.is_unix ? open_unix(p, &la, opt, shards, where, why)
                        : open_tcp(p, &la, opt, shards, where, why);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

void listen_close(struct listen_set *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        struct listen_point *p = &set->points[i];
        for (unsigned s = 0; s < set->shards; s++) {
            if (p->fds[s] >= 0 && (s == 0 || !p->is_unix)) { /* unix: one for all */
                close(p->fds[s]);
            }
            p->fds[s] = -1;
        }
        if (p->is_unix) {
            unlink(p->url + strlen("unix:"));
            p->is_unix = false; /* the path may be another's from now on */
        }
    }
}

void listen_free(struct listen_set *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        free(set->points[i].fds);
    }
    free(set->points);
    *set = (struct listen_set){0};
}

unsigned listen_kernel_backlog(void)
{
    char line[32];
    unsigned n = 0; /* not known */
    FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");

    if (f) {
        n = fgets(line, sizeof(line), f) ? (unsigned)strtoul(line, NULL, 10) : 0;
        fclose(f);
    }
    return n;
}
