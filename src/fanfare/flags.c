/* flags.c - the arguments of `fanfare key` and `fanfare token`. */
#include "fanfare/flags.h"

#include "fanfare/args.h"
#include "fanfare/complain.h"

#include <stdio.h>
#include <string.h>

int tool_usage(const char *tool, const char *text, const char *arg)
{
    char line[400];

    snprintf(line, sizeof line, "%s%.80s; fanfare %s --help says more", text, arg, tool);
    complain(line);
    return STATUS_USAGE;
}

int tool_flush(int status)
{
    if (fflush(stdout) != 0 && status == 0) {
        complain("cannot write to standard output");
        return STATUS_FAILED;
    }
    return status;
}

static void print_help(FILE *out, const struct tool_verbs *tool)
{
    fprintf(out, "Usage: fanfare %s VERB ...\n\n%s\n", tool->name, tool->intro);
    for (size_t i = 0; i < tool->n; i++) {
        fprintf(out, "\n  fanfare %s %s\n      %s\n", tool->name, tool->list[i].synopsis,
                tool->list[i].help);
    }
    fprintf(out, "\n%s\nSee fanfare-%s(8).\n", tool->notes, tool->name);
}

int tool_main(const struct tool_verbs *tool, int argc, char *const *argv)
{
    char expected[120] = "";

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout, tool);
            return tool_flush(0);
        }
    }
    if (argc < 2) {
        print_help(stderr, tool);
        return STATUS_USAGE;
    }
    for (size_t i = 0; i < tool->n; i++) {
        const char *between = i == 0 ? "" : i + 1 < tool->n ? ", " : " or ";
        size_t len = strlen(expected);
        if (strcmp(tool->list[i].name, argv[1]) == 0) {
            return tool_flush(tool->list[i].run(argc - 1, argv + 1));
        }
        snprintf(expected + len, sizeof expected - len, "%s%s", between, tool->list[i].name);
    }
    char text[180];
    snprintf(text, sizeof text, "%s is expected, not ", expected);
    return tool_usage(tool->name, text, argv[1]);
}

/* ---- flags ---- */

static const struct flag *find(const struct flag *flags, const char *name, size_t len)
{
    for (; flags->name != NULL; flags++) {
        if (strlen(flags->name) == len && strncmp(flags->name, name, len) == 0) {
            return flags;
        }
    }
    return NULL;
}

static int take(const char *tool, const struct flag *flag, const char *value)
{
    if (flag->list != NULL && flag->list->n < FLAG_LIST_MAX) {
        flag->list->items[flag->list->n++] = value;
        return 0;
    }
    if (flag->list != NULL) {
        return tool_usage(tool, "too many values of --", flag->name);
    }
    if (*flag->text != NULL) {
        return tool_usage(tool, "only one value is possible of --", flag->name);
    }
    *flag->text = value;
    return 0;
}

/* The flag argv[*i]; moves on if its value is the next argument. */
static int take_flag(const char *tool, int argc, char *const *argv, const struct flag *flags,
                     int *i)
{
    const char *name = argv[*i] + 2;
    size_t len = strcspn(name, "=");
    const struct flag *flag = strncmp(argv[*i], "--", 2) == 0 ? find(flags, name, len) : NULL;
    char shown[80];

    if (flag == NULL) { /* without the value: that may be secret */
        snprintf(shown, sizeof shown, "%.*s", (int)strcspn(argv[*i], "="), argv[*i]);
        return tool_usage(tool, "unknown option ", shown);
    }
    if (flag->given != NULL) {
        *flag->given = true;
        return name[len] == '\0' ? 0 : tool_usage(tool, "no value belongs to --", flag->name);
    }
    if (name[len] == '=') {
        return take(tool, flag, name + len + 1);
    }
    if (*i + 1 >= argc) {
        return tool_usage(tool, "a value is missing behind --", flag->name);
    }
    *i += 1;
    return take(tool, flag, argv[*i]);
}

int flags_parse(const char *tool, int argc, char *const *argv, const struct flag *flags,
                struct flag_list *names, size_t max)
{
    bool only_names = false;
    int status = 0;

    for (int i = 1; i < argc && status == 0; i++) {
        if (!only_names && strcmp(argv[i], "--") == 0) {
            only_names = true;
        } else if (!only_names && argv[i][0] == '-' && argv[i][1] != '\0') {
            status = take_flag(tool, argc, argv, flags, &i);
        } else if (names->n < max) {
            names->items[names->n++] = argv[i];
        } else { /* not shown: it may be a token */
            status = tool_usage(tool, "there is an argument too many", "");
        }
    }
    return status;
}
