/* stress_base_log [lines per writer] - writers against reopening, for the
 * thread sanitizer. Exit status 0: no line was lost or broken. */
#include "base/log.h"
#include "base/str.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITERS = 3, ROTATIONS = 20 };

struct writer {
    struct log *log;
    unsigned count;
};

static void *write_many(void *arg)
{
    const struct writer *w = arg;
    for (unsigned i = 0; i < w->count; i++) {
        char n[NUM_LEN];
        log_info(w->log, "line", "n", num_text(n, i), "pad", "some words to fill it");
    }
    return NULL;
}

static unsigned long count_lines(const char *path)
{
    char line[256];
    unsigned long lines = 0;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        size_t n = strlen(line);
        lines += n > 40 && memcmp(line + 23, "Z info  line n=", 15) == 0 &&
                 memcmp(line + n - 4, "it\"\n", 4) == 0;
    }
    if (f) {
        (void)fclose(f);
    }
    (void)unlink(path);
    return lines;
}

int main(int argc, char **argv)
{
    struct writer w = {NULL, argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000};
    char dir[] = "/tmp/fanfare-log-XXXXXX";
    char path[64];
    struct errmsg why = {""};
    if (!mkdtemp(dir)) {
        perror("mkdtemp");
        return 1;
    }
    snprintf(path, sizeof path, "%s/log", dir);
    if (log_new(LOG_INFO_LVL, LOG_TEXT, path, &w.log, &why) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    pthread_t t[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        if (pthread_create(&t[i], NULL, write_many, &w) != 0) {
            fputs("no thread\n", stderr);
            return 1;
        }
    }
    char moved[ROTATIONS][80];
    bool ok = true;
    for (unsigned i = 0; i < ROTATIONS; i++) {
        snprintf(moved[i], sizeof moved[i], "%s.%u", path, i);
        ok = rename(path, moved[i]) == 0 && log_reopen(w.log, &why) == 0 && ok;
        log_set_level(w.log, i % 2 ? LOG_INFO_LVL : LOG_DEBUG_LVL);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(t[i], NULL);
    }
    log_free(w.log);
    unsigned long lines = count_lines(path);
    for (unsigned i = 0; i < ROTATIONS; i++) {
        lines += count_lines(moved[i]);
    }
    (void)rmdir(dir);
    printf("%lu of %lu lines whole\n", lines, (unsigned long)WRITERS * w.count);
    return ok && lines == (unsigned long)WRITERS * w.count ? 0 : 1;
}
