#include "lib/remote.h"

#include "auth/secretfile.h"
#include "proto/origin.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MIN 32 /* as conf has it */

int remote_secret(const char *option, const char *path, char **out, size_t *len, struct errmsg *why)
{
    int rc;

    *out = NULL;
    *len = 0;
    if (*path == '\0') {
        return 0;
    }
    rc = secretfile_read(path, out, len, why);
    if (rc == 0 && (*len < SECRET_MIN || strlen(*out) != *len)) {
        rc = errmsg_set(why, ERR_RANGE,
                        "%s: %s: has %s; `openssl rand -base64 32` makes a good secret", option,
                        path, *len < SECRET_MIN ? "less than 32 bytes" : "a NUL byte");
    }
    return rc;
}

int remote_ca(const char *option, const char *path, struct errmsg *why)
{
    if (*path != '\0' && access(path, R_OK) != 0) {
        return errmsg_set(why, ERR_SYSTEM, "%s: %s: %s", option, path, strerror(errno));
    }
    return 0;
}

bool remote_is_open(const char *url)
{
    size_t scheme = strlen("http://");
    struct origin at;

    if (strncmp(url, "http://", scheme) != 0) {
        return false;
    }
    url += scheme;
    return origin_parse_host((struct str){url, strcspn(url, "/?#")}, &at) != 0 ||
           !origin_is_loopback(at.host);
}
