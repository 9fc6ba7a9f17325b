#include "auth/revfile.h"

#include "auth/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUM 8
#define LINE_MAX_LEN (SUM + 1 + 8 + 2 * 21 + 3 * REVFILE_NAME_MAX + 8)

struct revfile {
    char *path;
    int fd;
    uint64_t size; /* of what is good */
    unsigned long lines;
    bool broken;
    /* while it is written anew */
    char *temp;
    FILE *fresh;
    unsigned long fresh_lines;
};

static int failed(const char *path, const char *doing, struct errmsg *why)
{
    char shown[SLURP_SHOWN];
    int error = errno;

    return errmsg_set(why, ERR_SYSTEM, "%s: %s: %s", slurp_shown(path, shown), doing,
                      strerror(error));
}

/* ---- a line ---- */

static void sum_of(struct str text, char out[SUM + 1])
{
    uint8_t digest[4];
    struct sha256_ctx sha;

    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.p);
    sha256_digest(&sha, sizeof digest, digest);
    (void)snprintf(out, SUM + 1, "%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
}

static bool is_escaped(unsigned char c)
{
    return c <= 0x20 || c == 0x7f || c == '%';
}

static struct str format(const struct revline *l, char out[LINE_MAX_LEN])
{
    char sum[SUM + 1];
    size_t n = SUM + 1;

    n += (size_t)snprintf(out + n, LINE_MAX_LEN - n, "%s%s %llu %llu ", l->undo ? "un" : "",
                          l->is_user ? "user" : "token", (unsigned long long)l->since_ms,
                          (unsigned long long)l->until_ms);
    for (size_t i = 0; i < l->name.len; i++) {
        unsigned char c = (unsigned char)l->name.p[i];
        if (is_escaped(c)) {
            n += (size_t)snprintf(out + n, LINE_MAX_LEN - n, "%%%02X", c);
        } else {
            out[n++] = (char)c;
        }
    }
    sum_of((struct str){out + SUM + 1, n - SUM - 1}, sum);
    memcpy(out, sum, SUM);
    out[SUM] = ' ';
    out[n++] = '\n';
    return (struct str){out, n};
}

static bool take_word(struct str *s, struct str *word)
{
    const char *space = s->len > 0 ? memchr(s->p, ' ', s->len) : NULL;

    if (!space) {
        return false;
    }
    *word = (struct str){s->p, (size_t)(space - s->p)};
    s->p = space + 1;
    s->len -= word->len + 1;
    return true;
}

