#include "lib/certificates.h"

static void say(struct log *log, const struct tls_ctx *c)
{
    for (unsigned i = 0; i < tls_ctx_count(c); i++) {
        struct tls_cert_info info;
        tls_ctx_describe(c, i, &info);
        if (info.expired) {
            log_warn(log, "certificate has expired", "file", info.file, "names", info.names,
                     "until", info.until);
        } else {
            log_info(log, "certificate", "file", info.file, "names", info.names, "until",
                     info.until);
        }
    }
}

int certificates_read(struct log *log, const struct options *o, struct tls_ctx **out,
                      struct errmsg *why)
{
    int rc = 0;

    *out = NULL;
    if (o->tls_cert.n) {
        rc = tls_ctx_new(o, out, why);
    }
    if (*out) {
        say(log, *out);
    }
    return rc;
}

int certificates_reload(struct log *log, const struct options *o, struct tls_ctx *old,
                        struct tls_ctx **out, struct errmsg *why)
{
    int rc = 0;

    *out = NULL;
    if ((o->tls_cert.n != 0) != (old != NULL)) {
        rc = errmsg_set(why, ERR_STATE, "TLS cannot be turned on or off without a restart");
    } else {
        rc = certificates_read(log, o, out, why);
    }
    if (rc != 0) {
        log_error(log, "certificates not reloaded", "because", why->text);
    }
    if (!*out && old) {
        *out = tls_ctx_ref(old);
    }
    return rc;
}
