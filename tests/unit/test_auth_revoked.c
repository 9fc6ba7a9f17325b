/* Revocations: who, since when, until when; and the file that remembers them. */
#include "auth/revoked.h"
#include "support_auth.h"

#include "auth/revfile.h"
#include <signal.h>
#include <sys/resource.h>

TestSuite(revoked, .init = dir_make, .fini = dir_drop);

static struct errmsg why;

static struct revoked *new_at(const char *path, uint64_t now_ms)
{
    struct revoked *r = NULL;

    cr_assert_eq(revoked_new(path, 100, now_ms, &r, &why), 0, "%s", why.text);
    return r;
}

static int add(struct revoked *r, bool is_user, const char *name, uint64_t since, uint64_t until)
{
    return revoked_add(r, is_user, str_of(name), since, until, 100, &why);
}

static unsigned listed;
static char last[300];

static void count(void *ctx, bool is_user, struct str name, uint64_t since_ms, uint64_t until_ms)
{
    (void)ctx;
    listed++;
    snprintf(last, sizeof last, "%d %.*s %llu %llu", is_user, (int)name.len, name.p,
             (unsigned long long)since_ms, (unsigned long long)until_ms);
}

static unsigned list(struct revoked *r, uint64_t now_ms)
{
    listed = 0;
    revoked_each(r, now_ms, count, NULL);
    return listed;
}

Test(revoked, users_and_tokens)
{
    struct revoked *r = new_at(NULL, 1);

    cr_assert_not(revoked_user(r, S("ann"), 0, 100));
    cr_assert_eq(add(r, true, "ann", 100, 200), 0);
    cr_assert(revoked_user(r, S("ann"), 0, 100)); /* when it was issued is unknown */
    cr_assert(revoked_user(r, S("ann"), 50, 199));
    cr_assert(revoked_user(r, S("ann"), 100, 199));
    cr_assert_not(revoked_user(r, S("ann"), 101, 199)); /* after it */
    cr_assert_not(revoked_user(r, S("ann"), 50, 200));  /* it is over */
    cr_assert_not(revoked_user(r, S("bob"), 50, 150));
    cr_assert_not(revoked_user(r, STR_NONE, 0, 150));
    cr_assert_not(revoked_token(r, S("ann"), 150));
    cr_assert_eq(add(r, false, "jti", 100, 200), 0);
    cr_assert(revoked_token(r, S("jti"), 199));
    cr_assert_not(revoked_token(r, S("jti"), 200));
    cr_assert_not(revoked_token(r, STR_NONE, 150));
    cr_assert_eq(list(r, 150), 2);
    cr_assert_str_eq(last, "0 jti 100 200");
    cr_assert_eq(list(r, 200), 0);
    cr_assert_eq(revoked_remove(r, false, S("ann"), &why), ERR_NOT_FOUND);
    cr_assert_eq(revoked_remove(r, true, S("ann"), &why), 0);
    cr_assert_eq(revoked_remove(r, true, S("ann"), &why), ERR_NOT_FOUND);
    cr_assert_not(revoked_user(r, S("ann"), 0, 100));
    revoked_free(r);
}

Test(revoked, again_never_weakens)
{
    struct revoked *r = new_at(NULL, 1);

    cr_assert_eq(add(r, true, "ann", 100, 900), 0);
    cr_assert_eq(add(r, true, "ann", 200, 300), 0);
    cr_assert_eq(list(r, 250), 1);
    cr_assert_str_eq(last, "1 ann 200 900");
    cr_assert_eq(add(r, true, "ann", 150, 1000), 0); /* the clock was set back */
    cr_assert_eq(list(r, 250), 1);
    cr_assert_str_eq(last, "1 ann 200 1000");
    revoked_free(r);
}

/* Who signs has a clock of its own, which may be ahead. */
Test(revoked, raised)
{
    char path[128];

    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(path, 100);
    cr_assert_eq(revoked_raise(r, S("ann"), 150, 100, &why), ERR_NOT_FOUND);
    cr_assert_eq(revoked_since(r, S("ann"), 100), 0);
    cr_assert_eq(add(r, true, "ann", 100, 120), 0);
    cr_assert_eq(add(r, true, "bob", 100, 900), 0);
    cr_assert_not(revoked_user(r, S("ann"), 101, 110));
    cr_assert_eq(revoked_raise(r, S("ann"), 130, 110, &why), 0); /* over its end, even */
    cr_assert(revoked_user(r, S("ann"), 130, 119));
    cr_assert_not(revoked_user(r, S("ann"), 131, 119));
    cr_assert_not(revoked_user(r, S("ann"), 130, 120));
    cr_assert_eq(revoked_since(r, S("ann"), 119), 130);
    cr_assert_eq(revoked_since(r, S("ann"), 120), 0);
    cr_assert_eq(revoked_raise(r, S("ann"), 140, 120, &why), ERR_NOT_FOUND);
    cr_assert_eq(revoked_raise(r, S("bob"), 130, 110, &why), 0);
    cr_assert_eq(revoked_raise(r, S("bob"), 120, 110, &why), 0); /* lower: nothing */
    cr_assert_eq(revoked_since(r, S("bob"), 110), 130);
    cr_assert_eq(add(r, true, "bob", 112, 900), 0); /* again: stays */
    cr_assert_eq(revoked_since(r, S("bob"), 112), 130);
    revoked_free(r);
    r = new_at(path, 115);
    cr_assert_eq(revoked_since(r, S("ann"), 115), 130);
    cr_assert(revoked_user(r, S("bob"), 130, 115));
    cr_assert_not(revoked_user(r, S("bob"), 131, 115));
    revoked_free(r);
}

