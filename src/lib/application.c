/* The application that is asked who may do what. */
#include "auth/secretfile.h"
#include "http/asking.h"
#include "lib/gateway.h"
#include "lib/remote.h"

static unsigned what_is_asked(const struct opt_list *l)
{
    unsigned asks = 0;

    for (unsigned i = 0; i < l->n; i++) {
        asks |= strcmp(l->items[i], "connect") == 0     ? ASKS_CONNECT
                : strcmp(l->items[i], "subscribe") == 0 ? ASKS_SUBSCRIBE
                                                        : ASKS_PUBLISH;
    }
    return l->n ? asks : ASKS_CONNECT | ASKS_SUBSCRIBE | ASKS_PUBLISH;
}

static int open_with(struct fanfare *gw, const char *secret, struct errmsg *why)
{
    const struct options *o = &gw->opt->o;
    const struct hook_config cfg = {.url = o->auth_url,
                                    .secret = secret,
                                    .ca_file = *o->auth_ca ? o->auth_ca : NULL,
                                    .timeout_ms = o->auth_timeout,
                                    .cache_ms = o->auth_cache,
                                    .max_waiting = o->auth_waiting,
                                    .failures = o->auth_failures,
                                    .pause_ms = o->auth_pause,
                                    .max_meta = o->max_meta,
                                    .max_channels = o->max_channels,
                                    .log = gw->log,
                                    .metrics = &gw->hook_metrics};

    return hook_new(&cfg, &gw->hook, why);
}

static void warn(const struct fanfare *gw)
{
    const struct options *o = &gw->opt->o;

    if (remote_is_open(o->auth_url)) {
        log_warn(gw->log, "auth-url is not https: cookies cross the network for all to read");
    }
    if (!*o->auth_secret && !*o->auth_secret_file) {
        log_warn(gw->log, "without auth-secret the application cannot tell who asks it");
    }
}

int application_reload(struct fanfare *gw, struct errmsg *why)
{
    const struct options *o = &gw->opt->o;
    char *secret = NULL;
    size_t len = 0;
    int rc = 0;

    if (gw->hook && !*o->auth_secret && *o->auth_secret_file) {
        rc = remote_secret("auth-secret-file", o->auth_secret_file, &secret, &len, why);
        if (rc == 0 && hook_set_secret(gw->hook, secret) != 0) {
            rc = errmsg_set(why, ERR_NOMEM, "out of memory");
        }
        secretfile_free(secret, len);
    }
    return rc;
}

int application_open(struct fanfare *gw, struct errmsg *why)
{
    const struct options *o = &gw->opt->o;
    char *secret = NULL;
    size_t len = 0;
    int rc;

    if (*o->auth_url == '\0') {
        return 0;
    }
    rc = remote_ca("auth-ca", o->auth_ca, why);
    if (rc == 0) {
        rc = remote_secret("auth-secret-file", o->auth_secret_file, &secret, &len, why);
    }
    if (rc == 0) {
        rc = open_with(gw, *o->auth_secret ? o->auth_secret : secret, why);
    }
    secretfile_free(secret, len);
    if (rc == 0) {
        warn(gw);
    }
    gw->shared.hook = gw->hook;
    gw->shared.asks = gw->hook ? what_is_asked(&o->auth_ask) : 0;
    return rc;
}
