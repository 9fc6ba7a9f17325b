/* fuzz_memfile.h - an input as a file that has a path, for readers of files. */
#ifndef FF_FUZZ_FUZZ_MEMFILE_H
#define FF_FUZZ_FUZZ_MEMFILE_H

#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file, in memory, that holds the last bytes given; nobody else may read it. */
static inline const char *fuzz_memfile(const void *data, size_t size)
{
    static char path[64];
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0, "no file in memory");
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

/* A sentence for the terminal and the log: no controls from outside in it. */
static inline void fuzz_controls(const char *text)
{
    FUZZ_CHECK(text[0] != '\0', "no sentence");
    for (const char *p = text; *p; p++) {
        FUZZ_CHECK((unsigned char)*p >= 0x20 && *p != 0x7f, "%s", text);
    }
}

#endif
