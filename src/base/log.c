#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LINE_CAP = 4096,  /* PIPE_BUF, so that a line into a pipe is atomic too */
    LINE_TAIL = 4,    /* kept free for what closes a line: quote, brace, newline */
    VALUE_CAP = 1024, /* escaped bytes of one message or value */
    KEY_CAP = 64,
    FIELD_MIN = 96, /* a key, punctuation and a few bytes; with less, no field */
    ESCAPE_MAX = 8, /* \u0000 */
    CLIP_MARK = 3,  /* "..." */
};

struct log {
    _Atomic int level;
    enum log_format format;
    char *path;           /* NULL: standard error */
    pthread_mutex_t lock; /* guards what follows */
    int fd;
    bool torn; /* the last write was cut: the next line begins with a newline */
};

/* buf[0] is kept for the newline that a torn line needs. */
struct line {
    char buf[LINE_CAP];
    size_t len;
};

static const char level_name[][6] = {"error", "warn", "info", "debug"};

static int open_path(const char *path, int *fd, struct errmsg *why)
{
    int got = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (got < 0) {
        return errmsg_set(why, ERR_SYSTEM, "cannot open the log file %s: %s", path,
                          strerror(errno));
    }
    *fd = got;
    return 0;
}

int log_new(enum log_level level, enum log_format format, const char *path, struct log **out,
            struct errmsg *why)
{
    int rc = errmsg_set(why, ERR_NOMEM, "out of memory for the log");
    struct log *log = calloc(1, sizeof *log);
    if (!log) {
        return rc;
    }
    atomic_init(&log->level, (int)level);
    log->format = format;
    log->fd = STDERR_FILENO;
    if (path && strcmp(path, "-") != 0) {
        log->path = strdup(path);
        if (!log->path) {
            goto out;
        }
        rc = open_path(log->path, &log->fd, why);
        if (rc != 0) {
            goto out;
        }
    }
    (void)pthread_mutex_init(&log->lock, NULL); /* cannot fail without attributes */
    *out = log;
    log = NULL;
    rc = 0;
    if (why) {
        why->text[0] = '\0';
    }
out:
    if (log) {
        free(log->path);
        free(log);
    }
    return rc;
}

