/* args.c - the command line, the config file and the environment. */
#include "fanfare/args.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

#define OPTION_BASE 256 /* getopt's values of our options: beyond any character */

__attribute__((format(printf, 3, 4))) static int fail(struct fanfare_why *why, int status,
                                                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return status;
}

static int fail_code(struct fanfare_why *why, int code)
{
    return fail(why, code == FANFARE_ERR_NOMEM ? STATUS_FAILED : STATUS_USAGE, "%s",
                fanfare_strerror(code));
}

/* The table of options for getopt_long; NULL without memory. */
static struct option *long_options(void)
{
    struct fanfare_option_info info;
    size_t n = 0;
    while (fanfare_options_info(n, &info) == 0) {
        n++;
    }
    struct option *list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < n; i++) {
        if (fanfare_options_info(i, &info) != 0) {
            break;
        }
        list[i].name = info.name;
        list[i].has_arg = info.is_action                  ? no_argument
                          : info.is_switch || info.secret ? optional_argument
                                                          : required_argument;
        list[i].val = OPTION_BASE + (int)i;
    }
    return list;
}

/* The argument that getopt_long has just looked at. */
static const char *element(char *const *argv)
{
    return optarg != NULL && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];
}

static bool is_whole_name(const char *arg, const char *name)
{
    size_t len = strlen(name);
    return strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, name, len) == 0 &&
           (arg[2 + len] == '\0' || arg[2 + len] == '=');
}

/* No option has this name: the library's sentence has the nearest one. */
static int unknown(struct fanfare_options *o, const char *arg, struct fanfare_why *why)
{
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(arg, "="), arg);
    int rc = fanfare_options_set(o, name, "", why);
    if (rc == FANFARE_ERR_NOMEM) {
        return fail_code(why, rc);
    }
    return STATUS_USAGE;
}

/* What getopt_long did not accept. */
static int refused(int code, char *const *argv, const struct option *options,
                   struct fanfare_options *o, struct fanfare_why *why)
{
    if (optopt > 0 && optopt < OPTION_BASE) {
        return fail(why, STATUS_USAGE, "unknown option -%c; fanfare --help lists them all",
                    optopt < 0x20 || optopt > 0x7e ? '?' : optopt);
    }
    if (optopt == 0) {
        return unknown(o, argv[optind - 1], why);
    }
    const struct option *option = &options[optopt - OPTION_BASE];
    if (!is_whole_name(argv[optind - 1], option->name)) {
        return fail(why, STATUS_USAGE, "unknown option %.*s; did you mean --%s?",
                    (int)strcspn(argv[optind - 1], "="), argv[optind - 1], option->name);
    }
    return code == ':' ? fail(why, STATUS_USAGE, "--%s needs a value", option->name)
                       : fail(why, STATUS_USAGE, "--%s takes no value", option->name);
}

static int take_action(const char *name, struct args *out)
{
    out->help |= strcmp(name, "help") == 0;
    out->version |= strcmp(name, "version") == 0;
    out->check_config |= strcmp(name, "check-config") == 0;
    return 0;
}

const char *variable_of(const char *option, char out[VARIABLE_MAX])
{
    size_t n = (size_t)snprintf(out, VARIABLE_MAX, "FANFARE_%s", option);
    for (size_t i = 0; i < n && i < VARIABLE_MAX - 1; i++) {
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
    }
    return out;
}

static bool is_secret(const char *name)
{
    struct fanfare_option_info info;
    for (size_t i = 0; fanfare_options_info(i, &info) == 0; i++) {
        if (strcmp(info.name, name) == 0) {
            return info.secret;
        }
    }
    return false;
}

static bool has_option(const struct option *options, const char *name)
{
    while (options->name != NULL && strcmp(options->name, name) != 0) {
        options++;
    }
    return options->name != NULL;
}

/* Whatever the value is, the sentence does not repeat it. */
static int refuse_secret(const char *name, const struct option *options, struct fanfare_why *why)
{
    char variable[VARIABLE_MAX], file[VARIABLE_MAX];
    snprintf(file, sizeof file, "%s-file", name);
    bool has_file = has_option(options, file);
    return fail(why, STATUS_USAGE,
                "--%s: a command line is seen by every user of this machine: set %s in the "
                "environment, or %s%s",
                name, variable_of(name, variable),
                has_file ? "name a file with --" : "write it in the file of --config",
                has_file ? file : "");
}

