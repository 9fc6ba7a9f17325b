#include "http/detach.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int socket_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

int detach_dummy(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd >= 0 ? fd : ERR_SYSTEM;
}

int detach_park(struct MHD_Connection *c)
{
    int fd = fcntl(socket_of(c), F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        return ERR_SYSTEM;
    }
    /* A response that ends in its reader is buried only when the connection is
     * looked at again, and without an event that happens to those with a timeout
     * of their own alone: the others wait in line behind older connections. */
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 3600u);
    MHD_suspend_connection(c);
    return fd;
}

int detach_socket(struct MHD_Connection *c, int dummy)
{
    int old = socket_of(c);
    int fd = detach_park(c);

    if (fd < 0) {
        return fd;
    }
    if (dup3(dummy, old, O_CLOEXEC) < 0) {
        MHD_resume_connection(c);
        close(fd);
        return ERR_SYSTEM;
    }
    MHD_resume_connection(c);
    return fd;
}
