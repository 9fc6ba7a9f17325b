/* token.c - `fanfare token`: tokens, their keys, and signed channel names. */
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
#define CLAIMS_MAX 65536
#define LIFE "1h" /* of what is made here, unless told otherwise: a leak ends by itself */

static int failed(int rc, const struct fanfare_why *why)
{
    complain(*why->text != '\0' ? why->text : fanfare_strerror(rc));
    return STATUS_FAILED;
}

/* ---- new ---- */

struct new_flags {
    const char *key, *user, *expires, *not_before, *issuer, *audience, *jti, *meta, *info, *claims;
    struct flag_list channels, publish;
    bool no_channels;
};

static int read_new(int argc, char *const *argv, struct new_flags *f)
{
    struct flag_list names = {.n = 0};
    const struct flag flags[] = {
        {.name = "key", .text = &f->key},
        {.name = "user", .text = &f->user},
        {.name = "channel", .list = &f->channels},
        {.name = "no-channels", .given = &f->no_channels},
        {.name = "publish", .list = &f->publish},
        {.name = "expires", .text = &f->expires},
        {.name = "not-before", .text = &f->not_before},
        {.name = "issuer", .text = &f->issuer},
        {.name = "audience", .text = &f->audience},
        {.name = "jti", .text = &f->jti},
        {.name = "meta", .text = &f->meta},
        {.name = "info", .text = &f->info},
        {.name = "claims", .text = &f->claims},
        {.name = NULL},
    };
    int status = flags_parse(TOOL, argc, argv, flags, &names, 0);

    if (status == 0 && f->key == NULL) {
        status = tool_usage(TOOL,
                            "--key=ALG[@KID]=FILE is missing: the key to sign with, such as "
                            "HS256=token.secret",
                            "");
    }
    if (status == 0 && f->no_channels && f->channels.n > 0) {
        status = tool_usage(TOOL, "--no-channels and --channel exclude each other", "");
    }
    return status;
}

static int new_token(int argc, char *const *argv)
{
    struct new_flags f = {.key = NULL};
    struct fanfare_claims c = {.size = sizeof c, .issued = when_now()};
    struct fanfare_why why = {""};
    char *more = NULL;
    char *token = NULL;
    int status = read_new(argc, argv, &f);

    /* Given claims may well have an exp of their own. */
    const char *expires = f.expires != NULL ? f.expires : f.claims != NULL ? "never" : LIFE;
    if (status == 0) {
        status = when_parse(TOOL, "expires", expires, c.issued, &c.expires);
    }
    if (status == 0 && f.not_before != NULL) {
        status = when_parse(TOOL, "not-before", f.not_before, c.issued, &c.not_before);
    }
    if (status == 0 && f.claims != NULL) {
        more = textfile_read(f.claims, CLAIMS_MAX);
        status = more != NULL ? 0 : STATUS_FAILED;
    }
    if (status != 0) {
        return status;
    }
    c.user = f.user;
    c.issuer = f.issuer;
    c.audience = f.audience;
    c.id = f.jti;
    c.meta = f.meta;
    c.info = f.info;
    c.more = more;
    c.channels.items = f.channels.n > 0 || f.no_channels ? f.channels.items : NULL;
    c.channels.n = f.channels.n;
    c.publish.items = f.publish.n > 0 ? f.publish.items : NULL;
    c.publish.n = f.publish.n;
    int rc = fanfare_token_sign(f.key, &c, &token, &why);
    status = rc != 0 ? failed(rc, &why) : 0;
    if (status == 0) {
        puts(token);
        if (c.expires == 0 && f.claims == NULL) {
            complain("the token never expires; whoever gets hold of it keeps it");
        } else if (c.expires != 0 && c.expires <= c.issued) {
            complain("the token has expired already");
        }
    }
    fanfare_secret_free(token);
    fanfare_secret_free(more);
    return status;
}

/* ---- keygen ---- */

