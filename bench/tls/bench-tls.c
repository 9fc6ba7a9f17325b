/* bench-tls - what TLS costs a server: memory of idle clients, fan-out, handshakes.
 *
 *     bench-tls idle PORT sse|ws CLIENTS PLAIN_PORT PID...
 *     bench-tls fan PORT sse|ws CLIENTS PLAIN_PORT WINDOW SECONDS PID...
 *     bench-tls shake PORT COUNT PID...
 *
 * Subscribers speak TLS to PORT, or plain if it is written as pPORT; publications go to PLAIN_PORT.
 * PIDs are the servers', whose memory and processor time are measured. While messages flow, records
 * are counted by their headers and not decrypted, so that this program needs less of the machine
 * than what it measures. One line of JSON comes out. See bench/tls/compare. */
/* NOLINTBEGIN(cert-err34-c): its arguments come from the script beside it, its files from the
 * kernel. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OVERHEAD 17 /* of a TLS 1.3 record: content type and tag */

struct client {
    int fd;
    SSL *ssl;
    unsigned char head[5];
    unsigned have; /* bytes of head */
    uint32_t left; /* of the record's payload */
};

static struct client *clients;
static int count, port, plain_port, pids[8], npids;
static bool secure = true;
static SSL_CTX *ctx;

static void die(const char *what)
{
    fprintf(stderr, "bench-tls: %s: %s\n", what, errno ? strerror(errno) : "failed");
    ERR_print_errors_fp(stderr);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Processor seconds of the servers. */
static double cpu(void)
{
    double sum = 0;

    for (int i = 0; i < npids; i++) {
        char path[64], line[1024];
        unsigned long user, sys;
        FILE *f;
        snprintf(path, sizeof(path), "/proc/%d/stat", pids[i]);
        f = fopen(path, "r");
        if (!f || !fgets(line, sizeof(line), f) ||
            sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                   &user, &sys) != 2) {
            die(path);
        }
        fclose(f);
        sum += (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    }
    return sum;
}

/* Private memory of one of them, bytes. */
static double memory(int pid)
{
    char path[64], line[256];
    double kb, sum = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    if (!f) {
        die(path);
    }
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Private_%*[^:]: %lf", &kb) == 1) {
            sum += kb * 1024;
        }
    }
    fclose(f);
    return sum;
}

