#include "proto/name.h"

#include "base/utf8.h"

#include <stdio.h>

#define CHANNEL_BYTES "letters, digits and _-.:@=,;/ are"

/* How much of a name a sentence shows. */
#define SHOW_BYTES 40

static bool channel_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-.:@=,;/", c) != NULL);
}

/* Copies one byte or character if it fits; returns false when full. */
static bool show_one(char *out, size_t *used, const char *text, size_t len)
{
    if (*used + len > NAME_SHOW_MAX - 4) {
        return false;
    }
    memcpy(out + *used, text, len);
    *used += len;
    return true;
}

/* The bytes of the character at `at`; 1 if there is none. */
static size_t char_len(struct str s, size_t at)
{
    uint32_t c;
    size_t n = utf8_next((struct str){s.p + at, s.len - at}, &c);

    return n > 0 ? n : 1;
}

const char *name_show(struct str s, char out[NAME_SHOW_MAX])
{
    size_t used = 0;
    size_t i = 0;
    bool fits = true;

    while (i < s.len && i < SHOW_BYTES && fits) {
        size_t n = char_len(s, i);
        if (utf8_printable((struct str){s.p + i, n})) {
            fits = show_one(out, &used, s.p + i, n);
        } else {
            char esc[8];
            (void)snprintf(esc, sizeof(esc), "\\x%02x", (unsigned)(unsigned char)s.p[i]);
            fits = show_one(out, &used, esc, 4);
        }
        i += fits ? n : 0;
    }
    memcpy(out + used, "...", 4);
    if (i >= s.len) {
        out[used] = '\0';
    }
    return out;
}

static int check_length(const char *what, struct str s, struct errmsg *why)
{
    if (s.len == 0) {
        return errmsg_set(why, ERR_INVALID, "a %s may not be empty", what);
    }
    if (s.len > NAME_MAX_LEN) {
        char shown[NAME_SHOW_MAX];
        return errmsg_set(why, ERR_INVALID, "\"%s\": a %s has at most %d bytes, this has %zu",
                          name_show(s, shown), what, NAME_MAX_LEN, s.len);
    }
    return 0;
}

static int bad_byte(const char *what, struct str s, size_t at, const char *rule, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];
    char one[NAME_SHOW_MAX];
    struct str c = {s.p + at, char_len(s, at)};

    return errmsg_set(why, ERR_INVALID, "\"%s\": '%s' at byte %zu is not allowed in a %s (%s)",
                      name_show(s, shown), name_show(c, one), at, what, rule);
}

static int reserved(const char *what, struct str s, const char *rule, struct errmsg *why)
{
    char shown[NAME_SHOW_MAX];

    return errmsg_set(why, ERR_RESERVED, "\"%s\": this %s is reserved (%s)", name_show(s, shown),
                      what, rule);
}

int name_check_channel(struct str s, struct errmsg *why)
{
    int rc = check_length("channel name", s, why);

    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!channel_byte(s.p[i])) {
            return bad_byte("channel name", s, i, CHANNEL_BYTES, why);
        }
    }
    if (str_starts(s, STR_LIT("fanfare."))) {
        return reserved("channel name", s, "names must not begin with fanfare.", why);
    }
    return 0;
}

/* The byte after the segment that begins at `at`: a '.' or the end. */
static size_t segment_end(struct str s, size_t at)
{
    const char *dot = at < s.len ? memchr(s.p + at, '.', s.len - at) : NULL;

    return dot ? (size_t)(dot - s.p) : s.len;
}

static bool is_wildcard(struct str s, size_t start, size_t end)
{
    return end - start == 1 && (s.p[start] == '*' || s.p[start] == '>');
}

bool name_is_pattern(struct str s)
{
    size_t end;

    for (size_t at = 0; at < s.len; at = end + 1) {
        end = segment_end(s, at);
        if (is_wildcard(s, at, end)) {
            return true;
        }
    }
    return false;
}

static int check_segment(struct str s, size_t start, size_t end, struct errmsg *why)
{
    if (is_wildcard(s, start, end)) {
        if (s.p[start] == '>' && end < s.len) {
            return bad_byte("channel pattern", s, start, "'>' must be the last segment", why);
        }
        return 0;
    }
    for (size_t i = start; i < end; i++) {
        if (s.p[i] == '*' || s.p[i] == '>') {
            return bad_byte("channel pattern", s, i,
                            "a wildcard must be a whole segment between dots", why);
        }
        if (!channel_byte(s.p[i])) {
            return bad_byte("channel name", s, i, CHANNEL_BYTES, why);
        }
    }
    return 0;
}

int name_check_subscription(struct str s, struct errmsg *why)
{
    int rc = check_length("channel name", s, why);
    size_t end;

    for (size_t at = 0; rc == 0 && at < s.len; at = end + 1) {
        end = segment_end(s, at);
        rc = check_segment(s, at, end, why);
    }
    if (rc == 0 && str_eqz(s, USERS_CHANNEL)) {
        return 0;
    }
    if (rc == 0 && str_starts(s, STR_LIT("fanfare."))) {
        return reserved("channel name", s, "names must not begin with fanfare.", why);
    }
    return rc || name_is_pattern(s) ? rc : name_check_channel(s, why);
}

bool name_match(struct str pattern, struct str channel)
{
    static const char *const guarded[] = {"private-", "presence-", "fanfare."};
    size_t p = 0;
    size_t c = 0;

    for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
        struct str prefix = str_of(guarded[i]);
        if (str_starts(channel, prefix) && !str_starts(pattern, prefix)) {
            return false;
        }
    }
    for (;;) {
        size_t pe = segment_end(pattern, p);
        size_t ce = segment_end(channel, c);
        bool wild = is_wildcard(pattern, p, pe);

        if (wild && pattern.p[p] == '>') {
            return true;
        }
        if (!wild &&
            !str_eq((struct str){pattern.p + p, pe - p}, (struct str){channel.p + c, ce - c})) {
            return false;
        }
        if (pe == pattern.len || ce == channel.len) {
            return pe == pattern.len && ce == channel.len;
        }
        p = pe + 1;
        c = ce + 1;
    }
}

int name_check_text(const char *what, struct str s, struct errmsg *why)
{
    int rc = check_length(what, s, why);

    if (rc || utf8_printable(s)) {
        return rc;
    }
    if (!utf8_valid(s)) {
        char shown[NAME_SHOW_MAX];
        return errmsg_set(why, ERR_INVALID, "\"%s\": a %s must be valid UTF-8", name_show(s, shown),
                          what);
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F) {
            return bad_byte(what, s, i, "no control characters", why);
        }
    }
    return errmsg_set(why, ERR_INVALID, "a %s must be printable UTF-8", what);
}

int name_check_user(struct str s, struct errmsg *why)
{
    return name_check_text("user id", s, why);
}

int name_check_type(struct str s, struct errmsg *why)
{
    int rc = name_check_text("message type", s, why);

    if (rc) {
        return rc;
    }
    if (str_eqz(s, "open") || str_eqz(s, "error") || str_starts(s, STR_LIT("fanfare."))) {
        return reserved("message type", s,
                        "open, error and everything that begins with fanfare. are", why);
    }
    return 0;
}
