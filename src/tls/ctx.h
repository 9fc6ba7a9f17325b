/* ctx.h - certificates, and the rules of TLS: one for a gateway, used by all shards, never
 * changed. At a reload another one takes its place; sessions keep the one that they began
 * with. */
#ifndef FF_TLS_CTX_H
#define FF_TLS_CTX_H

#include "base/err.h"
#include "conf/options.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_ctx;

/* Reads the files that the options tls-cert, tls-key and tls-client-ca name. One reference. The
 * sentence names the file and what is wrong. ERR_INVALID, ERR_SYSTEM, ERR_NOMEM. */
int tls_ctx_new(const struct options *opt, struct tls_ctx **out, struct errmsg *why) FF_USE_RESULT;
/* Any thread. */
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c);
void tls_ctx_unref(struct tls_ctx *c); /* NULL is fine */

/* What the log says of a certificate. */
struct tls_cert_info {
    const char *file; /* the ctx's */
    char names[128];  /* its first DNS names, or its common name */
    char until[24];   /* RFC 3339 */
    bool expired;
};
unsigned tls_ctx_count(const struct tls_ctx *c);
void tls_ctx_describe(const struct tls_ctx *c, unsigned i, struct tls_cert_info *out);

#endif
