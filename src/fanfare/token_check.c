/* token_check.c - `fanfare token check`: what a token says, and what is wrong with it. */
#include "fanfare/token.h"

#include "fanfare/args.h"
#include "fanfare/complain.h"
#include "fanfare/flags.h"
#include "fanfare/textfile.h"
#include "fanfare/when.h"

#include <fanfare/fanfare.h>

#include <stdio.h>
#include <string.h>

#define TOOL "token"
#define TOKEN_FILE_MAX 65536

/* ---- printing what came from outside ---- */

/* Length of the character at `s`, 0 for what could steer a terminal or fool its reader:
 * controls of both kinds, marks of writing direction, bytes that are not UTF-8. */
static size_t harmless(const unsigned char *s)
{
    size_t more = s[0] < 0x80 ? 0 : s[0] >= 0xc2 && s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : 3;
    unsigned code = more == 0 ? s[0] : s[0] & (0x3fu >> more);

    if (s[0] < 0x20 || s[0] == 0x7f || (s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool bad = (code >= 0x80 && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
               (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
               (code >= 0xd800 && code < 0xe000) || code == 0xfeff;
    return bad ? 0 : more + 1;
}

static size_t put_one(const char *s)
{
    size_t n = harmless((const unsigned char *)s);

    if (n == 0) {
        putchar('?');
        return 1;
    }
    fwrite(s, 1, n, stdout);
    return n;
}

static void put_clean(const char *s)
{
    while (*s != '\0') {
        s += put_one(s);
    }
}

/* An object of JSON, a member a line. What is no good JSON comes out all the same. */
static void put_members(const char *what, const char *json)
{
    size_t len = strlen(json);
    bool in_text = false;
    int depth = 0;

    printf("%-11s", what);
    if (len < 2 || json[0] != '{' || json[len - 1] != '}') {
        put_clean(json);
        putchar('\n');
        return;
    }
    for (const char *s = json + 1; s < json + len - 1;) {
        if (in_text && *s == '\\' && s + 1 < json + len - 1) {
            s += put_one(s);
            s += put_one(s);
            continue;
        }
        in_text ^= *s == '"';
        depth += in_text ? 0 : (*s == '{' || *s == '[') - (*s == '}' || *s == ']');
        if (!in_text && depth == 0 && *s == ',') {
            printf("\n%-11s", "");
            s++;
        } else {
            s += put_one(s);
        }
    }
    putchar('\n');
}

static void put_line(const char *what, const char *text)
{
    printf("%-11s", what);
    put_clean(text);
    putchar('\n');
}

/* ---- the report ---- */

static void put_times(const struct fanfare_token_report *r, uint64_t now)
{
    char words[WHEN_LEN];

    if (r->issued != 0) {
        put_line("issued", when_words(r->issued, now, words));
    }
    if (r->not_before != 0) {
        put_line("not before", when_words(r->not_before, now, words));
    }
    if (r->expires != 0) {
        put_line("expires", when_words(r->expires, now, words));
    } else if (*r->key != '\0') { /* else exp may be there, and of no use */
        put_line("expires", "never");
    }
}

static void put_report(const struct fanfare_token_report *r, uint64_t now,
                       const struct fanfare_why *why)
{
    if (r->header != NULL && r->claims != NULL) {
        put_members("header", r->header);
        put_members("claims", r->claims);
        put_times(r, now);
    }
    if (*r->key != '\0') {
        printf("%-11sgood, by ", "signature");
        put_clean(r->key);
        putchar('\n');
    }
    if (r->valid) {
        put_line("user", r->user != NULL ? r->user : "none");
        put_line("subscribe", r->channels == NULL    ? "every public channel"
                              : *r->channels == '\0' ? "nothing"
                                                     : r->channels);
        put_line("publish", r->publish != NULL ? r->publish : "nothing");
        puts("valid");
    } else {
        printf("not valid (%s): ", r->code);
        put_clean(why->text);
        putchar('\n');
    }
}

/* ---- arguments ---- */

struct check_flags {
    const char *jwks, *leeway, *config;
    struct flag_list keys, issuers, audiences;
};

static int set(struct fanfare_options *o, const char *name, const char *value)
{
    struct fanfare_why why = {""};
    int rc = value != NULL ? fanfare_options_set(o, name, value, &why) : 0;

    if (rc != 0) {
        complain(*why.text != '\0' ? why.text : fanfare_strerror(rc));
    }
    return rc == 0 ? 0 : rc == FANFARE_ERR_NOMEM ? STATUS_FAILED : STATUS_USAGE;
}

static int set_all(struct fanfare_options *o, const char *name, const struct flag_list *list)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < list->n; i++) {
        status = set(o, name, list->items[i]);
    }
    return status;
}

/* The options that the gateway would have: with --config those of the file and of the
 * environment, and what is given here. */
static int options_of(const struct check_flags *f, struct fanfare_options *o)
{
    struct fanfare_why why = {""};
    int rc = 0;

    if (f->config != NULL) {
        rc = fanfare_options_load_file(o, f->config, &why);
        if (rc == 0) {
            rc = fanfare_options_load_env(o, &why);
        }
    }
    if (rc != 0) {
        complain(*why.text != '\0' ? why.text : fanfare_strerror(rc));
        return STATUS_USAGE;
    }
    int status = set_all(o, "token-key", &f->keys);
    if (status == 0) {
        status = set_all(o, "token-issuer", &f->issuers);
    }
    if (status == 0) {
        status = set_all(o, "token-audience", &f->audiences);
    }
    if (status == 0) {
        status = set(o, "token-jwks", f->jwks);
    }
    return status != 0 ? status : set(o, "token-leeway", f->leeway);
}

static int check(const struct fanfare_options *o, const char *token)
{
    struct fanfare_token_report r = {.size = sizeof r};
    struct fanfare_why why = {""};
    uint64_t now = when_now();
    int rc = fanfare_token_check(o, token, now, &r, &why);
    int status = rc != 0 || !r.valid ? STATUS_FAILED : 0;

    if (rc != 0) {
        complain(*why.text != '\0' ? why.text : fanfare_strerror(rc));
    } else {
        put_report(&r, now, &why);
    }
    fanfare_token_report_free(&r);
    return status;
}

int token_check_main(int argc, char *const *argv)
{
    struct check_flags f = {.jwks = NULL};
    struct flag_list names = {.n = 0};
    struct fanfare_options *o = NULL;
    const struct flag flags[] = {{.name = "key", .list = &f.keys},
                                 {.name = "jwks", .text = &f.jwks},
                                 {.name = "issuer", .list = &f.issuers},
                                 {.name = "audience", .list = &f.audiences},
                                 {.name = "leeway", .text = &f.leeway},
                                 {.name = "config", .text = &f.config},
                                 {.name = NULL}};
    int status = flags_parse(TOOL, argc, argv, flags, &names, 1);

    if (status != 0) {
        return status;
    }
    if (fanfare_options_new(&o) != 0) {
        complain("out of memory");
        return STATUS_FAILED;
    }
    status = options_of(&f, o);
    if (status == 0 && (names.n == 0 || strcmp(names.items[0], "-") == 0)) {
        char *token = textfile_read("-", TOKEN_FILE_MAX);
        status = token != NULL ? check(o, token) : STATUS_FAILED;
        fanfare_secret_free(token);
    } else if (status == 0) {
        status = check(o, names.items[0]);
    }
    fanfare_options_free(o);
    return status;
}