/* What could not be written counts all the same, and is written when it is tried again. */
Test(revoked, raised_without_a_disk)
{
    struct rlimit limit, small;
    char path[128];

    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(path, 100);
    cr_assert_eq(add(r, true, "ann", 100, 900), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = strlen(get_file("rev")) + 3;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cr_assert_eq(revoked_raise(r, S("ann"), 150, 110, &why), ERR_SYSTEM);
    cr_assert(revoked_user(r, S("ann"), 150, 110));
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(add(r, true, "ann", 111, 900), 0);
    revoked_free(r);
    r = new_at(path, 120);
    cr_assert(revoked_user(r, S("ann"), 150, 120));
    revoked_free(r);
}

Test(revoked, refuses)
{
    struct revoked *r = NULL;
    char name[300];

    memset(name, 'x', sizeof name);
    cr_assert_eq(revoked_new(NULL, 100, 1, &r, &why), 0);
    cr_assert_eq(add(r, true, "", 1, 2), ERR_INVALID);
    cr_assert_eq(add(r, true, "a", 2, 2), ERR_INVALID);
    cr_assert_eq(revoked_add(r, true, (struct str){name, 257}, 1, 2, 9, &why), ERR_INVALID);
    cr_assert_eq(revoked_add(r, true, (struct str){name, 256}, 1, 9, 9, &why), 0);
    cr_assert_eq(revoked_add(r, true, S("a"), 1, 9, 1, &why), ERR_LIMIT);
    cr_assert_eq(revoked_add(r, true, (struct str){name, 256}, 2, 10, 1, &why), 0); /* no new one */
    cr_assert_eq(revoked_add(r, true, S("a"), 10, 20, 1, &why), 0); /* the old one is over */
    cr_assert_eq(list(r, 10), 1);
    revoked_free(r);
}

Test(revoked, over_a_restart)
{
    char path[128];
    /* Names as they come: spaces, line ends, percent signs, bytes of UTF-8. */
    static const char *const odd[] = {"a b", "a\nb", "%41", "\xc3\xa9", "a\tb%", "\x7f", "user"};
    enum { ODD = sizeof odd / sizeof odd[0] };

    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(path, 100);
    for (unsigned i = 0; i < ODD; i++) {
        cr_assert_eq(add(r, true, odd[i], 100 + i, 900), 0, "%s", why.text);
        cr_assert_eq(add(r, false, odd[i], 100, 900), 0);
    }
    cr_assert_eq(add(r, true, "short", 100, 150), 0);
    cr_assert_eq(add(r, true, "undone", 100, 900), 0);
    cr_assert_eq(revoked_remove(r, true, S("undone"), &why), 0);
    cr_assert_eq(add(r, true, "again", 100, 200), 0);
    cr_assert_eq(add(r, true, "again", 110, 900), 0);
    revoked_free(r);
    for (int i = 0; i < 3; i++) {
        r = new_at(path, 160);
        cr_assert_eq(list(r, 160), 2 * ODD + 1);
        for (unsigned j = 0; j < ODD; j++) {
            cr_assert(revoked_user(r, str_of(odd[j]), 100 + j, 160));
            cr_assert_not(revoked_user(r, str_of(odd[j]), 101 + j, 160));
            cr_assert(revoked_token(r, str_of(odd[j]), 160));
        }
        cr_assert(revoked_user(r, S("again"), 110, 890));
        cr_assert_not(revoked_user(r, S("undone"), 1, 160));
        revoked_free(r);
    }
    struct stat st;
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
}

Test(revoked, a_torn_last_line)
{
    char path[128], whole[4096];
    size_t first;

    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(path, 100);
    cr_assert_eq(add(r, true, "ann", 100, 900), 0);
    first = strlen(get_file("rev"));
    cr_assert_eq(add(r, true, "bob", 100, 900), 0);
    revoked_free(r);
    strcpy(whole, get_file("rev"));
    for (size_t cut = first; cut < strlen(whole); cut++) {
        (void)put_bytes("rev", whole, cut, 0600);
        r = new_at(path, 100);
        cr_assert_eq(list(r, 100), 1, "%zu", cut);
        cr_assert(revoked_user(r, S("ann"), 1, 100));
        cr_assert_eq(add(r, true, "cid", 100, 900), 0);
        revoked_free(r);
        r = new_at(path, 100);
        cr_assert_eq(list(r, 100), 2, "what was added stands on a line of its own");
        revoked_free(r);
    }
}

Test(revoked, any_other_damage_is_told)
{
    char path[128], whole[4096];
    struct revoked *r = new_at(in_dir("rev"), 100);

    strcpy(path, in_dir("rev"));
    for (unsigned i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        cr_assert_eq(add(r, true, name, 100, 900), 0);
    }
    revoked_free(r);
    strcpy(whole, get_file("rev"));
    size_t len = strlen(whole);
    for (size_t i = 0; i + 1 < len; i++) {
        unsigned line = 1;
        char expected[200];
        for (size_t j = 0; j < i; j++) {
            line += whole[j] == '\n';
        }
        whole[i] ^= 1;
        (void)put_bytes("rev", whole, len, 0600);
        whole[i] ^= 1;
        cr_assert_eq(revoked_new(path, 100, 100, &r, &why), ERR_INVALID, "byte %zu", i);
        cr_assert_null(r);
        snprintf(expected, sizeof expected, "%s:%u: ", path, line);
        cr_assert_eq(strncmp(why.text, expected, strlen(expected)), 0, "%s", why.text);
    }
}

Test(revoked, more_than_may_be)
{
    char path[128];
    struct revoked *r;

    strcpy(path, in_dir("rev"));
    r = new_at(path, 100);
    cr_assert_eq(add(r, true, "a", 100, 900), 0);
    cr_assert_eq(add(r, true, "b", 100, 200), 0);
    revoked_free(r);
    cr_assert_eq(revoked_new(path, 1, 100, &r, &why), ERR_LIMIT);
    cr_assert_eq(revoked_new(path, 1, 200, &r, &why), 0, "one is over");
    revoked_free(r);
}

Test(revoked, two_gateways)
{
    char path[128];
    struct revoked *other = NULL;

    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(path, 100);
    cr_assert_eq(revoked_new(path, 10, 100, &other, &why), ERR_IN_USE);
    revoked_free(r);
    r = new_at(path, 100);
    revoked_free(r);
    cr_assert_eq(revoked_new("/nowhere/at/all", 10, 100, &other, &why), ERR_SYSTEM);
    cr_assert_eq(revoked_new(dir, 10, 100, &other, &why), ERR_SYSTEM);
    put_file("open", "", 0602);
    cr_assert_eq(revoked_new(in_dir("open"), 10, 100, &other, &why), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "everybody may write"), "%s", why.text);
}

