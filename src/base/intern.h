/* intern.h - equal strings kept once, counted.
 *
 * For what thousands of clients share (user agents). One table belongs to one
 * thread. */
#ifndef FF_BASE_INTERN_H
#define FF_BASE_INTERN_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct intern;
struct interned;

int intern_new(uint64_t seed, struct intern **out) FF_USE_RESULT;
/* Every string must have been put back; asserts that. */
void intern_free(struct intern *t);
/* A counted reference, to be put back with intern_put; NULL without memory. */
struct interned *intern_get(struct intern *t, struct str s);
void intern_put(struct intern *t, struct interned *s); /* s may be NULL */
/* The bytes, NUL-terminated after len; STR_NONE for NULL. */
struct str interned_str(const struct interned *s);

#endif
