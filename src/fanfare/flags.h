/* flags.h - what stands behind `fanfare key VERB` and `fanfare token VERB`. */
#ifndef FF_FANFARE_FLAGS_H
#define FF_FANFARE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#define FLAG_LIST_MAX 256

struct flag_list {
    const char *items[FLAG_LIST_MAX];
    size_t n;
};

/* One --name: a switch, a text or a list of texts; the others are NULL. Borrowed from argv. */
struct flag {
    const char *name; /* without the dashes; NULL ends the table */
    bool *given;
    const char **text;
    struct flag_list *list;
};

/* A tool with its verbs. */
struct tool_verb {
    const char *name;
    const char *synopsis;
    const char *help;
    int (*run)(int argc, char *const *argv); /* argv[0] is the verb */
};
struct tool_verbs {
    const char *name; /* "key" */
    const char *intro;
    const char *notes;
    const struct tool_verb *list;
    size_t n;
};

/* Chooses the verb, or prints the help. Returns the exit status. */
int tool_main(const struct tool_verbs *tool, int argc, char *const *argv);
/* Complains: `text`, `arg` clipped, and where more is said. Returns STATUS_USAGE. */
int tool_usage(const char *tool, const char *text, const char *arg);
/* Writes what stands in standard output, 0 or STATUS_FAILED with a complaint. */
int tool_flush(int status);

/* Reads the flags and at most `max` names of argv[1] on. 0, or STATUS_USAGE with a complaint.
 * --name=value and --name value are the same; "--" ends the flags. */
int flags_parse(const char *tool, int argc, char *const *argv, const struct flag *flags,
                struct flag_list *names, size_t max);

#endif
