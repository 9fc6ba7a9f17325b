/* textfile.c - a whole file of text. */
#include "fanfare/textfile.h"

#include "fanfare/complain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Up to max bytes; more, or none, is a failure with a complaint. */
static size_t fill(FILE *f, const char *path, char *to, unsigned max)
{
    char line[300];
    size_t n = fread(to, 1, (size_t)max + 1, f);
    const char *fault = ferror(f) ? strerror(errno) : n > max ? "it is too long" : NULL;

    if (fault == NULL && memchr(to, '\0', n) != NULL) {
        fault = "it is no text";
    }
    while (n > 0 && strchr(" \t\r\n", to[n - 1]) != NULL) {
        n--;
    }
    if (fault == NULL && n == 0) {
        fault = "it is empty";
    }
    if (fault != NULL) {
        snprintf(line, sizeof line, "cannot read %.200s: %s", path, fault);
        complain(line);
        return 0;
    }
    return n;
}

char *textfile_read(const char *path, unsigned max)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    char line[300];
    FILE *f = standard ? stdin : fopen(path, "re");

    if (f == NULL) {
        snprintf(line, sizeof line, "cannot read %.200s: %s", name, strerror(errno));
        complain(line);
        return NULL;
    }
    char *text = calloc(1, (size_t)max + 2);
    if (text == NULL) {
        complain("out of memory");
    } else {
        size_t n = fill(f, name, text, max);
        text[n] = '\0';
        if (n == 0) {
            free(text);
            text = NULL;
        }
    }
    if (!standard) {
        fclose(f);
    }
    return text;
}
