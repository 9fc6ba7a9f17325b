#include "auth/keydoc.h"

#include "auth/slurp.h"
#include "base/suggest.h"
#include "proto/name.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct reading {
    const char *path; /* or NULL */
    struct str text;
    unsigned line;
    struct keydoc_span at; /* the line, with its newline */
    struct keydoc *d;
    struct errmsg *why;
};

static int fault(const struct reading *r, int rc, const char *fmt, ...) FF_PRINTF(3, 4);

/* The sentence never has the line's own text: it may be a secret in the wrong place. */
static int fault(const struct reading *r, int rc, const char *fmt, ...)
{
    char shown[SLURP_SHOWN];
    struct errmsg inner;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(inner.text, sizeof inner.text, fmt, ap);
    va_end(ap);
    if (!r->path) {
        return errmsg_set(r->why, rc, "%s", inner.text);
    }
    return errmsg_set(r->why, rc, "%s:%u: %s", slurp_shown(r->path, shown), r->line, inner.text);
}

static int no_memory(const struct reading *r)
{
    return fault(r, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim(struct str s)
{
    while (s.len > 0 && is_blank(s.p[s.len - 1])) {
        s.len--;
    }
    while (s.len > 0 && is_blank(*s.p)) {
        s.p++;
        s.len--;
    }
    return s;
}

bool keydoc_is_id(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-')) {
            return false;
        }
    }
    return s.len > 0 && s.len <= KEYFILE_ID_MAX;
}

/* ---- members ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_secret(struct reading *r, struct keydoc_key *k, struct str value)
{
    struct str prefix = STR_LIT("sha256:");
    uint8_t *out;

    if (k->nsecrets == KEYFILE_SECRETS) {
        return fault(r, ERR_INVALID,
                     "a key has at most %d secrets; fanfare key rotate --finish "
                     "leaves the newest",
                     KEYFILE_SECRETS);
    }
    out = k->secrets[k->nsecrets];
    bool good = str_starts(value, prefix) && value.len == prefix.len + (size_t)KEYDOC_DIGEST * 2;
    for (size_t i = 0; good && i < KEYDOC_DIGEST; i++) {
        int high = hex_digit(value.p[prefix.len + i * 2]);
        int low = hex_digit(value.p[prefix.len + i * 2 + 1]);
        good = high >= 0 && low >= 0;
        out[i] = (uint8_t)(good ? high << 4 | low : 0);
    }
    if (!good) {
        return fault(r, ERR_INVALID,
                     "a secret is sha256: and 64 digits 0-9a-f, never the key itself; "
                     "fanfare key makes it");
    }
    k->secret_lines[k->nsecrets++] = r->at;
    return 0;
}

/* The next of the patterns, and whether it is a good one. */
static int next_pattern(struct reading *r, struct str *rest, struct str *out)
{
    struct str s = trim(*rest);
    size_t n = 0;
    struct errmsg why;

    while (n < s.len && !is_blank(s.p[n])) {
        n++;
    }
    *rest = (struct str){s.p + n, s.len - n};
    *out = (struct str){s.p, n};
    if (n > 0 && s.p[n - 1] == ',') {
        out->len--;
    }
    if (name_check_subscription(*out, &why) != 0) {
        return fault(r, ERR_INVALID, "publish: %s", why.text);
    }
    if (memchr(out->p, ',', out->len)) {
        return fault(r, ERR_INVALID,
                     "publish: put a space behind the comma between two patterns (a channel with a "
                     "comma in its name can be matched with * alone)");
    }
    return 0;
}

static int add_pattern(struct reading *r, struct keydoc_key *k, struct str pattern)
{
    struct str *grown;

    if (k->npublish == KEYDOC_PATTERNS) {
        return fault(r, ERR_INVALID, "publish: a key has at most %d patterns", KEYDOC_PATTERNS);
    }
    /* Doubled whenever the number is a power of two. */
    if ((k->npublish & (k->npublish - 1)) == 0) {
        size_t cap = k->npublish > 0 ? (size_t)k->npublish * 2 : 1;
        grown = realloc(k->publish, cap * sizeof(struct str));
        if (!grown) {
            return no_memory(r);
        }
        k->publish = grown;
    }
    k->publish[k->npublish++] = pattern;
    return 0;
}

