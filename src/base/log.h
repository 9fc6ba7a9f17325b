/* log.h - log lines with fields, as text or JSON, one write(2) a line.
 *
 * Text: 2026-11-20T10:00:00.000Z warn  slow client closed client=... lag_bytes=...
 * JSON: {"time":"...","level":"warn","msg":"slow client closed","client":"..."}
 * Values are escaped in both, so no outside byte can forge a line. A value
 * in text form is quoted if it is empty or has a space, quote, backslash, '='
 * or control. Long values are clipped ("..."); what a line of 4 KB does not
 * hold is left out.
 * All functions may be called from any thread. */
#ifndef FF_BASE_LOG_H
#define FF_BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR_LVL, LOG_WARN_LVL, LOG_INFO_LVL, LOG_DEBUG_LVL };
enum log_format { LOG_TEXT, LOG_JSON };

struct log;

/* `path` NULL or "-" means standard error; a file is opened for append,
 * mode 0640. The path is copied. */
int log_new(enum log_level level, enum log_format format, const char *path, struct log **out,
            struct errmsg *why) FF_USE_RESULT;
void log_free(struct log *log);
/* Opens the path again (after logrotate); keeps the old file on failure. */
int log_reopen(struct log *log, struct errmsg *why) FF_USE_RESULT;
void log_set_level(struct log *log, enum log_level level);
bool log_enabled(const struct log *log, enum log_level level);

/* `msg`, then pairs (const char *key, const char *value), ended by NULL.
 * A pair whose value is NULL is left out. `log` NULL logs nothing. */
void log_write(struct log *log, enum log_level level, const char *msg, ...)
    __attribute__((sentinel));

#define log_error(log, ...) log_write((log), LOG_ERROR_LVL, __VA_ARGS__, (char *)NULL)
#define log_warn(log, ...) log_write((log), LOG_WARN_LVL, __VA_ARGS__, (char *)NULL)
#define log_info(log, ...) log_write((log), LOG_INFO_LVL, __VA_ARGS__, (char *)NULL)
#define log_debug(log, ...)                                             \
    do {                                                                \
        if (log_enabled((log), LOG_DEBUG_LVL)) {                        \
            log_write((log), LOG_DEBUG_LVL, __VA_ARGS__, (char *)NULL); \
        }                                                               \
    } while (0)

/* At most one line a second for what outside bytes can cause at will: returns
 * true if the line may be written now, and how many were held back before it. */
struct log_limit {
    uint64_t next_ms; /* zero-initialised; one per call site and thread */
    uint32_t held;
};
bool log_limit_pass(struct log_limit *l, uint64_t mono_ms, uint32_t *held);

/* A number as text, for a field: `char n[NUM_LEN]; ... num_text(n, v)`. */
#define NUM_LEN 24
const char *num_text(char buf[NUM_LEN], uint64_t v);

#endif