static int keygen(int argc, char *const *argv)
{
    struct flag_list names = {.n = 0};
    struct fanfare_why why = {""};
    const char *out = NULL;
    char line[480];
    const struct flag flags[] = {{.name = "out", .text = &out}, {.name = NULL}};
    int status = flags_parse(TOOL, argc, argv, flags, &names, 1);

    if (status == 0 && names.n == 0) {
        status = tool_usage(TOOL, "the algorithm is missing, such as HS256, ES256 or EdDSA", "");
    }
    if (status == 0 && (out == NULL || *out == '\0')) {
        status = tool_usage(TOOL, "--out=FILE is missing", "");
    }
    if (status != 0) {
        return status;
    }
    const char *alg = names.items[0];
    int rc = fanfare_token_keygen(alg, out, &why);
    if (rc != 0) {
        return failed(rc, &why);
    }
    bool pair = strncmp(alg, "HS", 2) != 0;
    snprintf(line, sizeof line,
             "%.120s %s, keep it; the gateway checks with --token-key=%.16s=%.120s%s", out,
             pair ? "has the private key" : "has the secret", alg, out, pair ? ".pub" : "");
    complain(line);
    return 0;
}

/* ---- sign-channel ---- */

static int sign_channel(int argc, char *const *argv)
{
    struct flag_list names = {.n = 0};
    struct fanfare_why why = {""};
    const char *file = NULL, *expires = NULL;
    uint64_t at = 0;
    char *text = NULL;
    const struct flag flags[] = {{.name = "secret-file", .text = &file},
                                 {.name = "expires", .text = &expires},
                                 {.name = NULL}};
    int status = flags_parse(TOOL, argc, argv, flags, &names, 1);

    if (status == 0 && file == NULL) {
        status = tool_usage(TOOL,
                            "--secret-file=FILE is missing: the file of --channel-secret-file", "");
    }
    if (status == 0 && names.n == 0) {
        status = tool_usage(TOOL, "the NAME of the channel is missing", "");
    }
    if (status == 0) {
        status = when_parse(TOOL, "expires", expires != NULL ? expires : LIFE, when_now(), &at);
    }
    if (status != 0) {
        return status;
    }
    int rc = fanfare_channel_sign(file, names.items[0], at, &text, &why);
    if (rc != 0) {
        return failed(rc, &why);
    }
    puts(text);
    if (at == 0) {
        complain("the signature never expires; whoever gets hold of it keeps it");
    }
    fanfare_secret_free(text);
    return 0;
}

static const struct tool_verb verbs[] = {
    {"new",
     "new --key ALG[@KID]=FILE [--user NAME] [--channel PATTERN]...\n"
     "      [--no-channels] [--publish PATTERN]... [--expires TIME|DATE|never]\n"
     "      [--not-before TIME|DATE] [--issuer NAME] [--audience NAME]\n"
     "      [--jti auto|TEXT] [--meta JSON] [--info JSON] [--claims FILE|-]",
     "make a token, good for " LIFE " unless told otherwise", new_token},
    {"check",
     "check [--key ALG[@KID]=FILE]... [--jwks FILE] [--issuer NAME]...\n"
     "      [--audience NAME]... [--leeway TIME] [--config FILE] [TOKEN|-]",
     "explain a token, and say what is wrong with it", token_check_main},
    {"keygen", "keygen ALG --out FILE",
     "make a secret (HS256 ...), or a key pair in FILE and FILE.pub", keygen},
    {"sign-channel", "sign-channel --secret-file FILE [--expires TIME|DATE|never] NAME",
     "sign a channel's name, good for " LIFE " unless told otherwise", sign_channel},
};

int token_main(int argc, char *const *argv)
{
    static const struct tool_verbs tool = {
        TOOL, "Makes and explains the tokens (JWT) that clients connect with.",
        "To sign, FILE has the secret or the private key; to check, the secret or the\n"
        "public key. Others see the arguments of a program: give a token that is in use by\n"
        "standard input. TIME is such as 15m, 1h or 30d.",
        verbs, sizeof verbs / sizeof *verbs};

    return tool_main(&tool, argc, argv);
}
