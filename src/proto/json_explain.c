#include "proto/json_explain.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

void json_error_set(struct json_error *err, size_t offset, const char *fmt, ...)
{
    va_list ap;

    err->offset = offset;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
}

/* "'x'", "byte 0x1f" or "end": what stands at `at`. */
#define SHOW_LEN 16
static const char *show(struct str text, size_t at, char out[SHOW_LEN])
{
    if (at >= text.len) {
        (void)snprintf(out, SHOW_LEN, "end");
        return out;
    }
    unsigned char c = (unsigned char)text.p[at];
    if (c > 0x20 && c < 0x7F) {
        (void)snprintf(out, SHOW_LEN, "'%c'", (int)c);
    } else {
        (void)snprintf(out, SHOW_LEN, "byte 0x%02x", (unsigned)c);
    }
    return out;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t skip_space(struct str text, size_t at)
{
    while (at < text.len && is_space(text.p[at])) {
        at++;
    }
    return at;
}

/* True if something is wrong at the escape whose backslash stands at `at`. */
static bool explain_escape(struct str text, size_t at, struct json_error *err)
{
    char what[SHOW_LEN];

    if (at + 1 >= text.len) {
        json_error_set(err, text.len, "unexpected end inside a string");
        return true;
    }
    if (text.p[at + 1] != 'u') {
        if (text.p[at + 1] != '\0' && strchr("\"\\/bfnrt", text.p[at + 1])) {
            return false;
        }
        json_error_set(err, at + 1, "unexpected %s after '\\' in a string",
                       show(text, at + 1, what));
        return true;
    }
    for (size_t i = at + 2; i < at + 6; i++) {
        if (i >= text.len) {
            json_error_set(err, text.len, "unexpected end inside a string");
            return true;
        }
        if (!is_hex(text.p[i])) {
            json_error_set(err, i, "unexpected %s, expected four hexadecimal digits after '\\u'",
                           show(text, i, what));
            return true;
        }
    }
    return false;
}

/* The string whose opening quote stands at `at`. */
static bool explain_string(struct str text, size_t at, struct json_error *err)
{
    for (size_t i = at + 1; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '"') {
            return false;
        }
        if (c < 0x20) {
            json_error_set(err, i, "control byte 0x%02x in a string, write it as \\u%04x",
                           (unsigned)c, (unsigned)c);
            return true;
        }
        if (c == '\\') {
            if (explain_escape(text, i, err)) {
                return true;
            }
            i++;
        }
    }
    json_error_set(err, text.len, "unexpected end inside the string that begins at byte %zu", at);
    return true;
}

static bool need_digit(struct str text, size_t at, const char *where, struct json_error *err)
{
    char what[SHOW_LEN];

    if (at < text.len && is_digit(text.p[at])) {
        return false;
    }
    json_error_set(err, at, "unexpected %s, expected a digit after %s in a number",
                   show(text, at, what), where);
    return true;
}

static size_t skip_digits(struct str text, size_t at)
{
    while (at < text.len && is_digit(text.p[at])) {
        at++;
    }
    return at;
}

static bool explain_number(struct str text, size_t at, struct json_error *err)
{
    if (text.p[at] == '-') {
        at++;
        if (need_digit(text, at, "'-'", err)) {
            return true;
        }
    }
    at = text.p[at] == '0' ? at + 1 : skip_digits(text, at);
    if (at < text.len && text.p[at] == '.') {
        at++;
        if (need_digit(text, at, "'.'", err)) {
            return true;
        }
        at = skip_digits(text, at);
    }
    if (at < text.len && (text.p[at] == 'e' || text.p[at] == 'E')) {
        bool sign = at + 1 < text.len && (text.p[at + 1] == '+' || text.p[at + 1] == '-');
        return sign ? need_digit(text, at + 2, "the exponent's sign", err)
                    : need_digit(text, at + 1, "'e'", err);
    }
    return false;
}

static bool explain_word(struct str text, size_t at, struct json_error *err)
{
    const char *word = text.p[at] == 't' ? "true" : text.p[at] == 'f' ? "false" : "null";
    char what[SHOW_LEN];

    for (size_t i = 0; word[i]; i++) {
        if (at + i >= text.len || text.p[at + i] != word[i]) {
            json_error_set(err, at + i, "unexpected %s, expected \"%s\"", show(text, at + i, what),
                           word);
            return true;
        }
    }
    return false;
}

static void explain_no_value(struct str text, size_t at, bool after_comma, bool or_close,
                             struct json_error *err)
{
    char what[SHOW_LEN];
    const char *hint = "";

