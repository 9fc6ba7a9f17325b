#include "http/spares.h"

#include <fcntl.h>
#include <unistd.h>

void spares_keep(struct http_server *srv)
{
    bool starved;

    while (srv->nspare < HTTP_SPARES) {
        int fd = fcntl(srv->dummy, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            break;
        }
        srv->spare[srv->nspare++] = fd;
    }
    starved = srv->nspare < HTTP_SPARES;
    if (starved != srv->starved) {
        srv->starved = starved;
        atomic_fetch_add(&srv->shared->starved, starved ? 1u : -1u);
    }
}

bool spares_spend(struct http_server *srv)
{
    if (srv->nspare == 0) {
        return false;
    }
    close(srv->spare[--srv->nspare]);
    return true;
}

bool spares_descriptor_left(const struct http_server *srv)
{
    int fd = fcntl(srv->dummy, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}
