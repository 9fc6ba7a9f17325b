/* buf.h - bytes that grow. Without memory the program ends: it is a test tool. */
#ifndef BENCH_BUF_H
#define BENCH_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p;
    size_t len, cap;
};

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A decimal number; for what is done for every message, where printf is slow. */
void buf_addu(struct buf *b, uint64_t number);
/* Removes n bytes from the front. */
void buf_drop(struct buf *b, size_t n);
void buf_free(struct buf *b);

#endif
