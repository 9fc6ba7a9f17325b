/* problem.h - error bodies: application/problem+json (RFC 9457). */
#ifndef FF_PROTO_PROBLEM_H
#define FF_PROTO_PROBLEM_H

#include "base/strbuf.h"

/* The reason phrase of a status code we use ("Not Found"); "Error" otherwise. */
const char *problem_title(int status);
/* {"type":"about:blank" or "urn:fanfare:problem:<code>","title":...,
 *  "status":...,"code":...,"detail":...} and a line feed. `code` may be NULL.
 * `detail` is made valid UTF-8 if it is not. */
void problem_add(struct strbuf *out, int status, const char *code, struct str detail);

#endif
