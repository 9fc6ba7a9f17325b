/* transport.h - the bytes of a connection that are not simply those of its socket: TLS.
 *
 * A plain connection has none (NULL), and whoever has it uses the socket itself. The socket
 * is the owner's in any case: it watches it, edge-triggered and for both directions, and closes it
 * after the transport is freed. */
#ifndef FF_RT_TRANSPORT_H
#define FF_RT_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct iovec;
struct rt_transport;

struct rt_transport_ops {
    /* Takes some bytes, whole as far as it takes them: they count as sent, though some may be
     * `waiting` from now on. Returns how many, at most about 16 KB; or -1 with errno: EAGAIN,
     * something waits and the socket takes no more (it took none of these); else it is broken. */
    ssize_t (*send)(struct rt_transport *t, const struct iovec *iov, int n);
    /* Writes what waits: how many bytes of it the socket took, maybe 0; or -1: broken. */
    ssize_t (*flush)(struct rt_transport *t);
    /* Like recv: 0 is the peer's orderly end. -1 with errno: EAGAIN, wait for an event of the
     * socket; EINTR, call again, later if others wait; else broken, or ended without a word. After
     * any event of the socket call it until it says EAGAIN: it may hold bytes itself. */
    ssize_t (*recv)(struct rt_transport *t, void *buf, size_t len);
    /* Tells the peer of the end and shuts our side of the socket down. 0, or -1 with errno:
     * EAGAIN, something still waits: call again when the socket is writable. */
    int (*shutdown)(struct rt_transport *t);
    /* Without a word to the peer. */
    void (*free)(struct rt_transport *t);
};

struct rt_transport {
    const struct rt_transport_ops *ops;
    uint32_t waiting; /* bytes for the socket, in memory; while there are any no more are taken */
    uint32_t counted; /* for the owner: how many of these it has accounted for */
};

#endif
