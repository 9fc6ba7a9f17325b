/* when.h - points in time on the command line; seconds since 1970. */
#ifndef FF_FANFARE_WHEN_H
#define FF_FANFARE_WHEN_H

#include <stddef.h>
#include <stdint.h>

uint64_t when_now(void);
/* 90s, 15m, 1h, 30d or 4w from now (a bare number is seconds), 2027-01-31 (its beginning)
 * or 2027-01-31T12:00:00Z, always UTC; "never" is 0. Returns 0, or STATUS_USAGE with a
 * complaint that names the option `what`. */
int when_parse(const char *tool, const char *what, const char *text, uint64_t now, uint64_t *out);

#define WHEN_LEN 80
/* "2027-01-31T12:00:00Z", and with words "... (in 5 days)", "... (3 minutes ago)". */
const char *when_date(uint64_t at, char buf[WHEN_LEN]);
const char *when_words(uint64_t at, uint64_t now, char buf[WHEN_LEN]);

#endif
