/* json_explain.h - says precisely what is wrong with a text that the JSON
 * lexer refused. Private to src/proto. */
#ifndef FF_PROTO_JSON_EXPLAIN_H
#define FF_PROTO_JSON_EXPLAIN_H

#include "base/str.h"
#include "proto/json.h"

/* What the parser had accepted when it stopped. */
enum json_after {
    JSON_AFTER_NOTHING,
    JSON_AFTER_OPEN,  /* '[' or '{' */
    JSON_AFTER_KEY,   /* a member name, its ':' not yet */
    JSON_AFTER_VALUE, /* a value inside a container, or the root */
};

struct json_stop {
    size_t at; /* everything before it was accepted */
    enum json_after after;
    bool inside; /* in a container, else at the top */
    bool object; /* which is an object */
};

void json_explain(struct str text, const struct json_stop *stop, struct json_error *err);

/* The first byte that cannot stand in any JSON text: bad UTF-8, or a control
 * other than white space. False if there is none. */
bool json_bad_byte(struct str text, struct json_error *err);

void json_error_set(struct json_error *err, size_t offset, const char *fmt, ...) FF_PRINTF(3, 4);

#endif
