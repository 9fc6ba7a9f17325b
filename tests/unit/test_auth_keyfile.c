/* The file of keys: what is read, what is refused and with which line, what is found. */
#include "auth/keyfile.h"
#include "support_auth.h"

#include "auth/secretfile.h"

TestSuite(keyfile, .init = dir_make, .fini = dir_drop);

static struct errmsg why;

/* The hash of this text is in the files below. */
#define TEXT "ffk_shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static char hash[80];

static void make_hash(void)
{
    char command[256];

    snprintf(command, sizeof command, "printf %%s %s | sha256sum", TEXT);
    FILE *p = popen(command, "r");
    strcpy(hash, "sha256:");
    cr_assert(p && fread(hash + 7, 1, 64, p) == 64);
    pclose(p);
    hash[71] = '\0';
}

static struct keyfile *load(const char *text)
{
    struct keyfile *f = NULL;
    int rc = keyfile_load(put_file("keys", text, 0600), &f, &why);

    cr_assert_eq(rc, 0, "%s", why.text);
    return f;
}

Test(keyfile, everything)
{
    char text[1024];
    struct keyfile *f;
    struct grant *g;

    make_hash();
    snprintf(text, sizeof text,
             "; keys\n\n[shop]\nsecret = %s\npublish = orders.>, private-orders.>\n"
             "publish = a.b\nusers = yes\neveryone = true\nread = on\nadmin = 1\ntickets = yes\n"
             "expires = 2027-01-01T00:00:00Z\ncertificate = billing.internal\npeer = root\n"
             "[none]\npeer=12345\nusers=no\nread=false\nadmin=off\ntickets=0\n[all]\n"
             "certificate = ops\npublish = all",
             hash);
    f = load(text);
    cr_assert_eq(keyfile_count(f), 3);
    g = keyfile_by_text(f, S(TEXT));
    cr_assert(g && g->s.kind == GRANT_KEY && str_eq(g->s.id, S("shop")));
    cr_assert_eq(g->s.rights, RIGHT_ALL & ~(unsigned)RIGHT_ALL_CHANNELS);
    cr_assert_eq(g->s.npublish, 3);
    cr_assert(str_eq(g->s.publish[0], S("orders.>")) && str_eq(g->s.publish[2], S("a.b")));
    cr_assert(g->s.expires_ms == 1798761600000 && g->s.until_ms == 1798761600000);
    cr_assert(str_eq(keyfile_by_uid(f, 0)->s.id, S("shop")));
    cr_assert(str_eq(keyfile_by_certificate(f, S("billing.internal"))->s.id, S("shop")));
    g = keyfile_by_uid(f, 12345);
    cr_assert(g && g->s.rights == 0 && g->s.npublish == 0 && g->s.until_ms == 0);
    g = keyfile_by_certificate(f, S("ops"));
    cr_assert(g && g->s.rights == RIGHT_ALL_CHANNELS);
    cr_assert_null(keyfile_by_uid(f, 1));
    cr_assert_null(keyfile_by_certificate(f, S("op")));
    cr_assert_null(keyfile_by_certificate(f, S("")));
    cr_assert_null(keyfile_by_certificate(f, (struct str){"ops\0", 4}));
    keyfile_free(f);
}

