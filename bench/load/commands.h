/* commands.h - what is asked for on standard input. */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

enum { MAX_PARAMS = 12 };

/* `name key=value ...`; the strings point into the line. */
struct command {
    char *name;
    char *keys[MAX_PARAMS], *values[MAX_PARAMS];
    bool used[MAX_PARAMS];
    unsigned n;
};

/* Each ends the run if the value is none. */
uint64_t command_count(struct command *c, const char *key, uint64_t usual, uint64_t least,
                       uint64_t most);
double command_number(struct command *c, const char *key, double usual, double least, double most);
const char *command_word(struct command *c, const char *key, const char *usual);
/* All parameters have been asked for: others do not exist. */
void command_checked(const struct command *c);

/* Reads the line and does it; false: it was `quit`. */
bool command_run(char *line);

/* What was done since a moment. */
struct meter {
    struct mark mark;
    uint64_t finished, accepted, bytes;
};

struct meter meter_now(void);
static inline int64_t after(const struct meter *m, double seconds)
{
    return m->mark.at + (int64_t)(seconds * 1e9);
}
/* "seconds", "server_cpu", "load_cpu" between the two. */
void report_meter(const struct meter *from, const struct meter *to);

/* The commands. */
void run_fanout(struct command *c);
void run_target(struct command *c);
void run_latency(struct command *c);
void run_ingest(struct command *c);
void run_burst(struct command *c);
void run_churn(struct command *c);
void run_reconnect(struct command *c);
void run_stall(struct command *c);
void run_unstall(struct command *c);
void run_resume(struct command *c);
void run_keep(struct command *c);
void run_replay(struct command *c);
void run_post(struct command *c);

/* All subscribers leave, if they are there, and come again, so many at once; how long
 * each took is added to the histogram. */
struct histogram;
struct span {
    struct meter from, to;
};
struct span storm_run(const struct command *c, struct histogram *took, bool reset,
                      uint32_t at_once);
void report_time(const char *name, int64_t ns);

/* Connects these, so many at once, and waits until they are ready. */
struct client;
void connect_all(struct client *first, uint32_t count, uint32_t at_once);

#endif
