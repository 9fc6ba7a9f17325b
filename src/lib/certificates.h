/* certificates.h - reads the certificates, and says in the log which. Internal to src/lib. */
#ifndef FF_LIB_CERTIFICATES_H
#define FF_LIB_CERTIFICATES_H

#include "base/log.h"
#include "tls/ctx.h"

/* *out is NULL without tls-cert. */
int certificates_read(struct log *log, const struct options *o, struct tls_ctx **out,
                      struct errmsg *why) FF_USE_RESULT;
/* At a reload: *out is what counts from now on, one reference. On failure that is `old`, and the
 * log says so too. Whether there is TLS at all was decided at the start. */
int certificates_reload(struct log *log, const struct options *o, struct tls_ctx *old,
                        struct tls_ctx **out, struct errmsg *why) FF_USE_RESULT;

#endif
