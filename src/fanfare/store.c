/* `fanfare store`: reads its own arguments, tells progress, says what came out. */
#include "fanfare/store.h"

#include "fanfare/args.h"
#include "fanfare/complain.h"

#include <fanfare/fanfare.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A tool that takes less tells nothing, unless somebody sits before it. */
#define SILENT_MS 1000
#define LINES_MS 1000 /* between lines where they stay */

struct call {
    const char *path;
    const char *file;
    int new_epoch;
};

struct verb {
    const char *name;
    const char *synopsis;
    const char *help;
    int files; /* arguments behind PATH, at most */
    int (*run)(const struct call *c);
};

/* ---- progress ---- */

struct progress {
    bool terminal, open; /* a line stands there without its end */
    uint64_t began, told;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void tell(const char *what, uint64_t done, uint64_t total, void *user)
{
    struct progress *p = user;
    uint64_t now = now_ms();

    if (!p->terminal && (now < p->began + SILENT_MS || now < p->told + LINES_MS)) {
        return;
    }
    p->told = now;
    fputs(p->terminal ? "\r\033[K" : "", stderr);
    if (total > 0) {
        fprintf(stderr, "fanfare: %s: %" PRIu64 " of %" PRIu64 " (%" PRIu64 " %%)", what, done,
                total, done * 100 / total);
    } else if (done > 0) {
        fprintf(stderr, "fanfare: %s: %" PRIu64 " KiB", what, done / 1024);
    } else {
        fprintf(stderr, "fanfare: %s ... %" PRIu64 " s", what, (now - p->began) / 1000);
    }
    fputs(p->terminal ? "" : "\n", stderr);
    p->open = p->terminal;
    fflush(stderr);
}

static struct progress progress_begin(void)
{
    return (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .began = now_ms()};
}

/* Ends the work: the exit status, and what went wrong. */
static int finish(const struct progress *p, int rc, const struct fanfare_why *why)
{
    if (p->open) {
        fputs("\r\033[K", stderr);
    }
    if (rc != 0) {
        complain(*why->text != '\0' ? why->text : fanfare_strerror(rc));
        return STATUS_FAILED;
    }
    return 0;
}

/* ---- verbs ---- */

static int check(const struct call *c)
{
    struct fanfare_store_report r = {.size = sizeof r};
    struct fanfare_why why = {""};
    struct progress p = progress_begin();
    int rc = fanfare_store_check(c->path, tell, &p, &r, &why);
    int status = finish(&p, rc, &why);

    if (status == 0 || r.schema > 0) {
        printf("store     %s\nschema    %" PRIu32 "\nepoch     %s\ntop       %" PRIu64
               "\nmessages  %" PRIu64 "\nlanes     %" PRIu64 "\nunacked   %" PRIu64
               "\nids       %" PRIu64 "\nreads     %" PRIu64 "\nlost      %" PRIu64
               " range%s\nbytes     %" PRIu64 "\nlast stop %s\n",
               c->path, r.schema, r.epoch, r.top, r.messages, r.lanes, r.unacked, r.ids, r.reads,
               r.lost_ranges, r.lost_ranges == 1 ? "" : "s", r.bytes,
               r.clean ? "clean" : "without warning");
        puts(status == 0 ? "no faults found" : "damaged");
    }
    return status;
}

static int compact(const struct call *c)
{
    struct fanfare_why why = {""};
    struct progress p = progress_begin();
    uint64_t before = 0, after = 0;
    int status = finish(&p, fanfare_store_compact(c->path, tell, &p, &before, &after, &why), &why);

    if (status == 0) {
        printf("%s: %" PRIu64 " bytes before, %" PRIu64 " after\n", c->path, before, after);
    }
    return status;
}

static int export_lines(const struct call *c)
{
    struct fanfare_why why = {""};
    struct progress p = progress_begin();
    uint64_t lines = 0;
    int rc = fanfare_store_export(c->path, c->file, tell, &p, &lines, &why);
    int status = finish(&p, rc, &why);

    if (status == 0) {
        fprintf(stderr, "fanfare: exported %" PRIu64 " lines\n", lines);
    }
    return status;
}

static int import_lines(const struct call *c)
{
    struct fanfare_why why = {""};
    struct progress p = progress_begin();
    uint64_t lines = 0;
    int rc = fanfare_store_import(c->path, c->file, c->new_epoch, tell, &p, &lines, &why);
    int status = finish(&p, rc, &why);

    if (status == 0) {
        fprintf(stderr, "fanfare: imported %" PRIu64 " lines into %s\n", lines, c->path);
    }
    return status;
}

static const struct verb verbs[] = {
    {"check", "check PATH", "look at every page and row, change nothing", 0, check},
    {"compact", "compact PATH", "give unused room back to the file system", 0, compact},
    {"export", "export PATH [FILE]", "write everything as lines of JSON", 1, export_lines},
    {"import", "import [--new-epoch] PATH [FILE]", "make a new store of an export", 1,
     import_lines},
};

/* ---- arguments ---- */

static void print_help(FILE *out)
{
    fputs("Usage: fanfare store VERB PATH ...\n\n"
          "Tools for the SQLite database of --store, while no gateway uses it.\n\n",
          out);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        fprintf(out, "  fanfare store %-33s %s\n", verbs[i].synopsis, verbs[i].help);
    }
    fputs("\nPATH may begin with sqlite: as in --store. FILE is - (standard output or input)\n"
          "if it is left out. --new-epoch, after restoring a backup: positions that clients\n"
          "have of the old log mean nothing in the new one. See fanfare-store(8).\n",
          out);
}

static int usage(const char *text, const char *arg)
{
    char line[400];

    snprintf(line, sizeof line, "%s%.80s; fanfare store --help says more", text, arg);
    complain(line);
    return STATUS_USAGE;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* One argument behind the verb. */
static int take(const struct verb *v, struct call *c, const char *arg, bool *only_names)
{
    bool option = !*only_names && arg[0] == '-' && arg[1] != '\0';

    if (option && strcmp(arg, "--") == 0) {
        *only_names = true;
        return 0;
    }
    if (option && v->run == import_lines && strcmp(arg, "--new-epoch") == 0) {
        c->new_epoch = 1;
        return 0;
    }
    if (option) {
        return usage("unknown option ", arg);
    }
    if (!c->path) {
        c->path = strncmp(arg, "sqlite:", 7) == 0 ? arg + 7 : arg;
        return 0;
    }
    if (v->files > 0 && !c->file) {
        c->file = arg;
        return 0;
    }
    return usage("unexpected argument ", arg);
}

int store_main(int argc, char *const *argv)
{
    struct call c = {NULL, NULL, 0};
    bool only_names = false;
    int status = 0;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout);
            return 0;
        }
    }
    if (argc < 2) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    const struct verb *v = find_verb(argv[1]);
    if (!v) {
        return usage("check, compact, export or import is expected, not ", argv[1]);
    }
    for (int i = 2; i < argc && status == 0; i++) {
        status = take(v, &c, argv[i], &only_names);
    }
    if (status == 0 && (!c.path || *c.path == '\0')) {
        status = usage("the PATH of the store is missing: fanfare store ", v->synopsis);
    }
    if (status != 0) {
        return status;
    }
    if (!c.file) {
        c.file = "-";
    }
    status = v->run(&c);
    if (fflush(stdout) != 0 && status == 0) {
        complain("cannot write to standard output");
        status = STATUS_FAILED;
    }
    return status;
}
