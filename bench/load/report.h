/* report.h - the lines on standard output: one JSON object each. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stddef.h>
#include <stdint.h>

/* {"ok":true,"<key>":"<value>" and what is added, up to report_end. */
void report_start(const char *key, const char *value);
void report_count(const char *name, uint64_t value);
void report_number(const char *name, double value);
void report_text(const char *name, const char *value);
void report_end(void);

/* What went wrong with a message; -1 for numbers that say nothing. */
struct fault {
    const char *kind; /* "lost", "duplicate", "reordered", "damaged", ... */
    long subscriber;
    const char *peer; /* the subscriber's own address, or NULL */
    int64_t expected, seen;
};

/* {"ok":false,"error":"..."}; ends the program with 1. */
void fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void fail_with(const struct fault *f, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
/* The same for a command that makes no sense; ends with 2. */
void fail_command(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
