/* json.h - reading JSON (RFC 8259) without changing it; writing strings.
 *
 * yajl does the lexing and the UTF-8 checks. What this adds: a small tree of
 * the upper levels whose nodes know their exact slice of the source, so that
 * a publisher's number or key order never passes through a conversion; depth
 * and node bounds; precise byte offsets in errors. */
#ifndef FF_PROTO_JSON_H
#define FF_PROTO_JSON_H

#include "base/err.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_node {
    enum json_type type;
    bool truth;              /* JSON_BOOL */
    bool lone_surrogate;     /* JSON_STRING: an escape that is no character */
    struct str key;          /* decoded member name, if the parent is an object */
    struct str raw;          /* the value's exact bytes in the source */
    struct str text;         /* JSON_STRING: decoded */
    size_t offset;           /* of raw in the source */
    unsigned count;          /* children */
    struct json_node *child; /* first child, in source order */
    struct json_node *next;  /* sibling */
};

struct json_limits {
    unsigned max_depth;  /* deeper nesting is an error */
    unsigned tree_depth; /* values below this level have no children in the
                            tree, only raw (the root is level 1) */
    size_t max_nodes;    /* more nodes in the tree are an error */
    const char *leave;   /* this member of the root object, if not NULL, gets
                            no children either: payload that is passed on */
};

struct json_error {
    size_t offset;  /* byte position in the source, from 0 */
    char text[160]; /* what is wrong there, one line, printable ASCII */
};

/* A parser with its memory, for any number of parses, one thread. */
struct json_doc;

int json_doc_new(struct json_doc **out) FF_USE_RESULT;
void json_doc_free(struct json_doc *doc);
/* Parses exactly one JSON value with optional white space around it. The tree
 * borrows `text` and lives until the next parse. ERR_INVALID with *err filled
 * (empty text, trailing bytes, bad UTF-8, NUL, depth, ...), ERR_LIMIT for
 * max_nodes (also with *err), ERR_NOMEM. */
int json_parse(struct json_doc *doc, struct str text, const struct json_limits *lim,
               const struct json_node **root, struct json_error *err) FF_USE_RESULT;

/* The member with this name, or NULL. */
const struct json_node *json_get(const struct json_node *obj, const char *key);
/* The first member that repeats the name of an earlier one, or NULL. */
const struct json_node *json_duplicate(const struct json_node *obj);
/* True if the number is a plain integer 0..max (no sign, point, exponent). */
bool json_uint(const struct json_node *n, uint64_t max, uint64_t *out);
/* "null", "true or false", "number", "string", "array", "object". */
const char *json_type_name(enum json_type t);

/* Appends a VALID JSON text without its insignificant white space. */
void json_minify(struct strbuf *out, struct str raw);
/* Appends the string as a JSON string with quotes. `s` must be valid UTF-8. */
void json_add_string(struct strbuf *out, struct str s);
/* The same for any bytes: what is not UTF-8 becomes U+FFFD. */
void json_add_lossy(struct strbuf *out, struct str s);

/* The next piece of VALID JSON text that is not insignificant white space, from
 * *at on; *at moves behind it. Empty at the end. */
struct str json_next_run(const char **at, const char *end);

/* The same two writers for memory of the exact size: the length first, then
 * the bytes; `put` returns the end of what it wrote. */
size_t json_minified_len(struct str raw);
char *json_put_minified(char *to, struct str raw);
size_t json_string_len(struct str s);
char *json_put_string(char *to, struct str s);
static inline void json_add_cstring(struct strbuf *out, const char *s)
{
    json_add_string(out, str_of(s));
}

#endif
