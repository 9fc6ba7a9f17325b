/* help.c - the text of --help. */
#include "fanfare/args.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HELP_COLUMN 27
#define WIDTH_MIN 50
#define WIDTH_MAX 100

size_t help_width(FILE *out)
{
    struct winsize ws;
    const char *columns = getenv("COLUMNS");
    unsigned long width = 0;
    if (ioctl(fileno(out), TIOCGWINSZ, &ws) == 0) {
        width = ws.ws_col;
    } else if (columns != NULL) {
        width = strtoul(columns, NULL, 10);
    }
    if (width == 0) {
        width = 80;
    }
    return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

struct wrap {
    FILE *out;
    size_t indent;
    size_t width;
    size_t column; /* where the next byte goes */
    bool fresh;    /* no word on this line yet */
};

static void wrap_to_indent(struct wrap *w)
{
    for (; w->column < w->indent; w->column++) {
        fputc(' ', w->out);
    }
}

static void wrap_word(struct wrap *w, const char *word, size_t len)
{
    if (!w->fresh && w->column + 1 + len > w->width) {
        fputc('\n', w->out);
        w->column = 0;
        w->fresh = true;
    }
    if (w->fresh) {
        wrap_to_indent(w);
    } else {
        fputc(' ', w->out);
        w->column++;
    }
    fwrite(word, 1, len, w->out);
    w->column += len;
    w->fresh = false;
}

/* The words of `text`; runs of spaces count as one. */
static void wrap_words(struct wrap *w, const char *text)
{
    size_t len;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        len = strcspn(text, " ");
        wrap_word(w, text, len);
        text += len;
    }
}

static void wrap_paragraph(FILE *out, size_t width, const char *text)
{
    struct wrap w = {out, 0, width, 0, true};
    wrap_words(&w, text);
    fputc('\n', out);
}

static void print_option(FILE *out, size_t width, const struct fanfare_option_info *info)
{
    char value[128] = "";
    char variable[VARIABLE_MAX];
    const char *name = info->secret ? variable_of(info->name, variable) : info->name;
    size_t column = (info->secret ? 2 : 4) + strlen(name);
    fprintf(out, info->secret ? "  %s" : "  --%s", name);
    if (*info->argument != '\0') {
        fprintf(out, "=%s", info->argument);
        column += 1 + strlen(info->argument);
    }
    if (column + 2 > HELP_COLUMN) {
        fputc('\n', out);
        column = 0;
    }
    struct wrap w = {out, HELP_COLUMN, width, column, true};
    wrap_words(&w, info->help);
    if (!info->is_action && *info->default_value != '\0') {
        snprintf(value, sizeof value, "Default: %s.", info->default_value);
        wrap_word(&w, value, strlen(value)); /* not torn in two */
    }
    fputc('\n', out);
}

void help_print(FILE *out, size_t width)
{
    struct fanfare_option_info info;
    const char *group = "";
    wrap_paragraph(out, width, "Usage: fanfare [--name=value ...]");
    fputc('\n', out);
    wrap_paragraph(out, width,
                   "A real-time HTTP gateway: browsers connect with EventSource or WebSocket, "
                   "backends publish with POST /broadcast, everyone gets it in one order.");
    for (size_t i = 0; fanfare_options_info(i, &info) == 0; i++) {
        if (info.hidden) {
            continue;
        }
        if (strcmp(info.group, group) != 0) {
            group = info.group;
            fprintf(out, "\n%s:\n", group);
        }
        print_option(out, width, &info);
    }
    fputc('\n', out);
    wrap_paragraph(out, width,
                   "--name=value may be written --name value, and a switch --name=yes or "
                   "--name=no. In a file (--config) the key has the same name: name = value. In "
                   "the environment it is FANFARE_NAME: FANFARE_MAX_BODY=8m. A flag wins over the "
                   "environment, and that over the file. Secrets have no flag, since a command "
                   "line is seen by others.");
    fputc('\n', out);
    wrap_paragraph(out, width,
                   "SIGTERM and SIGINT drain and stop, a second one stops at once; "
                   "SIGHUP reads the configuration again. See fanfare(8) and "
                   "fanfare.conf(5).");
    fputc('\n', out);
    wrap_paragraph(out, width,
                   "Tools, each with a --help of its own: fanfare key (keys of backends), "
                   "fanfare token (tokens of clients), fanfare store (the database).");
}
