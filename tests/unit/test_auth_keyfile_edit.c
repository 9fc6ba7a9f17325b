/* Changing a file of keys: what is written, what stays, what is refused. */
#include "auth/keyfile.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define S(text) STR_LIT(text)

static char dir[64], path[96];
static char key[KEYFILE_KEY_MAX];
static struct errmsg why;

static void start(void)
{
    strcpy(dir, "/tmp/fanfare-keys-XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/keys", dir);
}

static void stop(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(keyfile_edit, .init = start, .fini = stop);

static void put(const char *text)
{
    FILE *f = fopen(path, "we");

    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static char *get(void)
{
    static char text[8192];
    FILE *f = fopen(path, "re");

    cr_assert(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static unsigned files(void)
{
    char command[128];
    unsigned n = 0;

    snprintf(command, sizeof command, "ls -A %s | wc -l", dir);
    FILE *p = popen(command, "r");
    cr_assert(p && fscanf(p, "%u", &n) == 1);
    pclose(p);
    return n;
}

static mode_t mode(void)
{
    struct stat st;

    cr_assert_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static struct grant *look(const char *text)
{
    struct keyfile *f = NULL;

    cr_assert_eq(keyfile_load(path, &f, &why), 0, "%s", why.text);
    struct grant *g = keyfile_by_text(f, str_of(text));
    if (g) {
        grant_ref(g);
    }
    keyfile_free(f);
    return g;
}

static bool works(const char *text)
{
    struct grant *g = look(text);

    grant_unref(g);
    return g != NULL;
}

static struct keyfile_info plain(const char *id)
{
    return (struct keyfile_info){.id = str_of(id), .nsecrets = 1};
}

static void add(const char *id)
{
    struct keyfile_info info = plain(id);

    cr_assert_eq(keyfile_add(path, &info, key, &why), 0, "%s", why.text);
}

Test(keyfile_edit, makes_the_file)
{
    struct keyfile_info info = {.id = S("shop-1"),
                                .rights = RIGHT_USERS | RIGHT_TICKETS,
                                .publish = S("orders.>, private-orders.>"),
                                .nsecrets = 1,
                                .expires_ms = 1798761600000,
                                .certificate = S("billing.internal"),
                                .peer = S("root")};

    cr_assert_eq(keyfile_add(path, &info, key, &why), 0, "%s", why.text);
    cr_assert_eq(mode(), 0600);
    cr_assert_eq(files(), 1);
    cr_assert_eq(strlen(key), strlen("ffk_shop-1_") + 43);
    cr_assert_eq(strncmp(key, "ffk_shop-1_", 11), 0);
    cr_assert_null(strstr(get(), key + 11));
    cr_assert_not_null(strstr(get(), "expires = 2027-01-01T00:00:00.000Z\n"));
    struct grant *g = look(key);
    cr_assert(g && g->s.kind == GRANT_KEY && str_eq(g->s.id, S("shop-1")));
    cr_assert_eq(g->s.rights, RIGHT_USERS | RIGHT_TICKETS);
    cr_assert_eq(g->s.npublish, 2);
    cr_assert(str_eq(g->s.publish[1], S("private-orders.>")));
    cr_assert_eq(g->s.expires_ms, 1798761600000);
    grant_unref(g);
}

Test(keyfile_edit, keeps_the_rest)
{
    static const char before[] = "# ours\n; and theirs\n\n[old]\r\n  secret =  sha256:"
                                 "0000000000000000000000000000000000000000000000000000000000000000"
                                 "\r\n\tread=yes  \r\n# tail, no newline";
    put(before);
    cr_assert_eq(chmod(path, 0640), 0);
    add("new");
    cr_assert_eq(strncmp(get(), before, strlen(before)), 0);
    cr_assert_eq(mode(), 0640);
    cr_assert(works(key));
    cr_assert_eq(files(), 1);
}

Test(keyfile_edit, adding_and_revoking_leaves_nothing)
{
    char before[8192];

    add("a");
    add("b");
    strcpy(before, get());
    add("c");
    cr_assert_eq(keyfile_revoke(path, S("c"), &why), 0);
    cr_assert_str_eq(get(), before);
    cr_assert_eq(keyfile_revoke(path, S("a"), &why), 0);
    cr_assert_null(strstr(get(), "[a]"));
    cr_assert_not_null(strstr(get(), "[b]"));
    cr_assert_eq(keyfile_revoke(path, S("b"), &why), 0);
    cr_assert_eq(keyfile_revoke(path, S("b"), &why), ERR_NOT_FOUND);
    cr_assert_not(works(key));
}

Test(keyfile_edit, revokes_its_lines_alone)
{
    put("# top\n[a]\npeer = root\n# of a\nread = yes\n# of b\n[b]\npeer = 77\n");
    cr_assert_eq(keyfile_revoke(path, S("a"), &why), 0, "%s", why.text);
    cr_assert_str_eq(get(), "# top\n# of b\n[b]\npeer = 77\n");
    cr_assert_eq(keyfile_revoke(path, S("b"), &why), 0);
    cr_assert_str_eq(get(), "# top\n# of b\n");
}

Test(keyfile_edit, rotates)
{
    char first[KEYFILE_KEY_MAX], before[8192];
    unsigned dropped = 9;

    add("a");
    strcpy(first, key);
    add("b");
    strcpy(before, get());
    cr_assert_eq(keyfile_rotate(path, S("a"), key, &why), 0, "%s", why.text);
    cr_assert(works(first) && works(key) && strcmp(first, key) != 0);
    cr_assert_eq(keyfile_finish(path, S("a"), &dropped, &why), 0, "%s", why.text);
    cr_assert_eq(dropped, 1);
    cr_assert(!works(first) && works(key));
    cr_assert_eq(strlen(get()), strlen(before));
    cr_assert_eq(keyfile_finish(path, S("a"), &dropped, &why), 0);
    cr_assert_eq(dropped, 0);
    cr_assert(works(key));
    cr_assert_eq(keyfile_rotate(path, S("x"), key, &why), ERR_NOT_FOUND);
    cr_assert_eq(keyfile_finish(path, S("x"), &dropped, &why), ERR_NOT_FOUND);
    for (unsigned i = 1; i < KEYFILE_SECRETS; i++) {
        cr_assert_eq(keyfile_rotate(path, S("a"), key, &why), 0);
    }
    cr_assert_eq(keyfile_rotate(path, S("a"), key, &why), ERR_LIMIT);
    cr_assert_str_empty(key);
}

Test(keyfile_edit, rotates_where_there_was_none)
{
    put("[a]\npeer = root");
    cr_assert_eq(keyfile_rotate(path, S("a"), key, &why), 0, "%s", why.text);
    cr_assert(works(key));
    cr_assert_not_null(strstr(get(), "\npeer = root"));
}

Test(keyfile_edit, refuses)
{
    struct {
        struct keyfile_info info;
        int rc;
    } bad[] = {
        {plain("old"), ERR_EXISTS},
        {plain(""), ERR_INVALID},
        {plain("a_b"), ERR_INVALID},
        {plain("a]\n[b"), ERR_INVALID},
        {plain("a2345678901234567890123456789012345678901"), ERR_INVALID},
        {{.id = S("x")}, ERR_INVALID}, /* nobody could use it */
        {{.id = S("x"), .nsecrets = 1, .publish = S("a.>\nadmin = yes")}, ERR_INVALID},
        {{.id = S("x"), .nsecrets = 1, .publish = S("a.>b")}, ERR_INVALID},
        {{.id = S("x"), .nsecrets = 1, .publish = S("a,b")}, ERR_INVALID},
        {{.id = S("x"), .nsecrets = 1, .peer = S("root\nadmin = yes")}, ERR_INVALID},
        {{.id = S("x"), .nsecrets = 1, .peer = S("no-such-user-here")}, ERR_INVALID},
        {{.id = S("x"), .nsecrets = 1, .certificate = S("c\rd")}, ERR_INVALID},
        {{.id = S("x"), .peer = S("0")}, ERR_INVALID}, /* root's already */
        {{.id = S("x"), .certificate = S("cert")}, ERR_INVALID},
    };
    char before[8192];

    put("[old]\npeer = root\n[other]\ncertificate = cert\n");
    strcpy(before, get());
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        strcpy(key, "?");
        cr_expect_eq(keyfile_add(path, &bad[i].info, key, &why), bad[i].rc, "%zu: %s", i, why.text);
        cr_expect_str_empty(key);
        cr_expect_str_eq(get(), before);
    }
    cr_assert_eq(files(), 1);
}

Test(keyfile_edit, refuses_what_the_gateway_would)
{
    unsigned dropped;
    struct keyfile_info info = plain("b");

    put("[a]\npeer = root\nfly = yes\n");
    cr_assert_eq(keyfile_add(path, &info, key, &why), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "keys:3: "), "%s", why.text);
    cr_assert_eq(keyfile_revoke(path, S("a"), &why), ERR_INVALID);
    cr_assert_eq(keyfile_rotate(path, S("a"), key, &why), ERR_INVALID);
    cr_assert_eq(keyfile_finish(path, S("a"), &dropped, &why), ERR_INVALID);
    cr_assert_str_eq(get(), "[a]\npeer = root\nfly = yes\n");
    put("[a]\npeer = root\n");
    cr_assert_eq(chmod(path, 0666), 0);
    cr_assert_eq(keyfile_add(path, &info, key, &why), ERR_INVALID);
    cr_assert_eq(files(), 1);
}

/* A user that is gone does not keep a key from being revoked. */
Test(keyfile_edit, revokes_what_cannot_be_loaded)
{
    put("[a]\npeer = no-such-user-here\n");
    cr_assert_eq(keyfile_revoke(path, S("a"), &why), 0, "%s", why.text);
}

Test(keyfile_edit, no_file)
{
    unsigned dropped;

    cr_assert_eq(keyfile_revoke(path, S("a"), &why), ERR_NOT_FOUND);
    cr_assert_eq(keyfile_rotate(path, S("a"), key, &why), ERR_NOT_FOUND);
    cr_assert_eq(keyfile_finish(path, S("a"), &dropped, &why), ERR_NOT_FOUND);
    cr_assert_eq(keyfile_list(path, NULL, NULL, &why), ERR_SYSTEM);
    struct keyfile_info info = {.id = S("a")}; /* bad: makes no file */
    cr_assert_eq(keyfile_add(path, &info, key, &why), ERR_INVALID);
    cr_assert_eq(files(), 0);
    strcat(path, "/keys");
    info = plain("a");
    cr_assert_neq(keyfile_add(path, &info, key, &why), 0);
    cr_assert_eq(files(), 0);
}

Test(keyfile_edit, through_a_link)
{
    char link[128];
    struct stat st;

    put("[a]\npeer = root\n");
    snprintf(link, sizeof link, "%s/link", dir);
    cr_assert_eq(symlink("keys", link), 0);
    struct keyfile_info info = plain("b");
    cr_assert_eq(keyfile_add(link, &info, key, &why), 0, "%s", why.text);
    cr_assert(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    cr_assert(works(key));
    cr_assert_eq(unlink(path), 0);
    cr_assert_neq(keyfile_add(link, &info, key, &why), 0, "a link to nowhere");
}

Test(keyfile_edit, waits_for_another, .timeout = 30)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    struct keyfile_info info = plain("b");

    cr_assert_eq(flock(fd, LOCK_EX), 0);
    cr_assert_eq(keyfile_add(path, &info, key, &why), ERR_BUSY, "%s", why.text);
    close(fd);
    cr_assert_eq(keyfile_add(path, &info, key, &why), 0);
}

static unsigned told;

static void one(void *ctx, const struct keyfile_info *info)
{
    (void)ctx;
    told++;
    if (str_eq(info->id, S("a"))) {
        cr_assert(str_eq(info->publish, S("b.>, c, d")), "%.*s", (int)info->publish.len,
                  info->publish.p);
        cr_assert(info->rights == RIGHT_READ && info->nsecrets == 0 && info->expires_ms > 0);
        cr_assert(str_eq(info->peer, S("root")) && info->certificate.len == 0);
    } else {
        cr_assert(str_eq(info->publish, S("all")));
        cr_assert(info->rights == RIGHT_ALL_CHANNELS && info->expires_ms == 0);
        cr_assert(str_eq(info->certificate, S("x")));
    }
}

Test(keyfile_edit, lists)
{
    put("[a]\npeer = root\npublish = b.>  c\npublish = d,\nread = yes\nadmin = no\n"
        "expires = 2027-01-01T00:00:00Z\n[b]\ncertificate = x\npublish = all\n");
    cr_assert_eq(keyfile_list(path, one, NULL, &why), 0, "%s", why.text);
    cr_assert_eq(told, 2);
}