static bool take_number(struct str *s, uint64_t *out)
{
    struct str word;
    uint64_t v = 0;

    if (!take_word(s, &word) || word.len == 0 || word.len > 19) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        if (word.p[i] < '0' || word.p[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t)(word.p[i] - '0');
    }
    *out = v;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_name(struct str s, char buf[REVFILE_NAME_MAX], struct str *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (n == REVFILE_NAME_MAX) {
            return false;
        }
        if (c == '%' && i + 2 < s.len && hex_digit(s.p[i + 1]) >= 0 && hex_digit(s.p[i + 2]) >= 0) {
            c = (unsigned char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
            i += 2;
        } else if (is_escaped(c)) {
            return false;
        }
        buf[n++] = (char)c;
    }
    *out = (struct str){buf, n};
    return n > 0;
}

/* `s` is without its newline. */
static bool parse(struct str s, char buf[REVFILE_NAME_MAX], struct revline *l)
{
    char sum[SUM + 1];
    struct str word;

    if (!take_word(&s, &word)) {
        return false;
    }
    sum_of(s, sum);
    if (!str_eqz(word, sum) || !take_word(&s, &word)) {
        return false;
    }
    l->undo = str_starts(word, STR_LIT("un"));
    word.p += l->undo ? 2 : 0;
    word.len -= l->undo ? 2 : 0;
    l->is_user = str_eqz(word, "user");
    return (l->is_user || str_eqz(word, "token")) && take_number(&s, &l->since_ms) &&
           take_number(&s, &l->until_ms) && read_name(s, buf, &l->name);
}

/* ---- opening ---- */

static int read_lines(struct revfile *f, int (*each)(void *ctx, const struct revline *l), void *ctx,
                      struct errmsg *why)
{
    char shown[SLURP_SHOWN], name[REVFILE_NAME_MAX];
    char *line = NULL;
    size_t cap = 0;
    ssize_t got;
    int rc = 0;
    int copy = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    FILE *in = copy >= 0 ? fdopen(copy, "re") : NULL;

    if (!in) {
        rc = failed(f->path, "cannot read it", why);
        if (copy >= 0) {
            (void)close(copy);
        }
        return rc;
    }
    while (rc == 0 && (got = getline(&line, &cap, in)) > 0 && line[got - 1] == '\n') {
        struct revline l = {0};
        f->lines++;
        f->size += (uint64_t)got;
        rc = parse((struct str){line, (size_t)got - 1}, name, &l)
                 ? each(ctx, &l)
                 : errmsg_set(why, ERR_INVALID,
                              "%s:%lu: the line is damaged; what it said is lost, so look whom it "
                              "concerned before it is removed",
                              slurp_shown(f->path, shown), f->lines);
    }
    if (rc == 0 && ferror(in)) {
        rc = failed(f->path, "cannot read it", why);
    }
    free(line);
    (void)fclose(in);
    return rc;
}

static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (len >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, slash ? path : ".", len > 0 ? len : 1);
    folder[len > 0 ? len : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    (void)close(fd);
    return rc;
}

static int prepare(struct revfile *f, struct errmsg *why)
{
    char shown[SLURP_SHOWN];
    struct stat st, now;

    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        return failed(f->path, "cannot open it", why);
    }
    if (!S_ISREG(st.st_mode)) {
        return errmsg_set(why, ERR_INVALID, "%s: the file of revocations must be a regular file",
                          slurp_shown(f->path, shown));
    }
    if (st.st_mode & S_IWOTH) {
        return errmsg_set(why, ERR_INVALID,
                          "%s: everybody may write this file (mode %04o), and so take revocations "
                          "back; chmod o-w, better 600, and let the gateway's user own it",
                          slurp_shown(f->path, shown), (unsigned)st.st_mode & 07777);
    }
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0 && errno != EWOULDBLOCK) {
        return failed(f->path, "cannot lock it", why);
    }
    /* Somebody else's, or somebody else has put a new one in its place meanwhile. */
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0 || stat(f->path, &now) != 0 ||
        now.st_ino != st.st_ino || now.st_dev != st.st_dev) {
        return errmsg_set(why, ERR_IN_USE, "%s: another gateway uses this file",
                          slurp_shown(f->path, shown));
    }
    return sync_folder(f->path) == 0 ? 0 : failed(f->path, "cannot sync its folder", why);
}

int revfile_open(const char *path, int (*each)(void *ctx, const struct revline *l), void *ctx,
                 struct revfile **out, struct errmsg *why)
{
    struct revfile *f = calloc(1, sizeof(*f));
    int rc = 0;

    *out = NULL;
    if (f) {
        f->fd = -1;
        /* Written anew, it is renamed: not over a symbolic link. */
        f->path = realpath(path, NULL);
        f->path = f->path ? f->path : strdup(path);
    }
    if (!f || !f->path) {
        free(f);
        return errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    rc = prepare(f, why);
    rc = rc ? rc : read_lines(f, each, ctx, why);
    if (rc == 0 && ftruncate(f->fd, (off_t)f->size) != 0) {
        rc = failed(f->path, "cannot cut a torn last line off", why);
    }
    if (rc != 0) {
        revfile_close(f);
        return rc;
    }
    *out = f;
    return 0;
}

static void drop_fresh(struct revfile *f)
{
    if (f->fresh) {
        (void)fclose(f->fresh);
        (void)unlink(f->temp);
    }
    free(f->temp);
    f->fresh = NULL;
    f->temp = NULL;
}

void revfile_close(struct revfile *f)
{
    if (f) {
        drop_fresh(f);
        if (f->fd >= 0) {
            (void)close(f->fd);
        }
        free(f->path);
        free(f);
    }
}

/* ---- writing ---- */

static bool write_at(int fd, struct str text, uint64_t at)
{
    while (text.len > 0) {
        ssize_t n = pwrite(fd, text.p, text.len, (off_t)at);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            text.p += n;
            text.len -= (size_t)n;
            at += (uint64_t)n;
        }
    }
    return true;
}

