/* auth/revoked and its file: what was written is read back, what a crash cut off is
 * dropped, damage is refused. Input: the file's bytes up to a line "--", then lines:
 * "u NAME" and "t NAME" revoke, "U NAME" and "T NAME" take that back. */
#include "fuzz.h"

#include "auth/revoked.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW 1763632800000
#define MAX_ENTRIES 6

struct listing {
    unsigned n;
    char text[MAX_ENTRIES * 4 * 300];
    size_t len;
};

static void add(void *ctx, bool is_user, struct str name, uint64_t since_ms, uint64_t until_ms)
{
    struct listing *l = ctx;

    FUZZ_CHECK(name.len >= 1 && name.len <= 256 && until_ms > NOW, "%.*s", FUZZ_STR(name));
    FUZZ_CHECK(l->len + name.len + 60 < sizeof(l->text), "more than the most");
    l->n++;
    l->len += (size_t)sprintf(l->text + l->len, "%d %llu %llu ", is_user,
                              (unsigned long long)since_ms, (unsigned long long)until_ms);
    memcpy(l->text + l->len, name.p, name.len);
    l->len += name.len;
    l->text[l->len++] = '\n';
}

static char folder[64];

static void drop_folder(void)
{
    (void)rmdir(folder);
}

static const char *path_of_file(void)
{
    static char path[80];

    if (!folder[0]) { /* in memory where there is such a place: much is synced */
        bool shm = access("/dev/shm", W_OK) == 0;
        snprintf(folder, sizeof(folder), "%s/fuzz-revoked-XXXXXX", shm ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(folder) != NULL, "no folder");
        snprintf(path, sizeof(path), "%s/revocations", folder);
        FUZZ_CHECK(atexit(drop_folder) == 0);
    }
    return path;
}

static void write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    FUZZ_CHECK(fd >= 0 && write(fd, bytes.p, bytes.len) == (ssize_t)bytes.len);
    close(fd);
}

static void change(struct revoked *r, struct str line)
{
    struct errmsg why = {""};
    struct str name;

    if (line.len < 2 || !strchr("utUT", line.p[0]) || !line.p[0]) {
        return;
    }
    name = fuzz_copy(line.p + 2, line.len - 2);
    bool user = line.p[0] == 'u' || line.p[0] == 'U';
    bool was = user ? revoked_user(r, name, 0, NOW) : revoked_token(r, name, NOW);
    if (line.p[0] == 'u' || line.p[0] == 't') {
        int rc = revoked_add(r, user, name, NOW - 5, NOW + 1000 + name.len, MAX_ENTRIES, &why);
        bool is = user ? revoked_user(r, name, 0, NOW) : revoked_token(r, name, NOW);
        FUZZ_CHECK(is == (rc == 0 || was), "%d", rc);
        FUZZ_CHECK(rc == 0 || rc == ERR_LIMIT || rc == ERR_INVALID, "%d: %s", rc, why.text);
        FUZZ_CHECK(rc != ERR_INVALID || name.len == 0 || name.len > 256, "%s", why.text);
    } else {
        int rc = revoked_remove(r, user, name, &why);
        FUZZ_CHECK(rc == 0 || (rc == ERR_NOT_FOUND && !was), "%d: %s", rc, why.text);
        FUZZ_CHECK(user ? !revoked_user(r, name, 0, NOW) : !revoked_token(r, name, NOW));
    }
    fuzz_free(name);
}

static void check_again(const char *path, const struct listing *before)
{
    struct listing after = {.n = 0};
    struct revoked *r = NULL;
    struct errmsg why = {""};

    FUZZ_CHECK(revoked_new(path, 100, NOW, &r, &why) == 0, "%s", why.text);
    revoked_each(r, NOW, add, &after);
    FUZZ_CHECK(after.n == before->n && after.len == before->len &&
                   memcmp(after.text, before->text, after.len) == 0,
               "%u, %u when read again", before->n, after.n);
    revoked_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = {(const char *)data, size};
    const char *mark = size ? memmem(data, size, "--\n", 3) : NULL;
    struct str file = {all.p, mark ? (size_t)(mark - all.p) : size};
    struct fuzz_in in = {mark ? (const uint8_t *)mark + 3 : NULL, mark ? size - file.len - 3 : 0};
    const char *path = path_of_file();
    struct listing now = {.n = 0};
    struct revoked *r = NULL;
    struct errmsg why = {""};

    write_file(path, file);
    int rc = revoked_new(path, MAX_ENTRIES, NOW, &r, &why);
    if (rc != 0) {
        FUZZ_CHECK(rc == ERR_INVALID || rc == ERR_LIMIT, "%d", rc);
        fuzz_sentence_cut(why.text, sizeof(why.text));
        (void)unlink(path);
        return 0;
    }
    for (unsigned i = 0; in.n && i < 20; i++) {
        change(r, fuzz_line(&in));
    }
    revoked_each(r, NOW, add, &now);
    FUZZ_CHECK(now.n <= MAX_ENTRIES, "%u", now.n);
    revoked_free(r);
    check_again(path, &now);
    (void)unlink(path);
    return 0;
}
