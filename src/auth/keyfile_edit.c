/* keyfile_edit.c - changing a file of keys: spans of its text are replaced, the rest stays. */
#include "auth/keyfile.h"

#include "auth/base64url.h"
#include "auth/keyfile_build.h"
#include "auth/replace.h"
#include "auth/slurp.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "proto/name.h"

#include <nettle/sha2.h>
#include <stdio.h>

#define SECRET_BYTES 32

/* The file while it is being changed. */
struct edit {
    struct replace file;
    char *text;
    size_t len;
    struct keydoc doc;
    struct strbuf out;
};

static int edit_begin(const char *path, bool may_be_new, struct edit *e, struct errmsg *why)
{
    int rc = replace_begin(path, may_be_new, &e->file, why);

    if (rc == 0 && e->file.exists) {
        rc = keydoc_read(path, &e->text, &e->len, why);
    }
    if (rc == 0 && e->text) {
        rc = keydoc_parse(path, (struct str){e->text, e->len}, &e->doc, why);
    }
    return rc;
}

static void edit_end(struct edit *e)
{
    keydoc_fini(&e->doc);
    slurp_free(e->text, e->len);
    strbuf_fini(&e->out);
    replace_end(&e->file);
}

static int edit_commit(struct edit *e, struct errmsg *why)
{
    if (strbuf_failed(&e->out)) {
        return errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    return replace_commit(&e->file, (struct str){e->out.data ? e->out.data : "", e->out.len}, why);
}

static void keep(struct edit *e, size_t from, size_t to)
{
    if (to > from) {
        strbuf_add(&e->out, e->text + from, to - from);
    }
}

static int find(const struct edit *e, const char *path, struct str id, struct keydoc_key **out,
                struct errmsg *why)
{
    char shown[SLURP_SHOWN], name[NAME_SHOW_MAX];

    *out = keydoc_find(&e->doc, id);
    return *out ? 0
                : errmsg_set(why, ERR_NOT_FOUND, "%s: there is no key \"%s\"",
                             slurp_shown(path, shown), name_show(id, name));
}

/* ---- secrets ---- */

/* The text of a new key, and its line in the file. */
static int make_secret(struct str id, char key[KEYFILE_KEY_MAX], struct strbuf *line,
                       struct errmsg *why)
{
    char digits[BASE64URL_DIGITS(SECRET_BYTES) + 1];
    uint8_t bytes[SECRET_BYTES], digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    struct rng rng;

    if (rng_init(&rng) != 0) {
        return errmsg_set(why, ERR_SYSTEM, "the kernel gives no random bytes");
    }
    rng_bytes(&rng, bytes, sizeof bytes);
    explicit_bzero(&rng, sizeof rng);
    base64url_encode(bytes, sizeof bytes, digits);
    (void)snprintf(key, KEYFILE_KEY_MAX, KEYFILE_PREFIX "%.*s_%s", (int)id.len, id.p, digits);
    sha256_init(&sha);
    sha256_update(&sha, strlen(key), (const uint8_t *)key);
    sha256_digest(&sha, sizeof digest, digest);
    strbuf_adds(line, "secret = sha256:");
    for (size_t i = 0; i < sizeof digest; i++) {
        strbuf_addf(line, "%02x", digest[i]);
    }
    strbuf_addc(line, '\n');
    explicit_bzero(&sha, sizeof sha);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(digits, sizeof digits);
    return 0;
}

/* ---- a new key ---- */

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static void add_member(struct strbuf *out, const char *name, struct str value)
{
    if (value.len > 0) {
        strbuf_addf(out, "%s = ", name);
        strbuf_addstr(out, value);
        strbuf_addc(out, '\n');
    }
}

static void add_permissions(struct strbuf *out, const struct keyfile_info *info)
{
    static const struct {
        const char *name;
        unsigned right;
    } flags[] = {{"users", RIGHT_USERS},
                 {"everyone", RIGHT_EVERYONE},
                 {"read", RIGHT_READ},
                 {"admin", RIGHT_ADMIN},
                 {"tickets", RIGHT_TICKETS}};

    add_member(out, "publish", info->rights & RIGHT_ALL_CHANNELS ? STR_LIT("all") : info->publish);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if ((info->rights & flags[i].right) != 0) {
            add_member(out, flags[i].name, STR_LIT("yes"));
        }
    }
    if (info->expires_ms > 0) {
        char text[CLOCK_RFC3339_LEN + 1];
        clock_rfc3339(info->expires_ms, text);
        add_member(out, "expires", str_of(text));
    }
    add_member(out, "certificate", info->certificate);
    add_member(out, "peer", info->peer);
}

