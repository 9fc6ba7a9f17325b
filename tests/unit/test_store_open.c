/* What can be wrong with the file, and what is said about it. */
#include "store/schema.h"
#include "support_store.h"
#include "support_store_vfs.h"

#include <sys/wait.h>

static struct rig g;

static void start(void)
{
    rig_init(&g);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(store_open, .init = start, .fini = stop, .timeout = 60);

static void expect(int rc, const char *a, const char *b)
{
    cr_assert_eq(rig_try_open(&g), rc, "%s", g.why.text);
    cr_assert_not_null(strstr(g.why.text, a), "%s", g.why.text);
    cr_assert_not_null(strstr(g.why.text, b), "%s", g.why.text);
    store_free(g.st);
    g.st = NULL;
}

static void write_file(const char *path, const char *content, size_t len)
{
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    cr_assert_eq(fwrite(content, 1, len, f), len);
    fclose(f);
}

static void open_and_stop(void)
{
    rig_open(&g);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        rig_message(&g, 1, "1");
    }
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
}

Test(store_open, places_that_cannot_be)
{
    char path[200];

    g.cfg.path = path;
    snprintf(path, sizeof path, "%s", "");
    expect(ERR_INVALID, "empty", "path");
    snprintf(path, sizeof path, "%s/none/x.db", g.dir);
    expect(ERR_NOT_FOUND, "there is no folder", "/none for the store; make it");
    snprintf(path, sizeof path, "%s", g.dir);
    expect(ERR_INVALID, "is a folder; name a file", "/fanfare.db");
    snprintf(path, sizeof path, "%s/x.db", g.log_path);
    expect(ERR_INVALID, "is no folder", "/log");
    snprintf(path, sizeof path, "%s", "/dev/null");
    expect(ERR_INVALID, "no regular file", "/dev/null");
    snprintf(path, sizeof path, "%s", "/proc/fanfare.db");
    expect(ERR_STORE, "cannot make the store", "/proc/fanfare.db");
}

Test(store_open, names_that_sqlite_would_take_for_something_else)
{
    cr_assert_eq(chdir(g.dir), 0);
    g.cfg.path = ":memory:";
    open_and_stop();
    cr_assert_eq(access(":memory:", F_OK), 0);
    g.cfg.path = "file:x?mode=memory";
    open_and_stop();
    cr_assert_eq(access("file:x?mode=memory", F_OK), 0);
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 20);
}

Test(store_open, without_permission)
{
    if (geteuid() != 0) {
        cr_skip_test("needs root, to become somebody else");
    }
    open_and_stop();
    cr_assert_eq(chmod(g.path, 0644), 0);
    cr_assert_eq(chmod(g.dir, 0755), 0);
    cr_assert_eq(seteuid(65534), 0);
    expect(ERR_STORE, "no permission", "give this user the right");
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chmod(g.path, 0666), 0);
    cr_assert_eq(seteuid(65534), 0);
    expect(ERR_STORE, "it is read-only", "make the file, its folder"); /* no -wal file */
    char path[200];
    snprintf(path, sizeof path, "%s/new.db", g.dir);
    g.cfg.path = path;
    expect(ERR_STORE, "cannot make the store", "no permission");
    cr_assert_eq(seteuid(0), 0);
}

Test(store_open, files_of_others)
{
    char junk[5000];

    memset(junk, 'x', sizeof junk);
    write_file(g.path, junk, sizeof junk);
    expect(ERR_INVALID, "is not an SQLite database", "name another file");
    write_file(g.path, junk, 5);
    expect(ERR_INVALID, "is not an SQLite database", "name another file");
    unlink(g.path);
    rig_sql(&g, "CREATE TABLE customers(x)");
    expect(ERR_INVALID, "of another program", "name another file");
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM sqlite_master"), 1, "nothing was added");
    unlink(g.path);
    rig_sql(&g, "PRAGMA application_id=77");
    expect(ERR_INVALID, "of another program", "name another file");
    /* An empty file, and one that a kill left before its first table, are new. */
    write_file(g.path, "", 0);
    open_and_stop();
    unlink(g.path);
    rig_sql(&g, "PRAGMA journal_mode=WAL; PRAGMA user_version=0");
    open_and_stop();
}

