#include "auth/secretfile.h"

#include "auth/slurp.h"

#include <sys/stat.h>

int secretfile_read(const char *path, char **out, size_t *len, struct errmsg *why)
{
    static const struct slurp_rules rules = {SECRETFILE_MAX, S_IROTH | S_IWOTH,
                                             "a file with a secret"};
    char shown[SLURP_SHOWN];
    int rc = slurp(path, &rules, out, len, why);

    if (rc != 0) {
        return rc;
    }
    if (*len > 0 && (*out)[*len - 1] == '\n') {
        (*out)[--*len] = '\0';
    }
    if (*len == 0) {
        secretfile_free(*out, 0);
        *out = NULL;
        return errmsg_set(why, ERR_INVALID, "%s: the file is empty", slurp_shown(path, shown));
    }
    return 0;
}

void secretfile_free(char *secret, size_t len)
{
    slurp_free(secret, len);
}