int revfile_append(struct revfile *f, const struct revline *l, struct errmsg *why)
{
    char buf[LINE_MAX_LEN];
    struct str line = format(l, buf);
    int rc = 0;

    if (f->broken) {
        return errmsg_set(why, ERR_SYSTEM, "an earlier write to it has failed");
    }
    if (!write_at(f->fd, line, f->size)) {
        rc = failed(f->path, "cannot write to it", why);
    } else if (fdatasync(f->fd) != 0) {
        rc = failed(f->path, "cannot sync it", why);
        f->broken = true; /* nobody knows what the disk has */
    }
    if (rc != 0) {
        f->broken |= ftruncate(f->fd, (off_t)f->size) != 0;
        return rc;
    }
    f->size += line.len;
    f->lines++;
    return 0;
}

unsigned long revfile_lines(const struct revfile *f)
{
    return f->lines;
}

bool revfile_is_broken(const struct revfile *f)
{
    return f->broken;
}

int revfile_begin(struct revfile *f, struct errmsg *why)
{
    size_t room = strlen(f->path) + sizeof ".new-XXXXXX";
    struct stat st;

    f->temp = malloc(room);
    if (!f->temp) {
        return errmsg_set(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    (void)snprintf(f->temp, room, "%s.new-XXXXXX", f->path);
    int fd = mkostemp(f->temp, O_CLOEXEC);
    if (fd < 0) {
        int rc = failed(f->path, "cannot write a new file beside it", why);
        drop_fresh(f);
        return rc;
    }
    f->fresh = fdopen(fd, "w+e");
    f->fresh_lines = 0;
    if (!f->fresh || fstat(f->fd, &st) != 0 || fchmod(fd, st.st_mode & 07777) != 0 ||
        flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int rc = failed(f->path, "cannot write a new file beside it", why);
        if (!f->fresh) {
            (void)close(fd);
            (void)unlink(f->temp);
        }
        drop_fresh(f);
        return rc;
    }
    return 0;
}

void revfile_put(struct revfile *f, const struct revline *l)
{
    char buf[LINE_MAX_LEN];
    struct str line = format(l, buf);

    (void)fwrite(line.p, 1, line.len, f->fresh); /* its error stays until the end */
    f->fresh_lines++;
}

int revfile_end(struct revfile *f, struct errmsg *why)
{
    struct stat st;
    int fd = -1;
    bool good = fflush(f->fresh) == 0 && !ferror(f->fresh) && fsync(fileno(f->fresh)) == 0 &&
                fstat(fileno(f->fresh), &st) == 0;

    if (good) {
        fd = fcntl(fileno(f->fresh), F_DUPFD_CLOEXEC, 0); /* has the lock too */
        good = fd >= 0 && rename(f->temp, f->path) == 0;
    }
    if (!good) {
        int rc = failed(f->path, "cannot put a new file in its place", why);
        if (fd >= 0) {
            (void)close(fd);
        }
        drop_fresh(f);
        return rc;
    }
    (void)fclose(f->fresh);
    f->fresh = NULL;
    drop_fresh(f);
    (void)close(f->fd);
    f->fd = fd;
    f->size = (uint64_t)st.st_size;
    f->lines = f->fresh_lines;
    /* Until the folder is synced, a power cut may bring the old file back, whole: what was
     * appended later would be missing. */
    f->broken = sync_folder(f->path) != 0;
    return f->broken ? failed(f->path, "cannot sync its folder", why) : 0;
}
