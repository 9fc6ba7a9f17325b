/* args.h - the command line, the config file and the environment. */
#ifndef FF_FANFARE_ARGS_H
#define FF_FANFARE_ARGS_H

#include <fanfare/fanfare.h>

#include <stdbool.h>
#include <stdio.h>

#define STATUS_FAILED 1 /* something went wrong */
#define STATUS_USAGE 2  /* an option or its value is wrong */

struct args {
    const char *config; /* --config, or NULL; borrowed from argv */
    bool check_config;
    bool version;
    bool help;
};

/* Each returns 0 or the exit status, with one sentence in *why. */

/* Reads argv only; the flags go into `o`. May be called again. */
int args_parse(int argc, char *const *argv, struct fanfare_options *o, struct args *out,
               struct fanfare_why *why);
/* New options out of flags, file and environment, not yet checked as a whole;
 * none if --help or --version is among the flags. Freed by the caller. */
int args_load(int argc, char *const *argv, struct fanfare_options **o, struct args *out,
              struct fanfare_why *why);

/* Once they are read: overwrites the secrets in the environment that the process was started with,
 * which /proc shows; what is read again at SIGHUP are copies. Before there are other threads. */
int args_hide_secrets(struct fanfare_why *why);

/* "api-key" as FANFARE_API_KEY; cut at the size. */
#define VARIABLE_MAX 64
const char *variable_of(const char *option, char out[VARIABLE_MAX]);

/* The text of --help, wrapped to `width` columns. */
void help_print(FILE *out, size_t width);
/* Columns of the terminal that `out` is, or of $COLUMNS, or 80. */
size_t help_width(FILE *out);

#endif