static int read_publish(struct reading *r, struct keydoc_key *k, struct str value)
{
    struct str rest = value;
    struct str pattern;
    int rc = 0;

    if (str_eqz(value, "all")) {
        k->rights |= RIGHT_ALL_CHANNELS;
    }
    while (rc == 0 && !str_eqz(value, "all") && trim(rest).len > 0) {
        rc = next_pattern(r, &rest, &pattern);
        if (rc == 0 && str_eqz(pattern, "all")) {
            rc = fault(r, ERR_INVALID, "publish: \"all\" stands alone");
        }
        rc = rc ? rc : add_pattern(r, k, pattern);
    }
    if (rc == 0 && k->npublish > 0 && (k->rights & RIGHT_ALL_CHANNELS) != 0) {
        rc = fault(r, ERR_INVALID, "publish: \"all\" stands alone");
    }
    return rc;
}

static int read_flag(struct reading *r, const char *name, unsigned right, struct keydoc_key *k,
                     struct str value)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (str_eqz(value, yes[i])) {
            k->rights |= right;
            return 0;
        }
        if (str_eqz(value, no[i])) {
            return 0;
        }
    }
    return fault(r, ERR_INVALID, "%s is yes or no", name);
}

static int read_expires(struct reading *r, struct keydoc_key *k, struct str value)
{
    struct errmsg why;

    return keyfile_parse_time(value, &k->expires_ms, &why) == 0
               ? 0
               : fault(r, ERR_INVALID, "expires: %s", why.text);
}

static int read_name(struct reading *r, const char *what, struct str *out, struct str value)
{
    struct errmsg why;

    *out = value;
    return name_check_text(what, value, &why) == 0 ? 0 : fault(r, ERR_INVALID, "%s", why.text);
}

enum { SECRET, PUBLISH, EXPIRES, CERTIFICATE, PEER, FLAGS };

static const char *const member_names[] = {"secret", "publish", "expires", "certificate",
                                           "peer",   "read",    "admin",   "tickets",
                                           "users",  "everyone"};
static const unsigned flag_rights[] = {RIGHT_READ, RIGHT_ADMIN, RIGHT_TICKETS, RIGHT_USERS,
                                       RIGHT_EVERYONE};

enum { MEMBERS = sizeof member_names / sizeof member_names[0] };

