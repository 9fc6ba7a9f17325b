/* options_dump.c - the table of options as lines or as a piece of a document.
 *
 *     options_dump lines    name, type, argument, default, least, most, flags,
 *                           group, help, with tabs between them
 *     options_dump man      the list of fanfare(8)
 *     options_dump conf     the list of fanfare.conf(5)
 *     options_dump sample   the settings of etc/fanfare.conf
 *
 * check-options.sh compares the documents with it. */
#include "conf/options.h"
#include "conf/options_value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAN_WIDTH 78
#define SAMPLE_WIDTH 88

static const char *const type_names[] = {"BOOL",   "UINT", "SIZE", "TIME",
                                         "STRING", "LIST", "ENUM", "ACTION"};

static bool has_limits(const struct opt_info *info)
{
    return info->type == OPT_UINT || info->type == OPT_SIZE || info->type == OPT_TIME;
}

static void limits(const struct opt_info *info, char low[VALUE_NUMBER], char high[VALUE_NUMBER])
{
    low[0] = high[0] = '\0';
    if (has_limits(info)) {
        (void)value_number_text(info->type, info->min, low);
        (void)value_number_text(info->type, info->max, high);
    }
}

static void print_line(const struct opt_info *info)
{
    char low[VALUE_NUMBER], high[VALUE_NUMBER];
    limits(info, low, high);
    printf("%s\t%s\t%s\t%s\t%s\t%s\t%s%s%s%s\t%s\t%s\n", info->name, type_names[info->type],
           info->arg, info->def, low, high, info->flags & OPT_LIVE ? "L" : "",
           info->flags & OPT_CLI ? "C" : "", info->flags & OPT_HIDDEN ? "H" : "",
           info->flags & OPT_SECRET ? "S" : "", info->group, info->help);
}

/* "Default: 30s; limits 1s to 1h; live." */
static void facts(const struct opt_info *info, char *out, size_t size)
{
    char low[VALUE_NUMBER], high[VALUE_NUMBER], range[2 * VALUE_NUMBER + 8] = "";
    limits(info, low, high);
    if (has_limits(info)) {
        snprintf(range, sizeof range, "; limits %s to %s", low, high);
    }
    snprintf(out, size, "Default: %s%s%s.", *info->def != '\0' ? info->def : "none", range,
             info->flags & OPT_LIVE ? "; live" : "");
}

/* Wrapped; with `sentences` each one begins a line, as mdoc wants it. */
static void print_text(const char *prefix, size_t width, bool sentences, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > width) {
            putchar('\n');
            column = 0;
        }
        const char *before = column > 0 ? " " : sentences && *text == '.' ? "\\&" : prefix;
        column += (size_t)printf("%s%.*s", before, (int)len, text);
        bool ends = len > 0 && text[len - 1] == '.';
        text += len;
        text += *text == ' ';
        if (sentences && ends && *text != '\0') {
            putchar('\n');
            column = 0;
        }
    }
    putchar('\n');
}

/* "api-key" as FANFARE_API_KEY. */
static void print_variable(const char *name)
{
    fputs(".It Ev FANFARE_", stdout);
    for (; *name != '\0'; name++) {
        putchar(*name == '-' ? '_' : toupper((unsigned char)*name));
    }
}

static void print_mdoc(const struct opt_info *info, bool conf)
{
    char text[160];
    const char *arg = conf && info->type == OPT_BOOL ? "yes|no" : info->arg;
    if (!conf && (info->flags & OPT_SECRET) != 0) {
        print_variable(info->name);
    } else {
        printf(conf ? ".It Ic %s No =" : ".It Fl -%s", info->name);
    }
    if (*arg != '\0') {
        printf(conf ? " Ar" : " Ns = Ns Ar");
        while (*arg != '\0') {
            size_t len = strcspn(arg, "|");
            printf(" %.*s%s", (int)len, arg, arg[len] == '|' ? " |" : "");
            arg += len + (arg[len] == '|');
        }
    }
    putchar('\n');
    print_text("", MAN_WIDTH, true, info->help);
    if (info->type != OPT_ACTION) {
        facts(info, text, sizeof text);
        print_text("", MAN_WIDTH, true, text);
    }
}

static void print_sample(const struct opt_info *info)
{
    char text[160];
    putchar('\n');
    print_text("# ", SAMPLE_WIDTH, false, info->help);
    facts(info, text, sizeof text);
    print_text("# ", SAMPLE_WIDTH, false, text);
    if (info->type == OPT_ENUM) {
        printf("# One of %s.\n", info->arg);
    }
    printf("#%s =%s%s\n", info->name, *info->def != '\0' ? " " : "", info->def);
}

static void print_group(const char *mode, const char *group, bool first)
{
    if (strcmp(mode, "sample") == 0) {
        printf("%s# ---- %s ----\n", first ? "" : "\n", group);
    } else {
        printf("%s.Ss %s\n.Bl -tag -width indent\n", first ? "" : ".El\n", group);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc == 2 ? argv[1] : "";
    bool lines = strcmp(mode, "lines") == 0;
    bool man = strcmp(mode, "man") == 0;
    bool conf = strcmp(mode, "conf") == 0;
    bool sample = strcmp(mode, "sample") == 0;
    const char *group = NULL;
    if (!lines && !man && !conf && !sample) {
        fputs("usage: options_dump lines|man|conf|sample\n", stderr);
        return 2;
    }
    for (unsigned id = 0; id < OPT_ID_COUNT; id++) {
        const struct opt_info *info = options_info((enum opt_id)id);
        if (lines) {
            print_line(info);
            continue;
        }
        if ((info->flags & OPT_HIDDEN) != 0 || (!man && (info->flags & OPT_CLI) != 0)) {
            continue;
        }
        if (group == NULL || strcmp(group, info->group) != 0) {
            print_group(mode, info->group, group == NULL);
            group = info->group;
        }
        if (sample) {
            print_sample(info);
        } else {
            print_mdoc(info, conf);
        }
    }
    if (!lines && !sample) {
        puts(".El");
    }
    return 0;
}