/* A disk that takes no more: nothing is revoked, and what was stays. */
Test(revoked, a_full_disk)
{
    char path[128];
    struct rlimit none, old;

    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(path, 100);
    cr_assert_eq(add(r, true, "ann", 100, 900), 0);
    size_t len = strlen(get_file("rev"));
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = old;
    none.rlim_cur = len + 10; /* part of a line fits */
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    int rc = add(r, true, "bob", 100, 900);
    int undo = revoked_remove(r, true, S("ann"), &why);
    int again = add(r, true, "ann", 200, 2000);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    cr_assert_eq(rc, ERR_SYSTEM);
    cr_assert_eq(undo, ERR_SYSTEM);
    cr_assert_eq(again, ERR_SYSTEM);
    cr_assert_not(revoked_user(r, S("bob"), 1, 150));
    cr_assert(revoked_user(r, S("ann"), 100, 150));
    cr_assert_not(revoked_user(r, S("ann"), 101, 150));
    cr_assert_eq(list(r, 150), 1);
    cr_assert_eq(strlen(get_file("rev")), len);
    cr_assert_eq(add(r, true, "bob", 100, 900), 0, "%s", why.text);
    revoked_free(r);
    r = new_at(path, 100);
    cr_assert_eq(list(r, 100), 2);
    revoked_free(r);
}

static unsigned lines(void)
{
    unsigned n = 0;

    for (const char *p = get_file("rev"); *p; p++) {
        n += *p == '\n';
    }
    return n;
}

Test(revoked, a_dead_file_is_written_anew)
{
    char path[128], link[128];
    struct stat st;

    put_file("rev", "", 0640);
    snprintf(link, sizeof link, "%s/link", dir);
    cr_assert_eq(symlink("rev", link), 0);
    strcpy(path, in_dir("rev"));
    struct revoked *r = new_at(link, 100);
    cr_assert_eq(add(r, true, "ann", 100, 9000), 0);
    for (unsigned i = 0; i < 700; i++) {
        cr_assert_eq(add(r, false, "x", 100 + i, 5000), 0);
        cr_assert_eq(revoked_remove(r, false, S("x"), &why), 0);
    }
    cr_assert_lt(lines(), 1001);
    cr_assert_gt(lines(), 100);
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
    cr_assert(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    struct revoked *other = NULL;
    cr_assert_eq(revoked_new(path, 10, 100, &other, &why), ERR_IN_USE, "the new file is locked");
    revoked_free(r);
    r = new_at(path, 1000);
    cr_assert_eq(lines(), 1); /* at a start whatever is dead */
    cr_assert_eq(list(r, 1000), 1);
    cr_assert(revoked_user(r, S("ann"), 100, 1000));
    revoked_free(r);
}
