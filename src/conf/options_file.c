/* options_file.c - options out of a file and out of the environment. */
#include "conf/options.h"

#include "base/str.h"
#include "base/suggest.h"
#include "conf/options_value.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- file ---------------------------------------------------------------- */

/* inih reads lines through file_line, which hides what it would silently take
 * in another way: long lines (cut in two), indented lines (continuations),
 * sections and NUL bytes. */
struct reading {
    struct options *o;
    FILE *f;
    char *line;
    size_t cap;
    int lineno;
    bool others; /* may read the file, or write it */
    int rc;      /* the first error, at rc_line; 0 as long as there is none */
    int rc_line;
    struct errmsg why;
};

static void reading_fail(struct reading *r, int rc)
{
    if (r->rc == 0) {
        r->rc = rc;
        r->rc_line = r->lineno;
    }
}

/* Like fgets; NULL ends the reading. */
static char *file_line(char *out, int size, void *stream)
{
    struct reading *r = stream;
    if (r->rc != 0) {
        return NULL;
    }
    ssize_t got = getline(&r->line, &r->cap, r->f);
    if (got < 0) {
        if (!feof(r->f)) {
            int rc = errno == ENOMEM ? ERR_NOMEM : ERR_SYSTEM;
            reading_fail(r, errmsg_set(&r->why, rc, "%s", strerror(errno)));
        }
        return NULL;
    }
    r->lineno++;
    const char *text = r->line + strspn(r->line, " \t");
    size_t len = strlen(text);
    if (text + len != r->line + got) {
        reading_fail(r, errmsg_set(&r->why, ERR_INVALID, "the line has a NUL byte"));
        return NULL;
    }
    if (*text == '[') {
        reading_fail(r, errmsg_set(&r->why, ERR_INVALID, "there are no [sections] in this file"));
        return NULL;
    }
    if (len + 1 > (size_t)size) {
        if (*text != '#' && *text != ';') {
            reading_fail(
                r, errmsg_set(&r->why, ERR_INVALID, "the line is longer than %d bytes", size - 2));
            return NULL;
        }
        text = "\n";
        len = 1;
    }
    memcpy(out, text, len + 1);
    return out;
}

static int file_value(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    (void)section;
    if (r->rc != 0) {
        return 0;
    }
    enum opt_id id = options_find(name);
    int rc;
    if (id != OPT_ID_COUNT && (options_info(id)->flags & OPT_CLI) != 0) {
        rc = errmsg_set(&r->why, ERR_INVALID, "%s: is for the command line only", name);
    } else if (id != OPT_ID_COUNT && (options_info(id)->flags & OPT_SECRET) != 0 && r->others &&
               *value != '\0') {
        rc = errmsg_set(&r->why, ERR_INVALID,
                        "%s: every user of this machine can read this file: chmod o= it", name);
    } else {
        rc = options_set(r->o, name, value, OPT_FROM_FILE, &r->why);
    }
    if (rc != 0) {
        reading_fail(r, rc);
    }
    return rc == 0;
}