static int take(const struct option *option, const struct option *options,
                struct fanfare_options *o, struct args *out, struct fanfare_why *why)
{
    if (option->has_arg == no_argument) {
        return take_action(option->name, out);
    }
    if (strcmp(option->name, "config") == 0) {
        out->config = optarg;
        return *optarg != '\0' ? 0 : fail(why, STATUS_USAGE, "--config needs the name of a file");
    }
    if (is_secret(option->name)) {
        return refuse_secret(option->name, options, why);
    }
    struct fanfare_why inner = {""};
    int rc = fanfare_options_set(o, option->name, optarg != NULL ? optarg : "yes", &inner);
    if (rc == 0) {
        return 0;
    }
    if (rc == FANFARE_ERR_NOMEM) {
        return fail_code(why, rc);
    }
    /* The sentence begins with the name, as it stands in a file. */
    return fail(why, STATUS_USAGE, "--%s", inner.text);
}

int args_parse(int argc, char *const *argv, struct fanfare_options *o, struct args *out,
               struct fanfare_why *why)
{
    int rc = 0;
    *out = (struct args){0};
    if (argc < 1) {
        return 0;
    }
    struct option *options = long_options();
    if (options == NULL) {
        return fail_code(why, FANFARE_ERR_NOMEM);
    }
    optind = 0; /* begin anew (GNU) */
    opterr = 0;
    while (rc == 0) {
        optopt = 0;
        /* '+': stop at the first argument that is no option; ':' tells a
         * missing value from an unknown option. */
        int code = getopt_long(argc, argv, "+:", options, NULL);
        if (code == -1) {
            break;
        }
        if (code < OPTION_BASE) {
            rc = refused(code, argv, options, o, why);
            break;
        }
        const struct option *option = &options[code - OPTION_BASE];
        if (is_whole_name(element(argv), option->name)) {
            rc = take(option, options, o, out, why);
        } else { /* getopt_long takes abbreviations; a later option could break them */
            const char *arg = element(argv);
            rc = fail(why, STATUS_USAGE, "unknown option %.*s; did you mean --%s?",
                      (int)strcspn(arg, "="), arg, option->name);
        }
    }
    if (rc == 0 && optind < argc) {
        rc = fail(why, STATUS_USAGE,
                  "unexpected argument \"%.80s\"; options are written --name=value", argv[optind]);
    }
    free(options);
    return rc;
}

static bool hide(const char *variable)
{
    size_t len = strlen(variable);
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        if (strncmp(*e, variable, len) == 0 && (*e)[len] == '=') {
            char *copy = strdup(*e);
            if (copy == NULL) {
                return false;
            }
            explicit_bzero(*e + len + 1, strlen(*e + len + 1));
            *e = copy;
        }
    }
    return true;
}

int args_hide_secrets(struct fanfare_why *why)
{
    struct fanfare_option_info info;
    char variable[VARIABLE_MAX];
    for (size_t i = 0; fanfare_options_info(i, &info) == 0; i++) {
        if (info.secret && !hide(variable_of(info.name, variable))) {
            return fail_code(why, FANFARE_ERR_NOMEM);
        }
    }
    return 0;
}

int args_load(int argc, char *const *argv, struct fanfare_options **o, struct args *out,
              struct fanfare_why *why)
{
    int rc = fanfare_options_new(o);
    if (rc != 0) {
        *o = NULL;
        return fail_code(why, rc);
    }
    int status = args_parse(argc, argv, *o, out, why);
    if (status != 0 || out->help || out->version) {
        return status;
    }
    rc = out->config != NULL ? fanfare_options_load_file(*o, out->config, why) : 0;
    if (rc == 0) {
        rc = fanfare_options_load_env(*o, why);
    }
    if (rc == 0) {
        return 0;
    }
    return rc == FANFARE_ERR_NOMEM ? fail_code(why, rc) : STATUS_USAGE;
}
