/* iofault.c - faults below the store, for the end-to-end tests: a library to be
 * preloaded into the daemon that makes writes and syncs of some files fail.
 *
 *   IOFAULT_MATCH    files whose path contains this text
 *   IOFAULT_CONTROL  a file of 128 bytes. Its text says what happens, and may be
 *                    changed at any time in place:
 *                      off
 *                      write|sync|all enospc|eio   it fails with this error
 *                      write short                 half of it is written
 *                      write torn                  half of it, then ENOSPC
 *                      sync slow MS                it takes so much longer
 *                    At byte 64 this library counts what it did (64 bits). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_SIZE 128
#define TEXT_SIZE 64

enum op { OP_WRITE, OP_SYNC };
enum fault { FAULT_NONE, FAULT_ERROR, FAULT_SHORT, FAULT_TORN, FAULT_SLOW };

struct order {
    enum fault fault;
    int error;
    long ms;
};

static char *control;
static const char *match;
/* The rest of a torn write must fail. */
static _Thread_local bool torn;

__attribute__((constructor)) static void iofault_init(void)
{
    const char *path = getenv("IOFAULT_CONTROL");
    int fd;
    void *p;

    match = getenv("IOFAULT_MATCH");
    if (!path || !match) {
        return;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        perror(path);
        _exit(99);
    }
    p = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED) {
        perror("iofault: mmap");
        _exit(99);
    }
    control = p;
}

static bool concerns(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0) {
        return false;
    }
    path[n] = '\0';
    return strstr(path, match) != NULL;
}

static bool parse(const char *text, enum op op, struct order *out)
{
    char ops[16], fault[16];

    out->ms = 0;
    if (sscanf(text, "%15s %15s %ld", ops, fault, &out->ms) < 2) {
        return false;
    }
    if (strcmp(ops, "all") != 0 && strcmp(ops, op == OP_WRITE ? "write" : "sync") != 0) {
        return false;
    }
    out->fault = FAULT_ERROR;
    out->error = strcmp(fault, "enospc") == 0 ? ENOSPC : EIO;
    if (strcmp(fault, "short") == 0) {
        out->fault = FAULT_SHORT;
    } else if (strcmp(fault, "torn") == 0) {
        out->fault = FAULT_TORN;
    } else if (strcmp(fault, "slow") == 0) {
        out->fault = FAULT_SLOW;
    }
    return true;
}

/* What is to happen to this call now. */
static struct order order_for(int fd, enum op op)
{
    struct order o = {FAULT_NONE, 0, 0};
    char text[TEXT_SIZE + 1];
    int saved = errno;

    if (!control || memcmp(control, "off", 3) == 0) {
        return o;
    }
    memcpy(text, control, TEXT_SIZE);
    text[TEXT_SIZE] = '\0';
    if (!parse(text, op, &o) || !concerns(fd)) {
        o.fault = FAULT_NONE;
    } else {
        __atomic_add_fetch((uint64_t *)(void *)(control + TEXT_SIZE), 1, __ATOMIC_RELAXED);
    }
    if (o.fault == FAULT_SLOW) {
        struct timespec t = {o.ms / 1000, o.ms % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
    errno = saved;
    return o;
}

/* How many of `n` bytes may be written; -1 with errno: the call fails. */
static ssize_t allowed(int fd, size_t n)
{
    struct order o = order_for(fd, OP_WRITE);

    if (o.fault == FAULT_TORN && torn) {
        torn = false;
        errno = ENOSPC;
        return -1;
    }
    if (o.fault == FAULT_ERROR) {
        errno = o.error;
        return -1;
    }
    torn = o.fault == FAULT_TORN;
    return (ssize_t)(o.fault == FAULT_SHORT || o.fault == FAULT_TORN ? (n + 1) / 2 : n);
}

#define NEXT(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *p, size_t n)
{
    ssize_t may = allowed(fd, n);
    return may < 0 ? -1 : NEXT(write)(fd, p, (size_t)may);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    ssize_t may = allowed(fd, n);
    return may < 0 ? -1 : NEXT(pwrite)(fd, p, (size_t)may, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    ssize_t may = allowed(fd, n);
    return may < 0 ? -1 : NEXT(pwrite64)(fd, p, (size_t)may, at);
}

static bool sync_fails(int fd)
{
    struct order o = order_for(fd, OP_SYNC);

    if (o.fault == FAULT_ERROR) {
        errno = o.error;
        return true;
    }
    return false;
}

int fsync(int fd)
{
    return sync_fails(fd) ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
    return sync_fails(fd) ? -1 : NEXT(fdatasync)(fd);
}
