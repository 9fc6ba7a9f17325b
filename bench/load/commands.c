/* commands.c */
#include "commands.h"

#include "bench.h"
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *value_of(struct command *c, const char *key)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (strcmp(c->keys[i], key) == 0) {
            c->used[i] = true;
            return c->values[i];
        }
    }
    return NULL;
}

double command_number(struct command *c, const char *key, double usual, double least, double most)
{
    const char *text = value_of(c, key);
    if (text == NULL) {
        return usual;
    }
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < least || value > most) {
        fail_command("%s: %s=%s is not a number from %g to %g", c->name, key, text, least, most);
    }
    return value;
}

uint64_t command_count(struct command *c, const char *key, uint64_t usual, uint64_t least,
                       uint64_t most)
{
    double value = command_number(c, key, (double)usual, (double)least, (double)most);
    if (value != (double)(uint64_t)value) {
        fail_command("%s: %s must be a whole number", c->name, key);
    }
    return (uint64_t)value;
}

const char *command_word(struct command *c, const char *key, const char *usual)
{
    const char *text = value_of(c, key);
    return text != NULL ? text : usual;
}

void command_checked(const struct command *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (!c->used[i]) {
            fail_command("%s has no parameter %s", c->name, c->keys[i]);
        }
    }
}

/* ---- meters ---- */

struct meter meter_now(void)
{
    return (struct meter){
        .mark = mark_now(),
        .finished = bench.messages.finished,
        .accepted = bench.publisher.accepted,
        .bytes = bench.bytes,
    };
}

void report_meter(const struct meter *from, const struct meter *to)
{
    report_number("seconds", seconds_of(to->mark.at - from->mark.at));
    report_number("server_cpu", seconds_of(to->mark.server_cpu - from->mark.server_cpu));
    report_number("load_cpu", seconds_of(to->mark.load_cpu - from->mark.load_cpu));
}

void report_time(const char *name, int64_t ns)
{
    report_number(name, (double)ns / 1e3);
}

/* ---- the small ones ---- */

static void run_ping(struct command *c)
{
    command_checked(c);
    report_start("cmd", "ping");
    report_end();
}

static void run_cpu(struct command *c)
{
    command_checked(c);
    struct mark m = mark_now();
    report_start("cmd", "cpu");
    report_number("server_cpu", seconds_of(m.server_cpu));
    report_number("load_cpu", seconds_of(m.load_cpu));
    report_end();
}

/* ---- the table ---- */

static const struct {
    const char *name;
    void (*run)(struct command *c);
} table[] = {
    {"ping", run_ping},     {"cpu", run_cpu},         {"fanout", run_fanout},
    {"target", run_target}, {"latency", run_latency}, {"ingest", run_ingest},
    {"burst", run_burst},   {"churn", run_churn},     {"reconnect", run_reconnect},
    {"stall", run_stall},   {"unstall", run_unstall}, {"resume", run_resume},
    {"keep", run_keep},     {"replay", run_replay},   {"post", run_post},
};

static void parse(char *line, struct command *c)
{
    char *rest = line, *word;
    *c = (struct command){0};
    while ((word = strsep(&rest, " \t\r")) != NULL) {
        if (*word == '\0') {
            continue;
        }
        if (c->name == NULL) {
            c->name = word;
            continue;
        }
        char *equals = strchr(word, '=');
        if (equals == NULL || c->n == MAX_PARAMS) {
            fail_command("%s: %s: parameters are key=value", c->name, word);
        }
        *equals = '\0';
        c->keys[c->n] = word;
        c->values[c->n++] = equals + 1;
    }
}

bool command_run(char *line)
{
    struct command c;
    parse(line, &c);
    if (c.name == NULL) {
        return true;
    }
    if (strcmp(c.name, "quit") == 0) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(c.name, table[i].name) == 0) {
            table[i].run(&c);
            bench.hooks = (struct hooks){0};
            return true;
        }
    }
    fail_command("there is no command %s", c.name);
}
