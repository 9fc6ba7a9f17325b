/* pump.h - carries bytes between a TLS session and libmicrohttpd's socket pair. Internal to
 * src/lib. */
#ifndef FF_LIB_PUMP_H
#define FF_LIB_PUMP_H

#include "base/strbuf.h"
#include "tls/session.h"

#include <stdbool.h>
#include <stddef.h>

struct pump {
    struct tls_session *tls;
    int pair;      /* our end */
    bool net_end;  /* the peer sends no more */
    bool pair_end; /* libmicrohttpd writes no more */
    char *hold;    /* decrypted, and the pair takes no more; NULL: nothing */
    size_t hold_len, hold_off;
};

enum pump_result {
    PUMP_WAITS,
    PUMP_MORE, /* call again after others had their turn */
    PUMP_OVER, /* libmicrohttpd has ended, and all it wrote is with the socket */
    PUMP_BROKEN
};

#define PUMP_CHUNK 16384

/* After an event of either descriptor. `chunk` has room for PUMP_CHUNK bytes. */
enum pump_result pump_run(struct pump *p, char *chunk) FF_USE_RESULT;
/* All that libmicrohttpd has written goes into the session. False: it is broken. */
bool pump_finish(struct pump *p, char *chunk) FF_USE_RESULT;
/* Lets go of what is held. */
void pump_drop(struct pump *p);

#endif