Test(keyfile, texts_that_are_no_key)
{
    static const char *const bad[] = {
        "",
        "ffk_",
        "ffk_shop_",
        "ffk_shop",
        "ffk_shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
        "ffk_shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ffk_shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ffk__AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ffk_other_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "FFK_shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ffk_Shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ffk_twin_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    char text[512];
    struct keyfile *f;

    make_hash();
    /* The twin has the hash of the other's text: no text of its own id fits. */
    snprintf(text, sizeof text, "[shop]\nsecret = %s\n[twin]\nsecret = %s\n[bare]\npeer = 1\n",
             hash, hash);
    f = load(text);
    cr_assert_not_null(keyfile_by_text(f, S(TEXT)));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_null(keyfile_by_text(f, str_of(bad[i])), "%s", bad[i]);
    }
    /* A hash is no key, and an empty place for a hash is none either. */
    cr_assert_null(keyfile_by_text(f, str_of(hash)));
    cr_assert_null(keyfile_by_text(f, S("ffk_bare_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
    keyfile_free(f);
}

Test(keyfile, without_keys)
{
    struct keyfile *f = load("");

    cr_assert_eq(keyfile_count(f), 0);
    cr_assert_null(keyfile_by_text(f, S(TEXT)));
    cr_assert_null(keyfile_by_uid(f, 0));
    keyfile_free(f);
}

#define OK "[a]\npeer = 1\n"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const struct {
    const char *text;
    const char *says; /* behind the path */
} faults[] = {
    {"peer = 1\n", ":1: this stands before the first [id]"},
    {OK "fly = yes\n", ":3: a key has no \"fly\""},
    {OK "tickts = yes\n", ":3: a key has no \"tickts\"; did you mean tickets?"},
    {OK "Read = yes\n", ":3: a key has no \"Read\""},
    {OK "read = maybe\n", ":3: read is yes or no"},
    {OK "read =\n", ":3: read has no value"},
    {OK "read = yes\nread = yes\n", ":4: read stands twice"},
    {OK "peer = 2\n", ":3: peer stands twice"},
    {OK "just words\n", ":3: this is neither"},
    {OK "secret = sha256:1234\n", ":3: a secret is sha256:"},
    {OK "secret = " ZEROS "\n", ":3: a secret is sha256:"},
    {OK "secret = sha256:" ZEROS "0\n", ":3: a secret is sha256:"},
    {OK "secret = ffk_a_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", ":3: a secret is sha256:"},
    {OK "publish = a.>b\n", ":3: publish: "},
    {OK "publish = a,b\n", ":3: publish: put a space behind the comma"},
    {OK "publish = a, , b\n", ":3: publish: "},
    {OK "publish = fanfare.x\n", ":3: publish: "},
    {OK "publish = all, a\n", ":3: publish: \"all\" stands alone"},
    {OK "publish = a\npublish = all\n", ":4: publish: \"all\" stands alone"},
    {OK "publish = all\npublish = a\n", ":4: publish: \"all\" stands alone"},
    {OK "expires = tomorrow\n", ":3: expires: "},
    {OK "certificate = a\tb\n", ":3: "},
    {OK "[a]\npeer = 2\n", ":3: [a] is the key of line 1 already"},
    {"[b]\n" OK, ":1: the key [b] has no secret"},
    {OK "[b]\n\n# end\n", ":3: the key [b] has no secret"},
    {OK "[b c]\n", ":3: a key begins with [id]"},
    {OK "[b\n", ":3: a key begins with [id]"},
    {OK "[]\n", ":3: a key begins with [id]"},
    {OK "[\n", ":3: a key begins with [id]"},
    {OK "[b] ; c\n", ":3: a key begins with [id]"},
    {OK "[b_c]\n", ":3: a key begins with [id]"},
    {OK "[b]\npeer = 1\n", ": the keys [a] and [b] have the same peer"},
    {OK "[b]\ncertificate = x\n[c]\ncertificate = x\n", ": the keys [b] and [c] have the same cer"},
    {OK "[b]\npeer = no-such-user-here\n", ":3: peer: there is no user no-such-user-here"},
};

Test(keyfile, faults)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct keyfile *f = NULL;
        const char *path = put_file("keys", faults[i].text, 0600);
        char says[256];
        snprintf(says, sizeof says, "%s%s", path, faults[i].says);
        cr_expect_eq(keyfile_load(path, &f, &why), ERR_INVALID, "%s", faults[i].text);
        cr_expect_null(f);
        cr_expect_eq(strncmp(why.text, says, strlen(says)), 0, "%s\nis not: %s", why.text, says);
        cr_expect_null(strstr(why.text, "ffk_a"), "a secret in the wrong place stays secret");
    }
}

Test(keyfile, a_nul_byte)
{
    static const char text[] = "[a]\npeer = 1\0\n";
    struct keyfile *f = NULL;

    cr_assert_eq(keyfile_load(put_bytes("keys", text, sizeof text - 1, 0600), &f, &why),
                 ERR_INVALID);
    cr_assert_not_null(strstr(why.text, ":2: the line has a NUL byte"));
}

Test(keyfile, too_many_secrets)
{
    char text[2048] = "[a]\n";
    struct keyfile *f = NULL;

    for (int i = 0; i < KEYFILE_SECRETS; i++) {
        strcat(text, "secret = sha256:" ZEROS "\n");
    }
    keyfile_free(load(text));
    strcat(text, "secret = sha256:" ZEROS "\n");
    cr_assert_eq(keyfile_load(put_file("keys", text, 0600), &f, &why), ERR_INVALID);
}

Test(keyfile, files_that_are_refused)
{
    struct keyfile *f = NULL;
    char fifo[128];

    cr_assert_eq(keyfile_load(in_dir("none"), &f, &why), ERR_SYSTEM);
    cr_assert_not_null(strstr(why.text, "/none: No such file"));
    cr_assert_eq(keyfile_load(dir, &f, &why), ERR_INVALID);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(keyfile_load(fifo, &f, &why), ERR_INVALID);
    cr_assert_eq(keyfile_load(put_file("keys", OK, 0602), &f, &why), ERR_INVALID);
    cr_assert_not_null(strstr(why.text, "everybody may write this file (mode 0602)"), "%s",
                       why.text);
    cr_assert_eq(keyfile_load(put_file("keys", OK, 0644), &f, &why), 0);
    keyfile_free(f);
}

