/* options_value.c - text to values and back. */
#include "conf/options_value.h"

#include "base/str.h"
#include "base/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What may stand in the name of a channel. */
#define CHANNEL_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@=,;/"
#define CHANNEL_MAX 200

struct unit {
    const char *name;
    uint64_t factor;
};

/* From the largest, so that the first whole one is the shortest text. */
static const struct unit size_units[] = {
    {"g", UINT64_C(1) << 30}, {"m", UINT64_C(1) << 20}, {"k", UINT64_C(1) << 10}, {"", 1}};
static const struct unit time_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit plain_units[] = {{"", 1}};

struct units {
    const struct unit *list;
    size_t n;
    const char *expected;
};

static struct units units_of(enum opt_type type)
{
    switch (type) {
    case OPT_SIZE:
        return (struct units){size_units, sizeof size_units / sizeof *size_units,
                              "a size; write a whole number of bytes, or with k, m or g, "
                              "such as 64k"};
    case OPT_TIME:
        return (struct units){time_units, sizeof time_units / sizeof *time_units,
                              "a time; write a whole number with ms, s, m or h, such as 30s"};
    default:
        return (struct units){plain_units, 1, "a whole number"};
    }
}

const char *value_shown(const char *text, char buf[VALUE_SHOWN])
{
    size_t len = strlen(text);
    size_t keep = len < VALUE_SHOWN ? len : VALUE_SHOWN - 4;
    for (size_t i = 0; i < keep; i++) {
        unsigned char c = (unsigned char)text[i];
        buf[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
    }
    if (keep < len) { /* not in the middle of a character */
        while (keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80) {
            keep--;
        }
        memcpy(buf + keep, "...", 3);
        keep += 3;
    }
    buf[keep] = '\0';
    return buf;
}

const char *value_prefix_fault(struct str prefix)
{
    if (prefix.len > CHANNEL_MAX) {
        return "the prefix is longer than a channel's name may be, 200 bytes";
    }
    for (size_t i = 0; i < prefix.len; i++) {
        if (prefix.p[i] == '*' || prefix.p[i] == '>') {
            return "a prefix has no wildcards";
        }
        if (memchr(CHANNEL_BYTES, prefix.p[i], sizeof CHANNEL_BYTES - 1) == NULL) {
            return "the prefix has a byte that no channel's name may have";
        }
    }
    return NULL;
}

/* Digits and a unit; *overflow if the number is too large for 64 bits. */
static int number_scan(enum opt_type type, const char *text, uint64_t *out, bool *overflow)
{
    uint64_t v = 0;
    const char *p = text;
    *overflow = false;
    for (; *p >= '0' && *p <= '9'; p++) {
        *overflow |= __builtin_mul_overflow(v, UINT64_C(10), &v);
        *overflow |= __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
    }
    if (p == text) {
        return ERR_INVALID;
    }
    const char *unit = type == OPT_TIME && *p == '\0' ? "s" : p;
    struct units units = units_of(type);
    for (size_t i = 0; i < units.n; i++) {
        if (strcasecmp(unit, units.list[i].name) == 0) {
            *overflow |= __builtin_mul_overflow(v, units.list[i].factor, out);
            return 0;
        }
    }
    return ERR_INVALID;
}

int value_number(const struct opt_info *info, const char *text, uint64_t *out, struct errmsg *why)
{
    char shown[VALUE_SHOWN], low[VALUE_NUMBER], high[VALUE_NUMBER];
    uint64_t v;
    bool overflow;
    if (number_scan(info->type, text, &v, &overflow) != 0) {
        return errmsg_set(why, ERR_INVALID, "%s: \"%s\" is not %s", info->name,
                          value_shown(text, shown), units_of(info->type).expected);
    }
    if (overflow || v < info->min || v > info->max) {
        return errmsg_set(why, ERR_RANGE, "%s: %s is outside its limits, %s to %s", info->name,
                          value_shown(text, shown), value_number_text(info->type, info->min, low),
                          value_number_text(info->type, info->max, high));
    }
    *out = v;
    return 0;
}

int value_bool(const struct opt_info *info, const char *text, bool *out, struct errmsg *why)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (unsigned v = 0; v < 2; v++) {
            if (strcasecmp(text, words[i][v]) == 0) {
                *out = v == 1;
                return 0;
            }
        }
    }
    char shown[VALUE_SHOWN];
    return errmsg_set(why, ERR_INVALID, "%s: \"%s\" is neither yes nor no", info->name,
                      value_shown(text, shown));
}

#define CHOICES_MAX 8
#define CHOICE_LEN 32

int value_enum(const struct opt_info *info, const char *text, unsigned *out, struct errmsg *why)
{
    char choices[CHOICES_MAX][CHOICE_LEN];
    const char *names[CHOICES_MAX];
    unsigned n = 0;
    for (const char *p = info->arg; *p != '\0' && n < CHOICES_MAX; n++) {
        size_t len = strcspn(p, "|");
        snprintf(choices[n], CHOICE_LEN, "%.*s", (int)len, p);
        names[n] = choices[n];
        p += len + (p[len] == '|');
    }
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    char shown[VALUE_SHOWN];
    const char *near = suggest(str_of(text), names, n);
    return errmsg_set(why, ERR_INVALID, "%s: \"%s\" is not one of %s%s%s%s", info->name,
                      value_shown(text, shown), info->arg, near ? "; did you mean " : "",
                      near ? near : "", near ? "?" : "");
}

const char *value_number_text(enum opt_type type, uint64_t v, char buf[VALUE_NUMBER])
{
    struct units units = units_of(type);
    size_t i = 0;
    while (i + 1 < units.n && (v == 0 || v % units.list[i].factor != 0)) {
        i++;
    }
    const char *unit = v == 0 && type == OPT_TIME ? "s" : units.list[i].name;
    snprintf(buf, VALUE_NUMBER, "%" PRIu64 "%s", v / units.list[i].factor, unit);
    return buf;
}