void log_free(struct log *log)
{
    if (!log) {
        return;
    }
    if (log->path) {
        (void)close(log->fd);
    }
    (void)pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

int log_reopen(struct log *log, struct errmsg *why)
{
    if (!log->path) {
        return 0;
    }
    int fd = -1;
    int rc = open_path(log->path, &fd, why);
    if (rc != 0) {
        return rc;
    }
    pthread_mutex_lock(&log->lock);
    int old = log->fd;
    log->fd = fd;
    log->torn = false;
    pthread_mutex_unlock(&log->lock);
    (void)close(old);
    return 0;
}

void log_set_level(struct log *log, enum log_level level)
{
    if (log) {
        atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
    }
}

bool log_enabled(const struct log *log, enum log_level level)
{
    return log && (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* Controls, and what reorders or breaks a displayed line without being one. */
static bool is_hazard(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x200e || cp == 0x200f ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

static char short_escape(uint32_t cp)
{
    switch (cp) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '"':
    case '\\':
        return (char)cp;
    default:
        return 0;
    }
}

static size_t hex_escape(char *out, char letter, uint32_t v, unsigned digits)
{
    out[0] = '\\';
    out[1] = letter;
    for (unsigned i = 0; i < digits; i++) {
        out[2 + i] = "0123456789abcdef"[v >> (4 * (digits - 1 - i)) & 15];
    }
    return 2 + digits;
}

/* Escapes the first character of `s`, which is not empty; its length goes to
 * *used. Not UTF-8: the byte in text, the replacement character in JSON. */
static size_t escape_next(enum log_format format, struct str s, char out[ESCAPE_MAX], size_t *used)
{
    uint32_t cp = 0;
    *used = utf8_next(s, &cp);
    if (*used == 0) {
        *used = 1;
        return format == LOG_JSON ? hex_escape(out, 'u', 0xfffd, 4)
                                  : hex_escape(out, 'x', (unsigned char)s.p[0], 2);
    }
    char letter = short_escape(cp);
    if (letter) {
        out[0] = '\\';
        out[1] = letter;
        return 2;
    }
    if (is_hazard(cp)) {
        return hex_escape(out, 'u', cp, 4);
    }
    memcpy(out, s.p, *used);
    return *used;
}

static bool has_room(const struct line *l, size_t n)
{
    return l->len + n <= LINE_CAP - LINE_TAIL;
}

static void put(struct line *l, const char *p, size_t n)
{
    if (has_room(l, n)) {
        memcpy(l->buf + l->len, p, n);
        l->len += n;
    }
}

static void puts_z(struct line *l, const char *cstr)
{
    put(l, cstr, strlen(cstr));
}

/* At most `cap` bytes of the escaped string; "..." ends a clipped one. */
static void put_escaped(struct line *l, enum log_format format, const char *cstr, size_t cap)
{
    struct str s = str_of(cstr);
    size_t end = l->len + cap;
    if (end > LINE_CAP - LINE_TAIL) {
        end = LINE_CAP - LINE_TAIL;
    }
    while (s.len > 0) {
        char esc[ESCAPE_MAX];
        size_t used;
        size_t n = escape_next(format, s, esc, &used);
        if (l->len + n + CLIP_MARK > end) {
            puts_z(l, "...");
            return;
        }
        put(l, esc, n);
        s.p += used;
        s.len -= used;
    }
}

static bool needs_quotes(const char *cstr)
{
    struct str s = str_of(cstr);
    if (s.len == 0) {
        return true;
    }
    while (s.len > 0) {
        uint32_t cp;
        size_t n = utf8_next(s, &cp);
        if (n == 0 || cp == ' ' || cp == '=' || cp == '"' || cp == '\\' || is_hazard(cp)) {
            return true;
        }
        s.p += n;
        s.len -= n;
    }
    return false;
}

static void put_field(struct line *l, enum log_format format, const char *key, const char *value)
{
    if (!has_room(l, FIELD_MIN)) {
        return;
    }
    bool quotes = format == LOG_JSON || needs_quotes(value);
    puts_z(l, format == LOG_JSON ? ",\"" : " ");
    put_escaped(l, format, key, KEY_CAP);
    puts_z(l, format == LOG_JSON ? "\":" : "=");
    if (quotes) {
        put(l, "\"", 1);
    }
    put_escaped(l, format, value, VALUE_CAP);
    if (quotes) {
        l->buf[l->len++] = '"'; /* LINE_TAIL has room */
    }
}

static void begin(struct line *l, enum log_format format, enum log_level level, const char *msg)
{
    char time[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(clock_real_ms(), time);
    const char *name = level_name[level <= LOG_DEBUG_LVL ? level : LOG_DEBUG_LVL];
    l->len = 1;
    if (format == LOG_JSON) {
        puts_z(l, "{\"time\":\"");
        puts_z(l, time);
        puts_z(l, "\",\"level\":\"");
        puts_z(l, name);
        puts_z(l, "\",\"msg\":\"");
        put_escaped(l, format, msg, VALUE_CAP);
        puts_z(l, "\"");
        return;
    }
    puts_z(l, time);
    puts_z(l, " ");
    puts_z(l, name);
    put(l, "      ", 6 - strlen(name));
    put_escaped(l, format, msg, VALUE_CAP);
}

/* What cannot be written is lost: logging never stops the gateway. */
static void write_line(struct log *log, struct line *l)
{
    pthread_mutex_lock(&log->lock);
    size_t at = log->torn ? 0 : 1;
    log->torn = false;
    l->buf[0] = '\n';
    size_t start = at;
    while (at < l->len) {
        ssize_t n = write(log->fd, l->buf + at, l->len - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            log->torn = at > start || start == 0;
            break;
        }
    }
    pthread_mutex_unlock(&log->lock);
}

void log_write(struct log *log, enum log_level level, const char *msg, ...)
{
    if (!log_enabled(log, level)) {
        return;
    }
    int saved = errno;
    struct line l;
    begin(&l, log->format, level, msg);
    va_list ap;
    va_start(ap, msg);
    for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *)) {
        const char *value = va_arg(ap, const char *);
        if (value) {
            put_field(&l, log->format, key, value);
        }
    }
    va_end(ap);
    if (log->format == LOG_JSON) {
        l.buf[l.len++] = '}';
    }
    l.buf[l.len++] = '\n';
    write_line(log, &l);
    errno = saved;
}

bool log_limit_pass(struct log_limit *l, uint64_t mono_ms, uint32_t *held)
{
    if (mono_ms < l->next_ms) {
        if (l->held < UINT32_MAX) {
            l->held++;
        }
        return false;
    }
    if (held) {
        *held = l->held;
    }
    l->held = 0;
    l->next_ms = mono_ms + 1000;
    return true;
}

const char *num_text(char buf[NUM_LEN], uint64_t v)
{
    char *p = buf + NUM_LEN - 1;
    *p = '\0';
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return p;
}