int options_load_file(struct options *o, const char *path, struct errmsg *why)
{
    char shown[VALUE_SHOWN];
    struct stat st;
    char buffer[BUFSIZ]; /* our own: there may be secrets in the file */
    struct reading r = {.o = o, .f = fopen(path, "re")};
    if (r.f == NULL || fstat(fileno(r.f), &st) != 0 || S_ISDIR(st.st_mode)) {
        int code = r.f == NULL || !S_ISDIR(st.st_mode) ? errno : EISDIR;
        int rc = errmsg_set(why, ERR_SYSTEM, "%s: %s", value_shown(path, shown), strerror(code));
        if (r.f != NULL) {
            fclose(r.f);
        }
        return rc;
    }
    r.others = (st.st_mode & S_IRWXO) != 0;
    (void)setvbuf(r.f, buffer, _IOFBF, sizeof buffer);
    int line = ini_parse_stream(file_line, &r, file_value, &r);
    if (line > 0 && (r.rc == 0 || line < r.rc_line)) {
        r.rc = errmsg_set(&r.why, ERR_INVALID, "this is not a line of the form name = value");
        r.rc_line = line;
    } else if (line < 0 && r.rc == 0) {
        r.rc = errmsg_set(&r.why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    if (r.rc != 0) {
        (void)errmsg_set(why, r.rc, "%s:%d: %s", value_shown(path, shown), r.rc_line, r.why.text);
    }
    fclose(r.f);
    explicit_bzero(buffer, sizeof buffer);
    if (r.line != NULL) {
        explicit_bzero(r.line, r.cap);
    }
    free(r.line);
    return r.rc;
}

/* ---- environment --------------------------------------------------------- */

#define ENV_PREFIX "FANFARE_"
#define ENV_PREFIX_LEN (sizeof ENV_PREFIX - 1)
#define ENV_NAME 64

/* "max-body" as FANFARE_MAX_BODY. */
static void env_name(const char *option, char out[ENV_NAME])
{
    size_t n = ENV_PREFIX_LEN;
    memcpy(out, ENV_PREFIX, ENV_PREFIX_LEN);
    for (; *option != '\0' && n + 1 < ENV_NAME; option++) {
        char c = *option;
        out[n++] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    out[n] = '\0';
}

/* Kubernetes and Docker links describe a service called "fanfare" in variables
 * of these names; they are not meant for us. */
static bool env_is_service_link(const char *name, const char *value)
{
    const char *rest = name + ENV_PREFIX_LEN;
    return strncmp(rest, "SERVICE_HOST", 12) == 0 || strncmp(rest, "SERVICE_PORT", 12) == 0 ||
           strncmp(rest, "PORT_", 5) == 0 ||
           (strcmp(rest, "PORT") == 0 && strstr(value, "://") != NULL);
}

static int env_unknown(const char *name, struct errmsg *why)
{
    char names[OPT_ID_COUNT][ENV_NAME];
    const char *list[OPT_ID_COUNT];
    char shown[VALUE_SHOWN];
    size_t n = 0;
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        if ((options_info((enum opt_id)id)->flags & (OPT_CLI | OPT_HIDDEN)) == 0) {
            env_name(options_info((enum opt_id)id)->name, names[n]);
            list[n] = names[n] + ENV_PREFIX_LEN; /* else the prefix makes all alike */
            n++;
        }
    }
    const char *near = suggest(str_of(name + ENV_PREFIX_LEN), list, n);
    if (near == NULL) {
        return errmsg_set(why, ERR_NOT_FOUND,
                          "unknown environment variable %s; fanfare --help lists the options",
                          value_shown(name, shown));
    }
    return errmsg_set(why, ERR_NOT_FOUND,
                      "unknown environment variable %s; did you mean " ENV_PREFIX "%s?",
                      value_shown(name, shown), near);
}

/* The values of a list stand side by side, separated by white space. */
static int env_list(struct options *o, const char *option, const char *value, struct errmsg *why)
{
    char *copy = strdup(value);
    char *next = NULL;
    if (copy == NULL) {
        return errmsg_set(why, ERR_NOMEM, "%s: %s", option, err_text(ERR_NOMEM));
    }
    char *item = strtok_r(copy, " \t\n", &next);
    int rc = item == NULL ? options_set(o, option, "", OPT_FROM_ENV, why) : 0;
    for (; rc == 0 && item != NULL; item = strtok_r(NULL, " \t\n", &next)) {
        rc = options_set(o, option, item, OPT_FROM_ENV, why);
    }
    free(copy);
    return rc;
}

static int env_one(struct options *o, const char *variable, struct errmsg *why)
{
    char name[ENV_NAME], known[ENV_NAME];
    const char *value = variable + strcspn(variable, "=");
    size_t len = (size_t)(value - variable);
    value += *value == '=';
    snprintf(name, sizeof name, "%.*s", (int)(len < ENV_NAME ? len : ENV_NAME - 1), variable);
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        const struct opt_info *info = options_info((enum opt_id)id);
        env_name(info->name, known);
        if (len >= ENV_NAME || strcmp(name, known) != 0) {
            continue;
        }
        if ((info->flags & OPT_CLI) != 0) {
            return errmsg_set(why, ERR_INVALID, "%s: --%s is for the command line only", name,
                              info->name);
        }
        struct errmsg inner = {""};
        int rc = info->type == OPT_LIST ? env_list(o, info->name, value, &inner)
                                        : options_set(o, info->name, value, OPT_FROM_ENV, &inner);
        /* The inner sentence begins with the option's name. */
        return rc == 0 ? 0 : errmsg_set(why, rc, "%s%s", name, inner.text + strlen(info->name));
    }
    return env_is_service_link(name, value) ? 0 : env_unknown(name, why);
}

int options_load_env(struct options *o, char *const *env, struct errmsg *why)
{
    int rc = 0;
    for (; rc == 0 && env != NULL && *env != NULL; env++) {
        if (strncmp(*env, ENV_PREFIX, ENV_PREFIX_LEN) == 0) {
            rc = env_one(o, *env, why);
        }
    }
    return rc;
}