/* Its part of the file. It is read back as if it were one, so that nothing is written that the
 * gateway would refuse, or would read as something else. */
static int compose(const struct keyfile_info *info, char key[KEYFILE_KEY_MAX], struct strbuf *out,
                   struct errmsg *why)
{
    struct keydoc doc;
    int rc = 0;

    if (!keydoc_is_id(info->id)) {
        return errmsg_set(why, ERR_INVALID, "a key's id has 1 to %d letters, digits and -",
                          KEYFILE_ID_MAX);
    }
    if (!is_plain(info->publish) || !is_plain(info->certificate) || !is_plain(info->peer)) {
        return errmsg_set(why, ERR_INVALID, "no control characters, please");
    }
    strbuf_addc(out, '[');
    strbuf_addstr(out, info->id);
    strbuf_adds(out, "]\n");
    if (info->nsecrets > 0) {
        rc = make_secret(info->id, key, out, why);
    }
    add_permissions(out, info);
    if (rc == 0 && strbuf_failed(out)) {
        rc = errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    if (rc == 0) {
        rc = keydoc_parse(NULL, strbuf_str(out), &doc, why);
    }
    if (rc == 0) {
        keydoc_fini(&doc);
    }
    return rc;
}

/* As the gateway would: also that peers and certificates are known, and one key's alone. */
static int try_whole(const char *path, struct edit *e, struct errmsg *why)
{
    struct keydoc doc;
    struct keyfile *built = NULL;
    int rc = strbuf_failed(&e->out) ? errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM))
                                    : keydoc_parse(path, strbuf_str(&e->out), &doc, why);

    if (rc == 0) {
        rc = keyfile_build(path, &doc, &built, why);
        keyfile_free(built);
        keydoc_fini(&doc);
    }
    return rc;
}

int keyfile_add(const char *path, const struct keyfile_info *info, char key[KEYFILE_KEY_MAX],
                struct errmsg *why)
{
    struct edit e = {.file = {.dir = -1}};
    struct strbuf part = STRBUF_INIT;
    char shown[SLURP_SHOWN];
    int rc;

    memset(key, 0, KEYFILE_KEY_MAX);
    rc = compose(info, key, &part, why);
    rc = rc ? rc : edit_begin(path, true, &e, why);
    if (rc == 0 && keydoc_find(&e.doc, info->id)) {
        rc = errmsg_set(why, ERR_EXISTS, "%s: there is a key \"%.*s\" already",
                        slurp_shown(path, shown), (int)info->id.len, info->id.p);
    }
    if (rc == 0) {
        keep(&e, 0, e.len);
        if (e.len > 0) {
            strbuf_adds(&e.out, e.text[e.len - 1] == '\n' ? "\n" : "\n\n");
        }
        strbuf_addstr(&e.out, strbuf_str(&part));
        rc = try_whole(path, &e, why);
    }
    rc = rc ? rc : edit_commit(&e, why);
    if (rc != 0) {
        explicit_bzero(key, KEYFILE_KEY_MAX);
    }
    strbuf_fini(&part);
    edit_end(&e);
    return rc;
}

/* ---- keys that are there ---- */

