/* revoked.h - whose credentials are worthless though they look good: users until a time, and
 * single tokens. Inside src/auth; any thread.
 *
 * Looking up waits for no disk: writers have a lock of their own, and hold the table's for the
 * moment of a change. An entry counts from when it is on the disk. */
#ifndef FF_AUTH_REVOKED_H
#define FF_AUTH_REVOKED_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct revoked;

/* `path` NULL keeps it in memory alone. ERR_LIMIT: the file has more than `max`; ERR_INVALID: it
 * is damaged, the sentence names the line; ERR_IN_USE, ERR_SYSTEM, ERR_NOMEM. */
int revoked_new(const char *path, unsigned max, uint64_t now_ms, struct revoked **out,
                struct errmsg *why) FF_USE_RESULT;
void revoked_free(struct revoked *r);

/* Who is there already keeps the later of both untils. ERR_INVALID (name of no or over 256 bytes,
 * until not after since), ERR_LIMIT, ERR_NOMEM, ERR_SYSTEM: nothing has changed. */
int revoked_add(struct revoked *r, bool is_user, struct str name, uint64_t since_ms,
                uint64_t until_ms, unsigned max, struct errmsg *why) FF_USE_RESULT;
/* What was issued to the user up to then, by another clock than ours, is worthless as well. At once,
 * and on failure too (ERR_NOMEM, ERR_SYSTEM: not durable; adding it again makes it so).
 * ERR_NOT_FOUND. */
int revoked_raise(struct revoked *r, struct str user, uint64_t since_ms, uint64_t now_ms,
                  struct errmsg *why) FF_USE_RESULT;
/* ERR_NOT_FOUND, ERR_SYSTEM. */
int revoked_remove(struct revoked *r, bool is_user, struct str name, struct errmsg *why)
    FF_USE_RESULT;

/* Is what was issued then (0: unknown) to the user worthless now? */
bool revoked_user(struct revoked *r, struct str user, uint64_t issued_ms, uint64_t now_ms);
bool revoked_token(struct revoked *r, struct str jti, uint64_t now_ms);
/* Up to when what was issued to the user is worthless now; 0: it is not revoked. */
uint64_t revoked_since(struct revoked *r, struct str user, uint64_t now_ms);
/* Under the lock: no calls back. Newest last, users first. */
void revoked_each(struct revoked *r, uint64_t now_ms,
                  void (*each)(void *ctx, bool is_user, struct str name, uint64_t since_ms,
                               uint64_t until_ms),
                  void *ctx);

#endif
