/* keydoc.h - the text of a file of keys, taken apart; inside src/auth. What the gateway reads and
 * what `fanfare key` changes is the same reading. keyfile.h says the form. */
#ifndef FF_AUTH_KEYDOC_H
#define FF_AUTH_KEYDOC_H

#include "auth/keyfile.h"

#define KEYDOC_MAX (16u << 20) /* bytes of a file */
#define KEYDOC_PATTERNS 1000   /* of one key */
#define KEYDOC_DIGEST 32       /* of SHA-256 */

/* Bytes of the text. */
struct keydoc_span {
    size_t from, to;
};

struct keydoc_key {
    struct str id;
    unsigned line;           /* of its [id], from 1 */
    struct keydoc_span all;  /* [id] to its last member's line, with the newline */
    struct keydoc_span head; /* the line of [id] */
    unsigned members;        /* bits of those that stood */
    unsigned rights;
    unsigned nsecrets;
    uint8_t secrets[KEYFILE_SECRETS][KEYDOC_DIGEST];
    struct keydoc_span secret_lines[KEYFILE_SECRETS];
    struct str *publish;
    unsigned npublish;
    uint64_t expires_ms;
    struct str certificate, peer;
};

/* All slices are of the text, which is the caller's. */
struct keydoc {
    struct keydoc_key *keys; /* in the order of the file */
    unsigned n, cap;
};

/* The sentence begins with "path:line: ", or not if `path` is NULL. On failure nothing is left to
 * be freed. */
int keydoc_parse(const char *path, struct str text, struct keydoc *out, struct errmsg *why)
    FF_USE_RESULT;
void keydoc_fini(struct keydoc *d);
struct keydoc_key *keydoc_find(const struct keydoc *d, struct str id);
/* Reads the file. */
int keydoc_read(const char *path, char **text, size_t *len, struct errmsg *why) FF_USE_RESULT;

bool keydoc_is_id(struct str s);

#endif