static int unknown_member(const struct reading *r, struct str name)
{
    char shown[NAME_SHOW_MAX];
    const char *near = suggest(name, member_names, MEMBERS);

    return fault(r, ERR_INVALID, "a key has no \"%s\"%s%s%s", name_show(name, shown),
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int read_member(struct reading *r, struct keydoc_key *k, struct str name, struct str value)
{
    unsigned m = 0;

    while (m < MEMBERS && !str_eqz(name, member_names[m])) {
        m++;
    }
    if (m == MEMBERS) {
        return unknown_member(r, name);
    }
    if (m > PUBLISH && (k->members >> m & 1) != 0) {
        return fault(r, ERR_INVALID, "%s stands twice in this key", member_names[m]);
    }
    if (value.len == 0) {
        return fault(r, ERR_INVALID, "%s has no value", member_names[m]);
    }
    k->members |= 1u << m;
    switch (m) {
    case SECRET:
        return read_secret(r, k, value);
    case PUBLISH:
        return read_publish(r, k, value);
    case EXPIRES:
        return read_expires(r, k, value);
    case CERTIFICATE:
        return read_name(r, "certificate", &k->certificate, value);
    case PEER:
        return read_name(r, "peer", &k->peer, value);
    default:
        return read_flag(r, member_names[m], flag_rights[m - FLAGS], k, value);
    }
}

/* ---- lines ---- */

static struct keydoc_key *last_key(const struct keydoc *d)
{
    return d->n > 0 ? &d->keys[d->n - 1] : NULL;
}

static int check_complete(struct reading *r)
{
    const struct keydoc_key *k = last_key(r->d);

    if (!k || k->nsecrets > 0 || k->certificate.len > 0 || k->peer.len > 0) {
        return 0;
    }
    r->line = k->line;
    return fault(r, ERR_INVALID,
                 "the key [%.*s] has no secret, no certificate and no peer: nobody can use it",
                 (int)k->id.len, k->id.p);
}

static int begin_key(struct reading *r, struct str line)
{
    struct keydoc *d = r->d;
    struct str id = {line.p + 1, line.len >= 2 ? line.len - 2 : 0};
    unsigned at = r->line;
    int rc = check_complete(r);

    if (rc != 0) {
        return rc;
    }
    r->line = at;
    if (line.p[line.len - 1] != ']' || !keydoc_is_id(id)) {
        return fault(r, ERR_INVALID, "a key begins with [id], of 1 to %d letters, digits and -",
                     KEYFILE_ID_MAX);
    }
    if (d->n == KEYFILE_KEYS) {
        return fault(r, ERR_INVALID, "a file has at most %d keys", KEYFILE_KEYS);
    }
    if (d->n == d->cap) {
        unsigned cap = d->cap > 0 ? d->cap * 2 : 8;
        struct keydoc_key *grown = realloc(d->keys, cap * sizeof(*grown));
        if (!grown) {
            return no_memory(r);
        }
        d->keys = grown;
        d->cap = cap;
    }
    d->keys[d->n++] = (struct keydoc_key){.id = id, .line = at, .head = r->at, .all = r->at};
    return 0;
}

static int read_line(struct reading *r)
{
    struct str line = {r->text.p + r->at.from, r->at.to - r->at.from};
    struct keydoc_key *k = last_key(r->d);
    const char *eq;

    if (line.len > 0 && line.p[line.len - 1] == '\n') {
        line.len--;
    }
    line = trim(line);
    if (line.len == 0 || *line.p == '#' || *line.p == ';') {
        return 0;
    }
    if (memchr(line.p, '\0', line.len)) {
        return fault(r, ERR_INVALID, "the line has a NUL byte");
    }
    if (*line.p == '[') {
        return begin_key(r, line);
    }
    eq = memchr(line.p, '=', line.len);
    if (!eq) {
        return fault(r, ERR_INVALID, "this is neither [id] nor a line of the form name = value");
    }
    if (!k) {
        return fault(r, ERR_INVALID, "this stands before the first [id]");
    }
    k->all.to = r->at.to;
    return read_member(r, k, trim((struct str){line.p, (size_t)(eq - line.p)}),
                       trim((struct str){eq + 1, (size_t)(line.p + line.len - eq) - 1}));
}

static int by_id(const void *a, const void *b)
{
    const struct keydoc_key *x = *(const struct keydoc_key *const *)a;
    const struct keydoc_key *y = *(const struct keydoc_key *const *)b;
    int d = str_cmp(x->id, y->id);

    return d != 0 ? d : (x->line > y->line) - (x->line < y->line);
}

static int check_unique(struct reading *r)
{
    const struct keydoc *d = r->d;
    const struct keydoc_key **sorted = calloc(d->n + 1u, sizeof(*sorted));
    int rc = 0;

    if (!sorted) {
        return no_memory(r);
    }
    for (unsigned i = 0; i < d->n; i++) {
        sorted[i] = &d->keys[i];
    }
    qsort(sorted, d->n, sizeof(*sorted), by_id);
    for (unsigned i = 1; i < d->n && rc == 0; i++) {
        if (str_eq(sorted[i]->id, sorted[i - 1]->id)) {
            r->line = sorted[i]->line;
            rc = fault(r, ERR_INVALID, "[%.*s] is the key of line %u already",
                       (int)sorted[i]->id.len, sorted[i]->id.p, sorted[i - 1]->line);
        }
    }
    free(sorted);
    return rc;
}

int keydoc_parse(const char *path, struct str text, struct keydoc *out, struct errmsg *why)
{
    struct reading r = {.path = path, .text = text, .d = out, .why = why};
    int rc = 0;

    *out = (struct keydoc){0};
    while (rc == 0 && r.at.to < text.len) {
        const char *end = memchr(text.p + r.at.to, '\n', text.len - r.at.to);
        r.at.from = r.at.to;
        r.at.to = end ? (size_t)(end - text.p) + 1 : text.len;
        r.line++;
        rc = read_line(&r);
    }
    rc = rc ? rc : check_complete(&r);
    rc = rc ? rc : check_unique(&r);
    if (rc != 0) {
        keydoc_fini(out);
    }
    return rc;
}

void keydoc_fini(struct keydoc *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        free(d->keys[i].publish);
    }
    free(d->keys);
    *d = (struct keydoc){0};
}

struct keydoc_key *keydoc_find(const struct keydoc *d, struct str id)
{
    for (unsigned i = 0; i < d->n; i++) {
        if (str_eq(d->keys[i].id, id)) {
            return &d->keys[i];
        }
    }
    return NULL;
}

int keydoc_read(const char *path, char **text, size_t *len, struct errmsg *why)
{
    static const struct slurp_rules rules = {KEYDOC_MAX, S_IWOTH, "a file of keys"};

    return slurp(path, &rules, text, len, why);
}