static int dial(int to)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)to),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        die("connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static SSL *shake(int fd)
{
    SSL *ssl = SSL_new(ctx);

    if (!ssl || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1) {
        die("handshake");
    }
    return ssl;
}

static int get(struct client *c, char *buf, int size)
{
    return c->ssl ? SSL_read(c->ssl, buf, size) : (int)recv(c->fd, buf, (size_t)size, 0);
}

/* HTTP/1.0, so that no proxy adds chunks. */
static void subscribe(struct client *c, bool ws)
{
    char text[512], buf[16384];
    const char *end = ws ? "}}" : "\n\n";
    size_t have = 0;
    int n = snprintf(text, sizeof(text),
                     ws ? "GET /ws?channel=bench HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                          "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                        : "GET /events?channel=bench HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n",
                     plain_port);

    c->fd = dial(port);
    c->ssl = secure ? shake(c->fd) : NULL;
    if ((c->ssl ? SSL_write(c->ssl, text, n) : (int)send(c->fd, text, (size_t)n, 0)) != n) {
        die("request");
    }
    do {
        n = get(c, buf + have, (int)(sizeof(buf) - have - 1));
        if (n <= 0) {
            die("no stream");
        }
        have += (size_t)n;
    } while (!memmem(buf, have, "fanfare.synced\",", 16) || memcmp(buf + have - 2, end, 2) != 0);
    if (c->ssl && SSL_has_pending(c->ssl)) {
        die("more than the greeting");
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void subscribe_all(bool ws)
{
    clients = calloc((size_t)count, sizeof(*clients));
    for (int i = 0; i < count; i++) {
        subscribe(&clients[i], ws);
    }
}

/* Bytes of plaintext in these of the connection. */
static uint64_t look(struct client *c, const unsigned char *p, size_t n)
{
    uint64_t sum = 0;

    if (!c->ssl) {
        return n;
    }
    while (n) {
        if (c->left) {
            size_t part = n < c->left ? n : c->left;
            c->left -= (uint32_t)part;
            p += part;
            n -= part;
            continue;
        }
        c->head[c->have++] = *p++;
        n--;
        if (c->have == 5) {
            c->have = 0;
            c->left = (uint32_t)c->head[3] << 8 | c->head[4];
            sum += c->left - OVERHEAD;
        }
    }
    return sum;
}

static uint64_t drain(int ep, int ms)
{
    static unsigned char buf[65536];
    struct epoll_event ev[256];
    uint64_t sum = 0;
    int n = epoll_wait(ep, ev, 256, ms);

    for (int i = 0; i < n; i++) {
        struct client *c = ev[i].data.ptr;
        ssize_t did = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (did == 0 || (did < 0 && errno != EAGAIN)) {
            die("a stream ended");
        }
        sum += did > 0 ? look(c, buf, (size_t)did) : 0;
    }
    return sum;
}

static void publish(int fd, const char *channel)
{
    static char body[512], text[1024];
    static char waste[65536];
    int n, m;

    m = snprintf(body, sizeof(body), "{\"channel\":\"%s\",\"data\":\"%0100d\"}", channel, 7);
    n = snprintf(text, sizeof(text),
                 "POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                 plain_port, m, body);
    if (send(fd, text, (size_t)n, 0) != n) {
        die("publish");
    }
    while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0) {
    }
}

/* The numbers of messages get as long as they will be in the measurement. */
static void grow_numbers(int fd)
{
    static char body[32768], text[33000], waste[65536];
    int n, m = 0;

    for (int i = 0; i < 1000; i++) {
        m +=
            snprintf(body + m, sizeof(body) - (size_t)m, "%c{\"channel\":\"none\"}", i ? ',' : '[');
    }
    m += snprintf(body + m, sizeof(body) - (size_t)m, "]");
    n = snprintf(text, sizeof(text),
                 "POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                 plain_port, m, body);
    for (int i = 0; i < 10; i++) {
        ssize_t did;
        if (send(fd, text, (size_t)n, 0) != n) {
            die("publish");
        }
        do { /* the end of the answer */
            did = recv(fd, waste, sizeof(waste), 0);
        } while (did > 0 && waste[did - 2] != '0' && waste[did - 1] != '}');
        if (did <= 0) {
            die("publish");
        }
    }
}

static void fan(bool ws, unsigned window, double seconds)
{
    int ep = epoll_create1(0), fd = dial(plain_port);
    uint64_t total = 0, size = 0, sent = 0, quiet = 0;
    double began, spent, used;

    grow_numbers(fd);
    subscribe_all(ws);
    for (int i = 0; i < count; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};
        epoll_ctl(ep, EPOLL_CTL_ADD, clients[i].fd, &ev);
    }
    publish(fd, "bench");
    while (quiet < 5) { /* how long is a message? */
        uint64_t n = drain(ep, 100);
        size += n;
        quiet = n || !size ? 0 : quiet + 1;
    }
    if (size % (uint64_t)count) {
        die("messages are not of one size");
    }
    used = cpu();
    began = now();
    while ((spent = now() - began) < seconds || total < sent * size) {
        while (spent < seconds && sent - total / size < window) {
            publish(fd, "bench");
            sent++;
        }
        total += drain(ep, 1000);
    }
    used = cpu() - used;
    printf("{\"deliveries_s\": %.0f, \"cpu_us\": %.3f, \"busy\": %.2f}\n",
           (double)sent * count / spent, used * 1e6 / ((double)sent * count), used / spent);
}

static void idle(bool ws)
{
    double before[8] = {0};

    for (int i = 0; i < npids; i++) {
        before[i] = memory(pids[i]);
    }
    subscribe_all(ws);
    sleep(2); /* free memory is given back */
    printf("{\"bytes\": [");
    for (int i = 0; i < npids; i++) {
        printf("%s%.0f", i ? ", " : "", (memory(pids[i]) - before[i]) / count);
    }
    printf("]}\n");
}

static void shakes(void)
{
    double used = cpu(), began = now();

    for (int i = 0; i < count; i++) {
        int fd = dial(port);
        SSL *ssl = shake(fd);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    printf("{\"cpu_us\": %.1f, \"per_s\": %.0f}\n", (cpu() - used) * 1e6 / count,
           count / (now() - began));
}

int main(int argc, char **argv)
{
    struct rlimit rl;
    int at = 3;
    bool ws = argc > 3 && strcmp(argv[3], "ws") == 0;

    if (argc < 5) {
        fprintf(stderr, "see the beginning of bench/tls/bench-tls.c\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    secure = argv[2][0] != 'p';
    port = atoi(argv[2] + !secure);
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    if (strcmp(argv[1], "shake") == 0) {
        count = atoi(argv[at++]);
    } else {
        count = atoi(argv[4]);
        plain_port = atoi(argv[5]);
        at = strcmp(argv[1], "fan") == 0 ? 8 : 6;
    }
    for (int i = at; i < argc && npids < 8; i++) {
        pids[npids++] = atoi(argv[i]);
    }
    if (strcmp(argv[1], "fan") == 0) {
        fan(ws, (unsigned)atoi(argv[6]), atof(argv[7]));
    } else if (strcmp(argv[1], "idle") == 0) {
        idle(ws);
    } else {
        shakes();
    }
    return 0;
}
/* NOLINTEND(cert-err34-c) */