int keyfile_rotate(const char *path, struct str id, char key[KEYFILE_KEY_MAX], struct errmsg *why)
{
    struct edit e = {.file = {.dir = -1}};
    struct keydoc_key *k = NULL;
    int rc;

    memset(key, 0, KEYFILE_KEY_MAX);
    rc = edit_begin(path, false, &e, why);
    rc = rc ? rc : find(&e, path, id, &k, why);
    if (rc == 0 && k->nsecrets == KEYFILE_SECRETS) {
        rc = errmsg_set(why, ERR_LIMIT, "the key has %d secrets already; finish its rotation first",
                        KEYFILE_SECRETS);
    }
    if (rc == 0) {
        size_t at = k->nsecrets > 0 ? k->secret_lines[k->nsecrets - 1].to : k->head.to;
        keep(&e, 0, at);
        if (e.text[at - 1] != '\n') {
            strbuf_addc(&e.out, '\n');
        }
        rc = make_secret(k->id, key, &e.out, why);
        keep(&e, at, e.len);
    }
    rc = rc ? rc : edit_commit(&e, why);
    if (rc != 0) {
        explicit_bzero(key, KEYFILE_KEY_MAX);
    }
    edit_end(&e);
    return rc;
}

int keyfile_finish(const char *path, struct str id, unsigned *dropped, struct errmsg *why)
{
    struct edit e = {.file = {.dir = -1}};
    struct keydoc_key *k = NULL;
    int rc = edit_begin(path, false, &e, why);

    *dropped = 0;
    rc = rc ? rc : find(&e, path, id, &k, why);
    if (rc == 0 && k->nsecrets > 1) {
        size_t at = 0;
        for (unsigned i = 0; i + 1 < k->nsecrets; i++) {
            keep(&e, at, k->secret_lines[i].from);
            at = k->secret_lines[i].to;
        }
        keep(&e, at, e.len);
        rc = edit_commit(&e, why);
        *dropped = rc == 0 ? k->nsecrets - 1 : 0;
    }
    edit_end(&e);
    return rc;
}

int keyfile_revoke(const char *path, struct str id, struct errmsg *why)
{
    struct edit e = {.file = {.dir = -1}};
    struct keydoc_key *k = NULL;
    int rc = edit_begin(path, false, &e, why);

    rc = rc ? rc : find(&e, path, id, &k, why);
    if (rc == 0) {
        size_t from = k->all.from;
        /* With the empty line that keyfile_add put before it. */
        if (from >= 2 && e.text[from - 1] == '\n' && e.text[from - 2] == '\n') {
            from--;
        }
        keep(&e, 0, from);
        keep(&e, k->all.to, e.len);
        rc = edit_commit(&e, why);
    }
    edit_end(&e);
    return rc;
}

static int tell(const struct keydoc_key *k, struct strbuf *patterns,
                void (*each)(void *ctx, const struct keyfile_info *info), void *ctx)
{
    strbuf_reset(patterns);
    if ((k->rights & RIGHT_ALL_CHANNELS) != 0) {
        strbuf_adds(patterns, "all");
    }
    for (unsigned i = 0; i < k->npublish; i++) {
        strbuf_adds(patterns, i > 0 ? ", " : "");
        strbuf_addstr(patterns, k->publish[i]);
    }
    if (strbuf_failed(patterns)) {
        return ERR_NOMEM;
    }
    each(ctx, &(struct keyfile_info){.id = k->id,
                                     .rights = k->rights,
                                     .publish = strbuf_str(patterns),
                                     .nsecrets = k->nsecrets,
                                     .expires_ms = k->expires_ms,
                                     .certificate = k->certificate,
                                     .peer = k->peer});
    return 0;
}

int keyfile_list(const char *path, void (*each)(void *ctx, const struct keyfile_info *info),
                 void *ctx, struct errmsg *why)
{
    struct strbuf patterns = STRBUF_INIT;
    struct keydoc doc = {0};
    char *text = NULL;
    size_t len = 0;
    int rc = keydoc_read(path, &text, &len, why);

    rc = rc ? rc : keydoc_parse(path, (struct str){text, len}, &doc, why);
    for (unsigned i = 0; i < doc.n && rc == 0; i++) {
        rc = tell(&doc.keys[i], &patterns, each, ctx);
        if (rc != 0) {
            (void)errmsg_set(why, rc, "%s", err_text(rc));
        }
    }
    keydoc_fini(&doc);
    strbuf_fini(&patterns);
    slurp_free(text, len);
    return rc;
}
