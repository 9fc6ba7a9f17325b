/* support_auth.h - a folder for files, and tokens, for the tests of src/auth. */
#ifndef FF_TESTS_SUPPORT_AUTH_H
#define FF_TESTS_SUPPORT_AUTH_H

#include "auth/jwt.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define S(text) STR_LIT(text)

static char dir[64];

static inline void dir_make(void)
{
    strcpy(dir, "/tmp/fanfare-auth-XXXXXX");
    cr_assert(mkdtemp(dir));
}

static inline void dir_drop(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

/* A path in it; one of four that are there at once. */
static inline const char *in_dir(const char *name)
{
    static char paths[4][128];
    static unsigned i;
    char *path = paths[i++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static inline const char *put_bytes(const char *name, const char *bytes, size_t len, mode_t mode)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "we");

    cr_assert(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

static inline const char *put_file(const char *name, const char *text, mode_t mode)
{
    return put_bytes(name, text, strlen(text), mode);
}

static inline const char *get_file(const char *name)
{
    static char text[65536];
    FILE *f = fopen(in_dir(name), "re");

    cr_assert(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

#endif
