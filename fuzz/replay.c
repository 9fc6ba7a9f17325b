/* replay.c - runs a target over its corpus, or over the files and folders that
 * are named. The main of fuzz/replay_<target>. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static unsigned inputs;

static void replay_bytes(const uint8_t *bytes, size_t n)
{
    /* Exactly its size, so that a read beyond it is seen. */
    struct str copy = fuzz_copy(bytes, n);

    (void)LLVMFuzzerTestOneInput((const uint8_t *)copy.p, n);
    fuzz_free(copy);
}

static void replay_file(const char *path, off_t size)
{
    uint8_t *bytes = fuzz_alloc((size_t)size);
    FILE *f = fopen(path, "re");

    FUZZ_CHECK(f && fread(bytes, 1, (size_t)size, f) == (size_t)size, "cannot read %s", path);
    fclose(f);
    setenv("FUZZ_INPUT", path, 1); /* a debugger or core file shows which it was */
    replay_bytes(bytes, (size_t)size);
    free(bytes);
    inputs++;
}

static void replay_path(const char *path)
{
    struct dirent **names = NULL;
    struct stat st;

    FUZZ_CHECK(stat(path, &st) == 0, "there is no %s", path);
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path, st.st_size);
        return;
    }
    int n = scandir(path, &names, NULL, alphasort);
    FUZZ_CHECK(n >= 0, "cannot read %s", path);
    for (int i = 0; i < n; i++) {
        char inner[4096];
        if (names[i]->d_name[0] != '.') {
            snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
            replay_path(inner);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    const char *name = strstr(argv[0], "replay_");
    const char *srcdir = getenv("FF_SRCDIR");
    char corpus[4096];

    for (const char *next = name; next; next = strstr(next + 1, "replay_")) {
        name = next; /* the last one: folders may have any name */
    }
    FUZZ_CHECK(name != NULL, "this program's name is fuzz/replay_<target>");
    replay_bytes((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        replay_path(argv[i]);
    }
    if (argc < 2) {
        snprintf(corpus, sizeof(corpus), "%s/fuzz/corpus/%s", srcdir ? srcdir : ".", name + 7);
        replay_path(corpus);
    }
    printf("%s: %u inputs\n", name + 7, inputs);
    return inputs ? 0 : 1;
}
