/* key.c - `fanfare key`: the file of backend keys. */
#include "fanfare/key.h"

#include "fanfare/args.h"
#include "fanfare/complain.h"
#include "fanfare/flags.h"
#include "fanfare/when.h"

#include <fanfare/fanfare.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOOL "key"

static int failed(int rc, const struct fanfare_why *why)
{
    complain(*why->text != '\0' ? why->text : fanfare_strerror(rc));
    return STATUS_FAILED;
}

/* ---- what a key permits ---- */

struct right {
    enum fanfare_right right;
    const char *name;
};

static const struct right rights[] = {{FANFARE_RIGHT_USERS, "users"},
                                      {FANFARE_RIGHT_EVERYONE, "everyone"},
                                      {FANFARE_RIGHT_READ, "read"},
                                      {FANFARE_RIGHT_ADMIN, "admin"},
                                      {FANFARE_RIGHT_TICKETS, "tickets"}};
#define NRIGHTS (sizeof rights / sizeof *rights)

static void print_rights(FILE *out, const struct fanfare_key *k)
{
    const char *between = "";

    if (k->publish != NULL) {
        fprintf(out, "publish %s", strcmp(k->publish, "all") == 0 ? "to all channels" : k->publish);
        between = "; ";
    }
    for (size_t i = 0; i < NRIGHTS; i++) {
        if (k->rights & rights[i].right) {
            fprintf(out, "%s%s", between, rights[i].name);
            between = between[0] == ';' || between[0] == '\0' ? ", " : between;
        }
    }
    if (k->publish == NULL && k->rights == 0) {
        fputs("nothing", out);
    }
}

/* ---- new ---- */

struct new_flags {
    const char *file, *id, *expires, *certificate, *peer;
    struct flag_list publish;
    bool users, everyone, read, admin, tickets, all, no_secret;
};

static int read_new(int argc, char *const *argv, struct new_flags *f)
{
    struct flag_list names = {.n = 0};
    const struct flag flags[] = {
        {.name = "file", .text = &f->file},
        {.name = "id", .text = &f->id},
        {.name = "publish", .list = &f->publish},
        {.name = "users", .given = &f->users},
        {.name = "everyone", .given = &f->everyone},
        {.name = "read", .given = &f->read},
        {.name = "admin", .given = &f->admin},
        {.name = "tickets", .given = &f->tickets},
        {.name = "all", .given = &f->all},
        {.name = "expires", .text = &f->expires},
        {.name = "certificate", .text = &f->certificate},
        {.name = "peer", .text = &f->peer},
        {.name = "no-secret", .given = &f->no_secret},
        {.name = NULL},
    };
    int status = flags_parse(TOOL, argc, argv, flags, &names, 0);

    if (status == 0 && (f->file == NULL || *f->file == '\0')) {
        status = tool_usage(TOOL, "--file=FILE is missing: the file of --keys", "");
    }
    if (status == 0 && f->id == NULL) {
        status = tool_usage(TOOL, "--id=ID is missing: a name for the key", "");
    }
    if (status == 0 && f->no_secret && f->certificate == NULL && f->peer == NULL) {
        status = tool_usage(TOOL, "--no-secret goes with --certificate or --peer", "");
    }
    return status;
}

static unsigned rights_of(const struct new_flags *f)
{
    const bool given[NRIGHTS] = {f->users, f->everyone, f->read, f->admin, f->tickets};
    unsigned sum = 0;

    for (size_t i = 0; i < NRIGHTS; i++) {
        sum |= f->all || given[i] ? (unsigned)rights[i].right : 0;
    }
    return sum;
}

