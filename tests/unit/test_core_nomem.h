/* test_core_nomem.h - a malloc of the program's own that fails when a test wants
 * it to. Without NOMEM_POSSIBLE the malloc is a sanitizer's: then
 * nomem_ready() skips the test. */
#ifndef FF_TEST_CORE_NOMEM_H
#define FF_TEST_CORE_NOMEM_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHER_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define OTHER_MALLOC 1
#endif
#endif

/* How many allocations succeed before one fails; negative: none fails.
 * `live` counts the blocks made less those given back. */
static _Thread_local volatile int left = -1; /* malloc() is known to touch nothing */
static _Thread_local volatile long live;

#ifdef OTHER_MALLOC

static inline void nomem_ready(void)
{
    (void)left;
    (void)live;
    cr_skip_test("the sanitizer has its own malloc");
}

#else

/* The program's own definitions come before those of the C library. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *p);

/* Also the C library is to come to these (strdup). */
#define NOMEM_SEEN __attribute__((visibility("default")))

static bool nomem_fails(void)
{
    return left >= 0 && left-- == 0;
}

NOMEM_SEEN void *malloc(size_t size)
{
    void *p = nomem_fails() ? NULL : __libc_malloc(size);

    live += p != NULL;
    return p;
}

NOMEM_SEEN void *calloc(size_t n, size_t size)
{
    void *p = nomem_fails() ? NULL : __libc_calloc(n, size);

    live += p != NULL;
    return p;
}

NOMEM_SEEN void *realloc(void *old, size_t size)
{
    void *p = nomem_fails() ? NULL : __libc_realloc(old, size);

    live += p && !old;
    return p;
}

NOMEM_SEEN void free(void *p)
{
    live -= p != NULL;
    __libc_free(p);
}

/* Valgrind puts its own malloc in the place of ours: then nothing can fail. */
static inline void nomem_ready(void)
{
    void *(*volatile allocate)(size_t) = malloc; /* not inlined */
    void *p;

    left = 0;
    p = allocate(1);
    left = -1;
    if (p) {
        free(p);
        cr_skip_test("this malloc is not ours");
    }
}

#endif
#endif