Test(store_open, damaged)
{
    char junk[3000];
    struct stat st;

    open_and_stop();
    memset(junk, 'x', sizeof junk);
    cr_assert_eq(stat(g.path, &st), 0);
    FILE *f = fopen(g.path, "r+");
    cr_assert_not_null(f);
    for (long at = 4096; at < st.st_size; at += 4096) {
        cr_assert_eq(fseek(f, at, SEEK_SET), 0);
        cr_assert_eq(fwrite(junk, 1, sizeof junk, f), sizeof junk);
    }
    fclose(f);
    expect(ERR_INVALID, "is damaged", "fanfare store check");
}

Test(store_open, rows_that_make_no_sense)
{
    static const char *const wrong[][2] = {
        {"UPDATE messages SET lane = 9 WHERE seq = 7", "message 7"},
        {"UPDATE messages SET envelope = 'x' WHERE seq = 7", "message 7"},
        {"UPDATE messages SET seq = 77 WHERE seq = 7", "message 77"},
        {"UPDATE messages SET type = 'other' WHERE seq = 7", "message 7"},
        {"UPDATE lanes SET kind = 2", "message 1"},
        {"UPDATE lanes SET kind = 7", "lane 1"},
        {"UPDATE lanes SET name = x'00'", NULL},
        {"UPDATE meta SET value = '-' WHERE key = 'epoch'", "epoch"},
        {"UPDATE meta SET value = 9223372036854775807 WHERE key = 'top'", "numbers"},
        {"INSERT INTO unacked VALUES(1, 1, 0, 't', '', '{}')", "unacknowledged message 1"},
        {"INSERT INTO ids VALUES('x', x'00', 1, 1, 999999, x'00')", "id of message 1"},
    };

    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unlink(g.path);
        open_and_stop();
        rig_sql(&g, wrong[i][0]);
        if (wrong[i][1]) {
            expect(ERR_INVALID, "is damaged", wrong[i][1]);
        } else { /* must not crash */
            (void)rig_try_open(&g);
            store_free(g.st);
            g.st = NULL;
        }
    }
}

/* In another process: in the same one SQLite would know. */
Test(store_open, in_use_by_another_process)
{
    int ready[2], done[2];
    char byte = 0;

    open_and_stop();
    cr_assert_eq(pipe(ready), 0);
    cr_assert_eq(pipe(done), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct store *other = NULL;
        int rc = store_open(&g.cfg, &other, NULL);
        byte = (char)rc;
        (void)!write(ready[1], &byte, 1);
        close(done[1]);
        (void)!read(done[0], &byte, 1);
        store_free(other);
        _exit(0);
    }
    close(done[0]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(byte, 0);
    expect(ERR_IN_USE, "in use by another process", "stop the gateway first");
    close(done[1]);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 20);
}

Test(store_open, in_use_by_this_process)
{
    struct store *other = NULL;

    rig_open(&g);
    cr_assert_eq(store_open(&g.cfg, &other, &g.why), ERR_IN_USE, "%s", g.why.text);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    rig_message(&g, 1, "1");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0);
}

Test(store_open, a_disk_that_fails)
{
    g.cfg.vfs = shim_register();
    shim_break(FAULT_FULL, 0, true);
    expect(ERR_STORE, "the disk is full", "make room");
    shim_break(FAULT_IO, 0, true);
    expect(ERR_STORE, "cannot open the store", "fanfare.db");
    shim_break(FAULT_SYNC, 0, true);
    expect(ERR_STORE, "input/output error", "look at the disk");
    shim_break(FAULT_BUSY, 0, true);
    expect(ERR_IN_USE, "in use", "stop the gateway first");
    shim_mend();
    open_and_stop();
}

Test(store_open, long_paths_do_not_push_out_the_reason)
{
    char path[400];

    snprintf(path, sizeof path, "%s/", g.dir);
    for (unsigned i = 0; i < 40; i++) {
        strcat(path, "folder/");
    }
    strcat(path, "x.db");
    g.cfg.path = path;
    expect(ERR_NOT_FOUND, "there is no folder ...", "make it");
}