/* The patterns with ", " between them; allocated, NULL without memory. */
static char *joined(const struct flag_list *list)
{
    size_t size = 1;

    for (size_t i = 0; i < list->n; i++) {
        size += strlen(list->items[i]) + 2;
    }
    char *text = calloc(1, size);
    size_t at = 0;
    for (size_t i = 0; text != NULL && i < list->n; i++) {
        int n = snprintf(text + at, size - at, "%s%s", i > 0 ? ", " : "", list->items[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return text;
}

/* The key alone goes to standard output, so that it can be piped to where it belongs. */
static int give(const char *path, const char *id, const char *secret)
{
    char line[300];

    if (printf("%s\n", secret) < 0 || fflush(stdout) != 0) {
        snprintf(line, sizeof line,
                 "cannot write the key to standard output, and it is shown only once: revoke it "
                 "(fanfare key revoke --file %.120s %.40s)",
                 path, id);
        complain(line);
        return STATUS_FAILED;
    }
    complain("keep it: only its hash is stored, so it cannot be shown again");
    return 0;
}

static void say_next(void)
{
    complain("send SIGHUP to the gateway, which then knows of it (systemctl reload fanfare)");
}

static int add(const struct new_flags *f, const struct fanfare_key *k)
{
    struct fanfare_why why = {""};
    char *secret = NULL;
    int rc = fanfare_key_add(f->file, k, &secret, &why);

    if (rc != 0) {
        return failed(rc, &why);
    }
    int status = secret != NULL ? give(f->file, f->id, secret) : 0;
    fanfare_secret_free(secret);
    if (status == 0) {
        fprintf(stderr, "fanfare: %s may: ", f->id);
        print_rights(stderr, k);
        fputc('\n', stderr);
        say_next();
    }
    return status;
}

static int new_key(int argc, char *const *argv)
{
    struct new_flags f = {.file = NULL};
    struct fanfare_key k = {.size = sizeof k};
    uint64_t now = when_now();
    int status = read_new(argc, argv, &f);

    if (status == 0 && f.expires != NULL) {
        status = when_parse(TOOL, "expires", f.expires, now, &k.expires);
        if (status == 0 && k.expires != 0 && k.expires <= now) {
            status = tool_usage(TOOL, "the key would have expired already: --expires=", f.expires);
        }
    }
    if (status != 0) {
        return status;
    }
    k.rights = rights_of(&f);
    if (k.rights == 0 && f.publish.n == 0) {
        return tool_usage(TOOL,
                          "say what the key may do: --publish=PATTERN (or all), --users, "
                          "--everyone, --read, --admin, --tickets, or --all of them",
                          "");
    }
    char *publish = f.all ? strdup("all") : joined(&f.publish);
    if (publish == NULL) {
        complain("out of memory");
        return STATUS_FAILED;
    }
    k.id = f.id;
    k.publish = *publish != '\0' ? publish : NULL;
    k.certificate = f.certificate;
    k.peer = f.peer;
    k.secrets = f.no_secret ? 0 : 1;
    status = add(&f, &k);
    free(publish);
    return status;
}

/* ---- list ---- */

struct listing {
    uint64_t now;
    size_t n;
};

static void print_text(const struct fanfare_key *k, void *user)
{
    struct listing *l = user;
    char date[WHEN_LEN] = "never";
    char expires[WHEN_LEN + 16];

    if (l->n++ == 0) {
        printf("%-20s %7s  %-32s %s\n", "ID", "SECRETS", "EXPIRES", "MAY");
    }
    if (k->expires != 0) {
        (void)when_date(k->expires, date);
    }
    snprintf(expires, sizeof expires, "%s%s", date,
             k->expires != 0 && k->expires <= l->now ? " EXPIRED" : "");
    printf("%-20s %7u  %-32s ", k->id, k->secrets, expires);
    print_rights(stdout, k);
    if (k->certificate != NULL) {
        printf("; certificate %s", k->certificate);
    }
    if (k->peer != NULL) {
        printf("; peer %s", k->peer);
    }
    putchar('\n');
}

static void put_json(const char *text, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void put_text(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    if (text != NULL) {
        put_json(text, strlen(text));
    } else {
        fputs("null", stdout);
    }
}

/* "all", or a list of what stands there with ", " in between. */
static void put_publish(const char *text)
{
    fputs(",\"publish\":", stdout);
    if (text != NULL && strcmp(text, "all") == 0) {
        fputs("\"all\"", stdout);
        return;
    }
    putchar('[');
    while (text != NULL && *text != '\0') {
        const char *end = strstr(text, ", ");
        put_json(text, end != NULL ? (size_t)(end - text) : strlen(text));
        fputs(end != NULL ? "," : "", stdout);
        text = end != NULL ? end + 2 : NULL;
    }
    putchar(']');
}

static void print_json(const struct fanfare_key *k, void *user)
{
    struct listing *l = user;
    char date[WHEN_LEN];

    fputs(l->n++ == 0 ? "[\n{\"id\":" : ",\n{\"id\":", stdout);
    put_json(k->id, strlen(k->id));
    put_publish(k->publish);
    for (size_t i = 0; i < NRIGHTS; i++) {
        printf(",\"%s\":%s", rights[i].name, k->rights & rights[i].right ? "true" : "false");
    }
    printf(",\"secrets\":%u", k->secrets);
    put_text("expires", k->expires != 0 ? when_date(k->expires, date) : NULL);
    printf(",\"expired\":%s", k->expires != 0 && k->expires <= l->now ? "true" : "false");
    put_text("certificate", k->certificate);
    put_text("peer", k->peer);
    putchar('}');
}

static int list(int argc, char *const *argv)
{
    struct listing l = {.now = when_now()};
    struct flag_list names = {.n = 0};
    struct fanfare_why why = {""};
    const char *file = NULL;
    bool json = false;
    const struct flag flags[] = {
        {.name = "file", .text = &file}, {.name = "json", .given = &json}, {.name = NULL}};
    int status = flags_parse(TOOL, argc, argv, flags, &names, 0);

    if (status == 0 && (file == NULL || *file == '\0')) {
        status = tool_usage(TOOL, "--file=FILE is missing: the file of --keys", "");
    }
    if (status != 0) {
        return status;
    }
    int rc = fanfare_key_list(file, json ? print_json : print_text, &l, &why);
    if (rc != 0) {
        return failed(rc, &why);
    }
    if (json) {
        puts(l.n > 0 ? "\n]" : "[]");
    } else if (l.n == 0) {
        complain("there are no keys in the file");
    }
    return 0;
}

/* ---- rotate, revoke ---- */

/* --file, a switch if there is one, and the ID. */
static int read_id(int argc, char *const *argv, const char *option, bool *given, const char **file,
                   const char **id)
{
    struct flag_list names = {.n = 0};
    const struct flag flags[] = {
        {.name = "file", .text = file}, {.name = option, .given = given}, {.name = NULL}};
    int status = flags_parse(TOOL, argc, argv, flags, &names, 1);

    if (status == 0 && (*file == NULL || **file == '\0')) {
        return tool_usage(TOOL, "--file=FILE is missing: the file of --keys", "");
    }
    if (status == 0 && names.n == 0) {
        return tool_usage(TOOL, "the ID of the key is missing", "");
    }
    *id = names.n > 0 ? names.items[0] : NULL;
    return status;
}

static int finish(const char *file, const char *id)
{
    struct fanfare_why why = {""};
    unsigned dropped = 0;
    char line[160];
    int rc = fanfare_key_finish(file, id, &dropped, &why);

    if (rc != 0) {
        return failed(rc, &why);
    }
    snprintf(line, sizeof line, "%u older secret%s of %.40s dropped; the newest stays", dropped,
             dropped == 1 ? "" : "s", id);
    complain(line);
    if (dropped > 0) {
        say_next();
    }
    return 0;
}

static int rotate(int argc, char *const *argv)
{
    struct fanfare_why why = {""};
    const char *file = NULL, *id = NULL;
    char *secret = NULL;
    bool only_finish = false;
    int status = read_id(argc, argv, "finish", &only_finish, &file, &id);

    if (status != 0 || only_finish) {
        return status != 0 ? status : finish(file, id);
    }
    int rc = fanfare_key_rotate(file, id, &secret, &why);
    if (rc != 0) {
        return failed(rc, &why);
    }
    status = give(file, id, secret);
    fanfare_secret_free(secret);
    if (status == 0) {
        say_next();
        complain("the older secrets stay good until fanfare key rotate --finish");
    }
    return status;
}

static int revoke_key(int argc, char *const *argv)
{
    struct fanfare_why why = {""};
    const char *file = NULL, *id = NULL;
    char line[120];
    int status = read_id(argc, argv, NULL, NULL, &file, &id);

    if (status != 0) {
        return status;
    }
    int rc = fanfare_key_revoke(file, id, &why);
    if (rc != 0) {
        return failed(rc, &why);
    }
    snprintf(line, sizeof line, "%.40s is no key any more; it counts until the gateway gets SIGHUP",
             id);
    complain(line);
    return 0;
}

static const struct tool_verb verbs[] = {
    {"new",
     "new --file FILE --id ID [--publish PATTERN|all]... [--users] [--everyone]\n"
     "      [--read] [--admin] [--tickets] [--all] [--expires TIME|DATE]\n"
     "      [--certificate NAME] [--peer USER] [--no-secret]",
     "make a key, and print it: this once", new_key},
    {"list", "list --file FILE [--json]", "show ids, what they may do and until when", list},
    {"rotate", "rotate --file FILE [--finish] ID",
     "give a key another secret, and print it; --finish drops all but the newest", rotate},
    {"revoke", "revoke --file FILE ID", "take a key away", revoke_key},
};

int key_main(int argc, char *const *argv)
{
    static const struct tool_verbs tool = {
        TOOL, "Makes and keeps the file of --keys: what backends may do.",
        "At least one permission is needed. The file has hashes of keys only. A running\n"
        "gateway reads it again at SIGHUP. TIME is such as 12h or 90d.",
        verbs, sizeof verbs / sizeof *verbs};

    return tool_main(&tool, argc, argv);
}