Test(keyfile, what_is_still_there)
{
    char one[512], two[512];
    struct keyfile *before, *after;

    make_hash();
    snprintf(one, sizeof one, "[shop]\nsecret = %s\npeer = 1\nread = yes\n[b]\npeer = 2\n", hash);
    before = load(one);
    struct grant *by_text = keyfile_by_text(before, S(TEXT));
    struct grant *by_uid = keyfile_by_uid(before, 1);
    struct {
        const char *text;
        enum keyfile_still by_text, by_uid;
    } cases[] = {
        {"[shop]\npeer = 1\nread = yes\n", KEYFILE_GONE, KEYFILE_SAME},
        {"[shop]\nsecret = sha256:" ZEROS "\nsecret = %s\nread = yes\n", KEYFILE_SAME,
         KEYFILE_GONE},
        {"[shop]\nsecret = %s\npeer = 1\n", KEYFILE_CHANGED, KEYFILE_CHANGED},
        {"[shop]\nsecret = %s\nread = yes\npublish = a\npeer = 1\n", KEYFILE_CHANGED,
         KEYFILE_CHANGED},
        {"[shop]\nsecret = %s\nread = yes\npeer = 3\n", KEYFILE_SAME, KEYFILE_GONE},
        {"[soap]\nsecret = %s\nread = yes\npeer = 1\n", KEYFILE_GONE, KEYFILE_GONE},
        {"", KEYFILE_GONE, KEYFILE_GONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *mark = strstr(cases[i].text, "%s");
        int head = mark ? (int)(mark - cases[i].text) : (int)strlen(cases[i].text);
        snprintf(two, sizeof two, "%.*s%s%s", head, cases[i].text, mark ? hash : "",
                 mark ? mark + 2 : "");
        after = load(two);
        cr_expect_eq(keyfile_still(after, by_text), cases[i].by_text, "%zu", i);
        cr_expect_eq(keyfile_still(after, by_uid), cases[i].by_uid, "%zu", i);
        keyfile_free(after);
    }
    keyfile_free(before);
}

Test(keyfile, times)
{
    static const struct {
        const char *text;
        uint64_t ms; /* 0: none */
    } times[] = {
        {"2027-01-01T00:00:00Z", 1798761600000},
        {"2027-01-01t00:00:00z", 1798761600000},
        {"2027-01-01T00:00:00.5Z", 1798761600500},
        {"2027-01-01T00:00:00.123456Z", 1798761600123},
        {"2027-01-01T01:00:00+01:00", 1798761600000},
        {"2026-12-31T23:30:00-00:30", 1798761600000},
        {"2028-02-29T00:00:00Z", 1835395200000},
        {"2027-02-29T00:00:00Z", 0},
        {"2027-13-01T00:00:00Z", 0},
        {"2027-00-01T00:00:00Z", 0},
        {"2027-01-00T00:00:00Z", 0},
        {"2027-01-01T24:00:00Z", 0},
        {"2027-01-01T00:60:00Z", 0},
        {"2027-01-01T00:00:00", 0},
        {"2027-01-01T00:00:00.Z", 0},
        {"2027-01-01T00:00:00+0100", 0},
        {"2027-01-01T00:00:00Zx", 0},
        {"2027-01-01 00:00:00Z", 0},
        {"2027-01-01", 0},
        {"1969-12-31T00:00:00Z", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00+01:00", 0},
        {"27-01-01T00:00:00Z", 0},
        {"", 0},
    };

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t ms = 0;
        int rc = keyfile_parse_time(str_of(times[i].text), &ms, &why);
        cr_expect_eq(rc, times[i].ms ? 0 : ERR_INVALID, "%s", times[i].text);
        cr_expect_eq(ms, times[i].ms, "%s: %llu", times[i].text, (unsigned long long)ms);
    }
}

/* ---- files with a secret ---- */

Test(keyfile, secret_files)
{
    char *secret = NULL;
    size_t len = 0;

    cr_assert_eq(secretfile_read(put_file("s", "hunter2\n", 0600), &secret, &len, &why), 0);
    cr_assert_str_eq(secret, "hunter2");
    cr_assert_eq(len, 7);
    secretfile_free(secret, len);
    cr_assert_eq(secretfile_read(put_file("s", "a\n\n", 0640), &secret, &len, &why), 0);
    cr_assert_str_eq(secret, "a\n");
    secretfile_free(secret, len);
    cr_assert_eq(secretfile_read(put_file("s", "hunter2", 0644), &secret, &len, &why), ERR_INVALID);
    cr_assert_null(secret);
    cr_assert_not_null(strstr(why.text, "everybody may read this file"));
    cr_assert_null(strstr(why.text, "hunter2"));
    cr_assert_eq(secretfile_read(put_file("s", "\n", 0600), &secret, &len, &why), ERR_INVALID);
    cr_assert_eq(secretfile_read(put_file("s", "", 0600), &secret, &len, &why), ERR_INVALID);
    cr_assert_eq(secretfile_read(in_dir("none"), &secret, &len, &why), ERR_SYSTEM);
    cr_assert_eq(truncate(put_file("s", "x", 0600), SECRETFILE_MAX + 1), 0);
    cr_assert_eq(secretfile_read(in_dir("s"), &secret, &len, &why), ERR_INVALID);
    secretfile_free(NULL, 0);
}
