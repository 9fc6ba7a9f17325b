/* fuzz.h - what the fuzz targets share: a check that ends the run, and ways to
 * take an input apart.
 *
 * A target is one file with LLVMFuzzerTestOneInput. It is linked twice: with
 * libFuzzer (script/fuzz), and with replay.c, which runs the corpus in `make
 * check`. Nothing of a target outlives an input but what costs much to make. */
#ifndef FF_FUZZ_FUZZ_H
#define FF_FUZZ_FUZZ_H

#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true; if not, says so and aborts, which is a finding. */
#define FUZZ_CHECK(cond, ...)                                                   \
    do {                                                                        \
        if (!(cond)) {                                                          \
            fprintf(stderr, "%s:%d: not true: %s:", __FILE__, __LINE__, #cond); \
            fprintf(stderr, " " __VA_ARGS__);                                   \
            fputc('\n', stderr);                                                \
            abort();                                                            \
        }                                                                       \
    } while (0)

/* For "%.*s". */
#define FUZZ_STR(s) (int)(s).len, (s).p ? (s).p : ""

static inline void *fuzz_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);

    FUZZ_CHECK(p != NULL, "out of memory");
    return p;
}

/* A copy in memory of exactly its size, so that a read beyond it is seen. To be
 * freed with fuzz_free. */
static inline struct str fuzz_copy(const void *p, size_t n)
{
    char *copy = fuzz_alloc(n);

    if (n) {
        memcpy(copy, p, n);
    }
    return (struct str){copy, n};
}

static inline void fuzz_free(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

/* A copy with a NUL behind it; a NUL inside ends it. */
static inline char *fuzz_cstr(struct str s)
{
    char *copy = fuzz_alloc(s.len + 1);

    if (s.len) {
        memcpy(copy, s.p, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

/* What is left of an input. */
struct fuzz_in {
    const uint8_t *p;
    size_t n;
};

/* The next byte; 0 at the end. */
static inline uint8_t fuzz_byte(struct fuzz_in *in)
{
    uint8_t b = 0;

    if (in->n) {
        b = *in->p++;
        in->n--;
    }
    return b;
}

static inline struct str fuzz_bytes(struct fuzz_in *in, size_t n)
{
    struct str s = {(const char *)in->p, n < in->n ? n : in->n};

    in->p += s.len;
    in->n -= s.len;
    return s;
}

/* Up to the next line feed, which is taken too, or the end. */
static inline struct str fuzz_line(struct fuzz_in *in)
{
    const uint8_t *lf = in->n ? memchr(in->p, '\n', in->n) : NULL;
    struct str s = fuzz_bytes(in, lf ? (size_t)(lf - in->p) : in->n);

    (void)fuzz_byte(in);
    return s;
}

static inline struct str fuzz_rest(struct fuzz_in *in)
{
    return fuzz_bytes(in, in->n);
}

/* A sentence that the code under test made of outside bytes. */
static inline void fuzz_sentence(const char *text)
{
    FUZZ_CHECK(text[0] != '\0', "no sentence");
    FUZZ_CHECK(utf8_printable(str_of(text)), "%s", text);
}

/* The same for one that may have been cut in the middle of a character. */
static inline void fuzz_sentence_cut(const char *text, size_t room)
{
    struct str s = str_of(text);

    FUZZ_CHECK(s.len > 0 && s.len < room, "no sentence");
    for (unsigned i = 0; s.len + 1 == room && i < 3 && !utf8_valid(s); i++) {
        s.len--;
    }
    FUZZ_CHECK(utf8_printable(s), "%s", text);
}

#endif