/* ---- versions ---- */

Test(store_open, a_newer_schema_is_refused)
{
    open_and_stop();
    rig_sql(&g, "UPDATE meta SET value = 8 WHERE key = 'schema'");
    expect(ERR_RANGE, "has schema 8", "use the newer fanfare");
    cr_assert_eq(rig_query(&g, "SELECT value FROM meta WHERE key = 'schema'"), 8);
    cr_assert_eq(rig_query(&g, "SELECT value FROM meta WHERE key = 'clean'"), 1);
}

/* A later version of this program, made up: two steps more. */
static const char *later_steps[4] = {
    NULL, NULL, "ALTER TABLE lanes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';",
    "UPDATE lanes SET colour = 'blue'; CREATE TABLE extra(x);"};
static struct schema later = {later_steps, 4};

static void begin_with_ours(void)
{
    cr_assert_eq(schema_current()->version, 2, "then this test begins with an older one");
    later_steps[0] = schema_current()->steps[0];
    later_steps[1] = schema_current()->steps[1];
}

static int bring_up(const struct schema *schema, unsigned *from)
{
    struct db db;

    cr_assert_eq(db_open(&db, g.path, NULL, DB_RUN, &g.why), 0, "%s", g.why.text);
    int rc = schema_bring_up(&db, schema, 1, from, &g.why);
    db_close(&db);
    return rc;
}

Test(store_open, an_older_database_is_brought_up)
{
    unsigned from = 99;

    open_and_stop(); /* by this version */
    begin_with_ours();
    cr_assert_eq(bring_up(&later, &from), 0, "%s", g.why.text);
    cr_assert_eq(from, 2);
    cr_assert_eq(rig_query(&g, "SELECT value FROM meta WHERE key = 'schema'"), 4);
    cr_assert_eq(rig_query(&g, "SELECT colour = 'blue' FROM lanes"), 1);
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM messages"), 20);
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM extra"), 0);
    cr_assert_eq(bring_up(&later, &from), 0);
    cr_assert_eq(from, 4, "there is nothing left to do");
    expect(ERR_RANGE, "has schema 4", "knows schema 2 only");
    unlink(g.path);
    cr_assert_eq(bring_up(&later, &from), 0);
    cr_assert_eq(from, 0, "a new one goes through all steps");
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM extra"), 0);
}

/* Of the version before there were read positions, with messages. */
Test(store_open, the_schema_before)
{
    struct schema first = {schema_current()->steps, 1};
    unsigned from = 99;

    cr_assert_eq(bring_up(&first, &from), 0, "%s", g.why.text);
    rig_sql(&g, "INSERT INTO lanes VALUES(1, 1, 'news', 7, 0);"
                "UPDATE meta SET value = 7 WHERE key = 'top'");
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM sqlite_master WHERE name = 'reads'"), 0);
    rig_open(&g);
    cr_assert_eq(g.r.lanes.n, 1);
    cr_assert_eq(g.r.reads.n, 0);
    cr_assert_eq(g.r.log.top, 7);
    cr_assert(rig_log_has(&g, "brought up to date"));
    rig_read(&g, "news", "ann", 7, 5);
    cr_assert(rig_settle(&g, 0));
    cr_assert(rig_stop(&g, 1000));
    rig_open(&g);
    cr_assert_eq(g.r.reads.n, 1);
    cr_assert_eq(g.r.reads.v[0].seq, 7);
}

Test(store_open, a_step_that_fails_changes_nothing)
{
    unsigned from = 99;

    open_and_stop();
    begin_with_ours();
    later_steps[3] = "CREATE TABLE extra(x); INSERT INTO nowhere VALUES(1)";
    cr_assert_eq(bring_up(&later, &from), ERR_STORE);
    cr_assert_not_null(strstr(g.why.text, "tables of the store"), "%s", g.why.text);
    cr_assert_eq(rig_query(&g, "SELECT value FROM meta WHERE key = 'schema'"), 2);
    cr_assert_eq(rig_query(&g, "SELECT count(*) FROM sqlite_master WHERE name = 'extra'"), 0);
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 20);
}
