/* report.c */
#include "report.h"

#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_string(const char *text)
{
    buf_adds(&bench.line, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            buf_addf(&bench.line, "\\%c", *p);
        } else if (*p < 32 || *p > 126) {
            buf_addf(&bench.line, "\\u%04x", *p);
        } else {
            buf_add(&bench.line, p, 1);
        }
    }
    buf_adds(&bench.line, "\"");
}

static void put_name(const char *name)
{
    buf_adds(&bench.line, ",");
    put_string(name);
    buf_adds(&bench.line, ":");
}

void report_start(const char *key, const char *value)
{
    bench.line.len = 0;
    buf_adds(&bench.line, "{\"ok\":true");
    report_text(key, value);
}

void report_count(const char *name, uint64_t value)
{
    put_name(name);
    buf_addu(&bench.line, value);
}

void report_number(const char *name, double value)
{
    put_name(name);
    buf_addf(&bench.line, "%.6g", value);
}

void report_text(const char *name, const char *value)
{
    put_name(name);
    put_string(value);
}

void report_end(void)
{
    buf_adds(&bench.line, "}\n");
    if (fwrite(bench.line.p, 1, bench.line.len, stdout) != bench.line.len || fflush(stdout) != 0) {
        exit(1);
    }
}

enum { MOST_TEXT = 1024 };

static _Noreturn void end_badly(int status, const struct fault *f, const char *text)
{
    bench.line.len = 0;
    buf_adds(&bench.line, "{\"ok\":false");
    report_text("error", text);
    if (f != NULL) {
        report_text("kind", f->kind);
        if (f->subscriber >= 0) {
            report_count("subscriber", (uint64_t)f->subscriber);
        }
        if (f->peer != NULL) {
            report_text("peer", f->peer);
        }
        if (f->expected >= 0) {
            report_count("expected", (uint64_t)f->expected);
        }
        if (f->seen >= 0) {
            report_count("seen", (uint64_t)f->seen);
        }
    }
    fprintf(stderr, "bench-load: %s\n", text);
    report_end();
    exit(status);
}

void fail(const char *fmt, ...)
{
    char text[MOST_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    end_badly(1, NULL, text);
}

void fail_with(const struct fault *f, const char *fmt, ...)
{
    char text[MOST_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    end_badly(1, f, text);
}

void fail_command(const char *fmt, ...)
{
    char text[MOST_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    end_badly(2, NULL, text);
}