    (void)show(text, at, what);
    if (at < text.len) {
        char c = text.p[at];
        if (c == '\'') {
            hint = " (strings stand in double quotes)";
        } else if (c == '/' || c == '#') {
            hint = " (comments are not allowed)";
        } else if (c == '+' || c == '.') {
            hint = " (a number begins with '-' or a digit)";
        } else if (c == 'N' || c == 'I') {
            hint = " (NaN and Infinity are no JSON numbers)";
        } else if (c == 'T' || c == 'F') {
            hint = " (true and false are written in lower case)";
        } else if (after_comma && (c == ']' || c == '}')) {
            hint = " (a comma may not stand last)";
        }
    }
    json_error_set(err, at, "unexpected %s, expected a value%s%s", what, or_close ? " or ']'" : "",
                   hint);
}

static bool explain_value(struct str text, size_t at, bool after_comma, bool or_close,
                          struct json_error *err)
{
    char c = at < text.len ? text.p[at] : '\0';

    if (at < text.len && c == '"') {
        return explain_string(text, at, err);
    }
    if (c == '-' || is_digit(c)) {
        return explain_number(text, at, err);
    }
    if (c == 't' || c == 'f' || c == 'n') {
        return explain_word(text, at, err);
    }
    if (c == '[' || c == '{') {
        return false;
    }
    explain_no_value(text, at, after_comma, or_close, err);
    return true;
}

static bool explain_key(struct str text, size_t at, bool after_comma, struct json_error *err)
{
    char what[SHOW_LEN];

    if (at < text.len && text.p[at] == '"') {
        return explain_string(text, at, err);
    }
    bool comma_last = after_comma && at < text.len && text.p[at] == '}';
    json_error_set(err, at, "unexpected %s, expected a member name in double quotes%s%s",
                   show(text, at, what), after_comma ? "" : " or '}'",
                   comma_last ? " (a comma may not stand last)" : "");
    return true;
}

/* Between values: the separator is missing or something follows it. */
static bool explain_after_value(struct str text, const struct json_stop *stop,
                                struct json_error *err)
{
    size_t at = skip_space(text, stop->at);
    char what[SHOW_LEN];

    if (at < text.len && text.p[at] == ',' && stop->inside) {
        at = skip_space(text, at + 1);
        return stop->object ? explain_key(text, at, true, err)
                            : explain_value(text, at, true, false, err);
    }
    if (at < text.len && at == stop->at && at > 0 && is_digit(text.p[at]) &&
        text.p[at - 1] == '0') {
        json_error_set(err, at, "unexpected %s, a number may not begin with a zero",
                       show(text, at, what));
        return true;
    }
    if (!stop->inside) {
        json_error_set(err, at, "unexpected %s after the value, expected the end of the text",
                       show(text, at, what));
        return at < text.len;
    }
    json_error_set(err, at, "unexpected %s, expected ',' or '%c'", show(text, at, what),
                   stop->object ? '}' : ']');
    return true;
}

static bool explain(struct str text, const struct json_stop *stop, struct json_error *err)
{
    size_t at = skip_space(text, stop->at);
    char what[SHOW_LEN];

    switch (stop->after) {
    case JSON_AFTER_NOTHING:
        if (at >= text.len) {
            json_error_set(err, at, "the text is empty, expected a JSON value");
            return true;
        }
        return explain_value(text, at, false, false, err);
    case JSON_AFTER_OPEN:
        return stop->object ? explain_key(text, at, false, err)
                            : explain_value(text, at, false, true, err);
    case JSON_AFTER_KEY:
        if (at < text.len && text.p[at] == ':') {
            return explain_value(text, skip_space(text, at + 1), false, false, err);
        }
        json_error_set(err, at, "unexpected %s, expected ':' after the member name",
                       show(text, at, what));
        return true;
    case JSON_AFTER_VALUE:
        return explain_after_value(text, stop, err);
    }
    return false;
}

void json_explain(struct str text, const struct json_stop *stop, struct json_error *err)
{
    if (!explain(text, stop, err)) {
        json_error_set(err, stop->at, "not valid JSON after this byte");
    }
}

static size_t first_bad_utf8(struct str text)
{
    struct str rest = text;
    uint32_t c;
    size_t n;

    while ((n = utf8_next(rest, &c)) > 0) {
        rest.p += n;
        rest.len -= n;
    }
    return text.len - rest.len;
}

bool json_bad_byte(struct str text, struct json_error *err)
{
    if (text.len >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0) {
        json_error_set(err, 0, "a byte order mark is not allowed before JSON");
        return true;
    }
    if (!utf8_valid(text)) {
        json_error_set(err, first_bad_utf8(text), "not valid UTF-8 at this byte");
        return true;
    }
    /* The lexer takes these two for white space. */
    const char *vt = text.len ? memchr(text.p, '\v', text.len) : NULL;
    const char *ff = text.len ? memchr(text.p, '\f', text.len) : NULL;
    const char *bad = vt && (!ff || vt < ff) ? vt : ff;
    if (bad) {
        json_error_set(err, (size_t)(bad - text.p), "control byte 0x%02x is not allowed",
                       (unsigned)(unsigned char)*bad);
        return true;
    }
    return false;
}
