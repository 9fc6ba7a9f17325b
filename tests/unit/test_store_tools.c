/* check, compact, export and import: on good stores, on damaged ones, on those in
 * use. */
#include "support_store.h"

static struct rig g, other;
static char out[160];

static void start(void)
{
    rig_init(&g);
    rig_init(&other);
    snprintf(out, sizeof out, "%s/export.jsonl", g.dir);
}

static void stop(void)
{
    rig_fini(&g);
    rig_fini(&other);
}

TestSuite(store_tools, .init = start, .fini = stop, .timeout = 60);

static struct store_report report;

static int check(const struct rig *r)
{
    g.why.text[0] = '\0';
    return store_check(r->path, NULL, NULL, &report, &g.why);
}

static struct once *some_once(uint64_t first)
{
    struct once *o =
        once_new(STR_LIT("m\xc3\xbcll \"1\""), (const uint8_t *)"0123456789abcde\xff", 2);
    cr_assert_not_null(o);
    o->first = first;
    o->at_ms = RIG_NOW;
    o->results[0] = (struct once_result){70000, 1};
    o->results[1] = (struct once_result){0, 3};
    return o;
}

static void fill(struct rig *r, bool stop_it)
{
    struct item *i;

    rig_open(r);
    rig_lane(r, 1, TARGET_CHANNEL, "news", 0, 0);
    rig_lane(r, 2, TARGET_USER, "J\xc3\xb6rg \"x\"", 0, 4);
    rig_lane(r, 3, TARGET_EVERYONE, "", 0, 0);
    rig_message(r, 1, "{\"price\":99.99,\"a\":[[[[[[1]]]]]]}");
    rig_put(r, rig_new_message(r, TARGET_EVERYONE, "", 3, "null"));
    i = rig_new_message(r, TARGET_CHANNEL, "news", 1, "3");
    i->rec.once = some_once(3);
    rig_put(r, i);
    i = rig_new_message(r, TARGET_USER, "J\xc3\xb6rg \"x\"", 2, "\"4\"");
    i->rec.ack = true;
    i->rec.expires_ms = RIG_NOW + 5000;
    rig_put(r, i);
    for (unsigned n = 0; n < 200; n++) {
        rig_message(r, 1, "\"0123456789012345678901234567890123456789\"");
    }
    rig_read(r, "news", "J\xc3\xb6rg \"x\"", 3, RIG_NOW);
    rig_read(r, "news", "ann", 204, RIG_NOW - 1);
    cr_assert(rig_settle(r, 0));
    if (stop_it) {
        cr_assert(rig_stop(r, 1000));
    }
}

static void check_same(const struct rig *a, const struct rig *b, bool same_epoch)
{
    const struct kept *m = &a->r.messages, *n = &b->r.messages;

    cr_assert_eq(m->n, 204);
    cr_assert_eq(n->n, m->n);
    for (unsigned i = 0; i < m->n; i++) {
        cr_assert_eq(n->v[i].seq, m->v[i].seq);
        cr_assert_eq(n->v[i].lane, m->v[i].lane);
        cr_assert_eq(n->v[i].at_ms, m->v[i].at_ms);
        cr_assert_eq(n->v[i].expires_ms, m->v[i].expires_ms);
        cr_assert_str_eq(n->v[i].key, m->v[i].key);
        cr_assert_eq(strcmp(n->v[i].envelope, m->v[i].envelope) == 0, same_epoch);
    }
    cr_assert_eq(b->r.lanes.n, 3);
    cr_assert_str_eq(b->r.lanes.v[1].name, a->r.lanes.v[1].name);
    cr_assert_eq(b->r.lanes.v[1].queued, 4);
    cr_assert_eq(b->r.unacked.n, 1);
    cr_assert_str_eq(b->r.unacked.v[0].id, "id-4");
    cr_assert_eq(b->r.ids.n, 1);
    cr_assert_str_eq(b->r.ids.v[0].id, "m\xc3\xbcll \"1\"");
    cr_assert_eq(memcmp(b->r.ids.v[0].hash, "0123456789abcde\xff", ONCE_HASH), 0);
    cr_assert_eq(b->r.ids.v[0].results[0].matched, 70000);
    cr_assert_eq(b->r.ids.v[0].results[1].status, 3);
    cr_assert_eq(b->r.reads.n, 2);
    cr_assert_str_eq(b->r.reads.v[0].id, "ann");
    cr_assert_eq(b->r.reads.v[0].seq, 204);
    cr_assert_eq(b->r.reads.v[0].at_ms, RIG_NOW - 1);
    cr_assert_str_eq(b->r.reads.v[1].id, "J\xc3\xb6rg \"x\"");
    cr_assert_str_eq(b->r.reads.v[1].name, "news");
    cr_assert_eq(b->r.log.top, a->r.log.top);
}

/* ---- check ---- */

Test(store_tools, a_good_store)
{
    struct stat st;

    fill(&g, true);
    cr_assert_eq(check(&g), 0, "%s", g.why.text);
    cr_assert_eq(report.messages, 204);
    cr_assert_eq(report.lanes, 3);
    cr_assert_eq(report.unacked, 1);
    cr_assert_eq(report.ids, 1);
    cr_assert_eq(report.top, 204);
    cr_assert_eq(report.epoch, RIG_EPOCH);
    cr_assert_eq(report.reads, 2);
    cr_assert_eq(report.schema, 2);
    cr_assert(report.clean);
    cr_assert_eq(stat(g.path, &st), 0);
    cr_assert_eq(report.bytes, st.st_size);
    cr_assert_neq(access(strcat(strcpy(out, g.path), "-wal"), F_OK), 0, "nothing is left behind");
}

static uint64_t sum_of(const char *path)
{
    FILE *f = fopen(path, "r");
    uint64_t sum = 0;
    int c;

    cr_assert_not_null(f, "%s", path);
    while ((c = getc(f)) != EOF) {
        sum = sum * 31 + (unsigned)c;
    }
    fclose(f);
    return sum;
}

Test(store_tools, checking_what_a_kill_left_changes_nothing)
{
    char wal[160];

    fill(&g, false);
    rig_copy_files(&g, &other);
    snprintf(wal, sizeof wal, "%s-wal", other.path);
    uint64_t before = sum_of(other.path), wal_before = sum_of(wal);
    cr_assert_eq(check(&other), 0, "%s", g.why.text);
    cr_assert_eq(report.messages, 204, "what stands in the write-ahead log counts");
    cr_assert_not(report.clean);
    cr_assert_eq(sum_of(other.path), before);
    cr_assert_eq(sum_of(wal), wal_before);
    rig_open(&other);
    cr_assert_eq(other.r.messages.n, 204);
}

Test(store_tools, where_nothing_can_be_written)
{
    if (geteuid() != 0) {
        cr_skip_test("needs root, to become somebody else");
    }
    fill(&g, true);
    cr_assert_eq(chmod(g.path, 0444), 0);
    cr_assert_eq(chmod(g.dir, 0555), 0);
    cr_assert_eq(seteuid(65534), 0);
    cr_assert_eq(check(&g), 0, "%s", g.why.text);
    cr_assert_eq(report.messages, 204);
    cr_assert_eq(seteuid(0), 0);
}

Test(store_tools, faults_are_found)
{
    static const char *const wrong[][2] = {
        {"UPDATE messages SET lane = 9 WHERE seq = 7", "message 7 has no lane"},
        {"UPDATE messages SET lane = 3 WHERE seq = 7", "message 7 is no envelope"},
        {"INSERT INTO lanes VALUES(4, 1, 'other', 0, 0);"
         "UPDATE messages SET lane = 4 WHERE seq = 7",
         "message 3mv-7 is in the lane of another"},
        {"UPDATE messages SET envelope = '{}' WHERE seq = 7", "message 7 is no envelope"},
        {"UPDATE messages SET envelope = replace(envelope, 'id-8', 'id\x01') WHERE seq = 8",
         "message 8 is no envelope"},
        {"UPDATE messages SET type = 'x' WHERE seq = 7", "message 7 is no envelope"},
        {"UPDATE lanes SET evicted = 1 WHERE id = 1", "message 1 is among those"},
        {"UPDATE messages SET seq = 999 WHERE seq = 7", "message 999 has a number"},
        {"UPDATE lanes SET name = 'a b' WHERE id = 1", "lane 1 has a bad name"},
        {"UPDATE lanes SET kind = 5 WHERE id = 1", "lane 1 has a bad name"},
        {"UPDATE lanes SET queued = 1 << 40 WHERE id = 2", "lane 2 has numbers"},
        {"UPDATE unacked SET envelope = 'x'", "the unacknowledged message 4"},
        {"UPDATE ids SET results = x'00'", "the id of message 3"},
        {"UPDATE ids SET count = 3", "the id of message 3"},
        {"UPDATE reads SET seq = 999 WHERE user = 'ann'", "read up to, 999, was never"},
        {"UPDATE reads SET user = '' WHERE user = 'ann'", "read up to has a bad name"},
        {"UPDATE reads SET channel = 'a b'", "read up to has a bad name"},
        {"UPDATE meta SET value = NULL WHERE key = 'epoch'", "there is no epoch"},
        {"UPDATE meta SET value = 1 << 40 WHERE key = 'top'", "top is beyond"},
        {"UPDATE meta SET value = 1 << 40 WHERE key = 'floor'", "floor is beyond"},
        {"INSERT INTO lost VALUES(1, 1 << 40)", "a lost range"},
        {"PRAGMA writable_schema=1; DELETE FROM sqlite_master WHERE name = 'messages_by_lane'",
         "1 fault"},
    };

    fill(&g, true);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char command[300];
        snprintf(command, sizeof command, "cp '%s' '%s'", g.path, other.path);
        cr_assert_eq(system(command), 0);
        rig_sql(&other, wrong[i][0]);
        cr_assert_eq(check(&other), ERR_INVALID, "%s: not found", wrong[i][0]);
        cr_assert_not_null(strstr(g.why.text, "damaged"), "%s", g.why.text);
        cr_assert_not_null(strstr(g.why.text, wrong[i][1]), "%s: %s", wrong[i][0], g.why.text);
    }
    rig_sql(&g, "UPDATE messages SET type = 'x'");
    cr_assert_eq(check(&g), ERR_INVALID);
    cr_assert_not_null(strstr(g.why.text, "204 faults"), "%s", g.why.text);
}

Test(store_tools, damaged_pages)
{
    FILE *f;
    long size;
    unsigned found = 0;

    fill(&g, true);
    cr_assert_not_null(f = fopen(g.path, "r+"));
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    for (long at = 0; at < size; at += 1024) { /* one after the other, then as it was */
        char was[16], junk[16];
        memset(junk, 0xa5, sizeof junk);
        cr_assert_eq(fseek(f, at, SEEK_SET), 0);
        cr_assert_eq(fread(was, 1, sizeof was, f), sizeof was);
        cr_assert_eq(fseek(f, at, SEEK_SET), 0);
        cr_assert_eq(fwrite(junk, 1, sizeof junk, f), sizeof junk);
        cr_assert_eq(fflush(f), 0);
        int rc = check(&g);
        cr_assert(rc == 0 || rc == ERR_INVALID, "at %ld: %d %s", at, rc, g.why.text);
        found += rc != 0;
        cr_assert_eq(fseek(f, at, SEEK_SET), 0);
        cr_assert_eq(fwrite(was, 1, sizeof was, f), sizeof was);
        cr_assert_eq(fflush(f), 0);
    }
    fclose(f);
    cr_assert_eq(check(&g), 0, "%s", g.why.text);
    cr_assert_gt(found, (unsigned)(size / 1024) / 2); /* (the rest is unused room) */
}

/* ---- none, or in use ---- */

static int each_tool(unsigned which)
{
    uint64_t a, b;

    g.why.text[0] = '\0';
    switch (which) {
    case 0:
        return check(&g);
    case 1:
        return store_compact(g.path, NULL, NULL, &a, &b, &g.why);
    case 2:
        return store_export(g.path, out, NULL, NULL, &a, &g.why);
    default:
        return store_import(g.path, out, false, NULL, NULL, &a, &g.why);
    }
}

Test(store_tools, in_use)
{
    fill(&g, false);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(each_tool(i), ERR_IN_USE, "%u: %s", i, g.why.text);
        cr_assert_not_null(
            strstr(g.why.text, "is in use by another process; stop the gateway first"), "%s",
            g.why.text);
        cr_assert_neq(access(out, F_OK), 0);
    }
    cr_assert_eq(each_tool(3), ERR_EXISTS);
    rig_message(&g, 1, "1");
    cr_assert(rig_settle(&g, 0));
    cr_assert_eq(g.r.errors, 0, "and nobody is disturbed");
}

Test(store_tools, no_store)
{
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(each_tool(i), ERR_NOT_FOUND, "%s", g.why.text);
        cr_assert_not_null(strstr(g.why.text, "there is no store"), "%s", g.why.text);
        cr_assert_neq(access(g.path, F_OK), 0, "none is made");
    }
    fclose(fopen(g.path, "w"));
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(each_tool(i), ERR_INVALID, "%s", g.why.text);
    }
    unlink(g.path);
    fill(&g, true);
    rig_sql(&g, "UPDATE meta SET value = 3 WHERE key = 'schema'");
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(each_tool(i), ERR_RANGE, "%s", g.why.text);
        cr_assert_not_null(strstr(g.why.text, "newer fanfare"), "%s", g.why.text);
    }
}

/* ---- compact ---- */

Test(store_tools, compacting_gives_room_back)
{
    uint64_t before, after;
    struct stat st;

    fill(&g, true);
    rig_sql(&g, "DELETE FROM messages WHERE seq > 10");
    cr_assert_eq(store_compact(g.path, NULL, NULL, &before, &after, &g.why), 0, "%s", g.why.text);
    cr_assert_lt(after, before);
    cr_assert_eq(stat(g.path, &st), 0);
    cr_assert_eq(st.st_size, after);
    cr_assert_eq(check(&g), 0, "%s", g.why.text);
    rig_open(&g);
    cr_assert_eq(g.r.messages.n, 10);
    cr_assert_eq(g.r.log.top, 204);
}

/* ---- export and import ---- */

static void do_export(void)
{
    uint64_t lines;

    cr_assert_eq(store_export(g.path, out, NULL, NULL, &lines, &g.why), 0, "%s", g.why.text);
    cr_assert_eq(lines, 1 + 3 + 204 + 1 + 1 + 2);
}

Test(store_tools, there_and_back)
{
    uint64_t lines;
    struct stat st;

    umask(022);
    fill(&g, true);
    do_export();
    cr_assert_eq(store_import(other.path, out, false, NULL, NULL, &lines, &g.why), 0, "%s",
                 g.why.text);
    cr_assert_eq(lines, 1 + 3 + 204 + 1 + 1 + 2);
    cr_assert_eq(stat(other.path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0640);
    cr_assert_eq(check(&other), 0, "%s", g.why.text);
    cr_assert_eq(report.epoch, RIG_EPOCH);
    rig_open(&g);
    rig_open(&other);
    check_same(&g, &other, true);
    cr_assert_eq(store_epoch(other.st), RIG_EPOCH);
}

Test(store_tools, with_a_new_epoch)
{
    uint64_t lines;

    fill(&g, true);
    do_export();
    cr_assert_eq(store_import(other.path, out, true, NULL, NULL, &lines, &g.why), 0, "%s",
                 g.why.text);
    cr_assert_eq(check(&other), 0, "%s", g.why.text);
    rig_open(&g);
    rig_open(&other);
    cr_assert_neq(store_epoch(other.st), RIG_EPOCH);
    check_same(&g, &other, false);
}

Test(store_tools, what_a_kill_left_stays_as_uncertain)
{
    uint64_t lines;

    g.cfg.sync = SYNC_OFF;
    fill(&g, false);
    uint64_t reserved = store_port(g.st)->reserved;
    rig_copy_files(&g, &other);
    cr_assert(rig_stop(&g, 1000));
    cr_assert_eq(store_export(other.path, out, NULL, NULL, &lines, &g.why), 0);
    cr_assert_eq(unlink(g.path), 0);
    cr_assert_eq(store_import(g.path, out, false, NULL, NULL, &lines, &g.why), 0, "%s", g.why.text);
    rig_open(&g);
    cr_assert_eq(g.r.log.top, reserved);
    cr_assert_eq(g.r.log.nlost, 1);
    cr_assert_eq(g.r.log.lost[0].from, 204);
    cr_assert_eq(g.r.log.lost[0].to, reserved);
}

Test(store_tools, nothing_is_overwritten)
{
    uint64_t lines;

    fill(&g, true);
    do_export();
    cr_assert_eq(store_export(g.path, out, NULL, NULL, &lines, &g.why), ERR_EXISTS);
    cr_assert_not_null(strstr(g.why.text, "not overwritten"), "%s", g.why.text);
    cr_assert_eq(store_import(g.path, out, false, NULL, NULL, &lines, &g.why), ERR_EXISTS);
    cr_assert_not_null(strstr(g.why.text, "overwrites nothing"), "%s", g.why.text);
    /* A write-ahead log of a database that was removed would be taken for ours. */
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", other.path);
    fclose(fopen(wal, "w"));
    cr_assert_eq(store_import(other.path, out, false, NULL, NULL, &lines, &g.why), ERR_EXISTS);
    cr_assert_not_null(strstr(g.why.text, "-wal"), "%s", g.why.text);
    cr_assert_eq(unlink(wal), 0);
    cr_assert_eq(store_export(g.path, "/dev/full", NULL, NULL, &lines, &g.why), ERR_EXISTS);
    cr_assert_eq(store_import(other.path, "/none", false, NULL, NULL, &lines, &g.why), ERR_SYSTEM);
    cr_assert_not_null(strstr(g.why.text, "/none"), "%s", g.why.text);
}

/* One edit of a good export for sed, and what is said of it. */
Test(store_tools, bad_exports_are_refused_whole)
{
    static const char *const edits[][2] = {
        {"1s/export/x/", "line 1: this is no export"},
        {"1s/\"schema\":2/\"schema\":3/", "line 1: this export has schema 3"},
        {"1s/,\"reads\":2//", "line 1: the numbers of lines"},
        {"1s/\"epoch\":\"3mv\"/\"epoch\":\"-\"/", "line 1: epoch"},
        {"1s/\"top\":204/\"top\":99999999999/", "line 1: epoch, top"},
        {"1s/\"lost\":\\[\\]/\"lost\":[[1]]/", "line 1: epoch, top"},
        {"1s/,\"ids\":1//", "line 1: the numbers of lines"},
        {"1s/{/[/", "line 1: byte"},
        {"2s/channel/cannel/", "line 2: a lane"},
        {"2s/\"name\":\"news\"/\"name\":\"a b\"/", "line 2: a lane"},
        {"2s/\"evicted\":0/\"evicted\":1/", "line 5: its lane does not keep it"},
        {"2s/\"evicted\":0/\"evicted\":-1/", "line 2: evicted"},
        {"2d", "line 4: there is no line for its lane"},
        {"3p", "line 4: there was a line for the same"},
        {"5p", "line 6: there was a line for the same"},
        {"5s/\"lane\":1/\"lane\":3/", "line 5: its lane is of another"},
        {"5s/\"lane\":1,//", "line 5: the lane is missing"},
        {"5s/\"at\":[0-9]*/\"at\":\"x\"/", "line 5: seq, at"},
        {"5s/3mv-1/3mv-2/", "line 5: the cursor"},
        {"5s/3mv-1/3mw-1/", "line 5: the cursor"},
        {"5s/,\"data\"/, \"data\"/", "line 5: the envelope is not in order"},
        {"5s/\"envelope\":{.*/\"envelope\":7}/", "line 5: the envelope is missing"},
        {"5s/\"envelope\":{.*/\"envelope\":{}}/", "line 5: the envelope is none"},
        {"7s/.*//", "line 7: byte"},
        {"7s/.*/7/", "line 7: an object"},
        {"7s/.*/{}/", "line 7: neither"},
        {"7s/\"message\":3/\"message\":3e0/", "line 7: seq, at"},
        {"7s/\"message\":3/\"message\":99999999/", "line 7: its number is beyond"},
        {"210s/3/99999999/", "line 210: "},
        {"210s/\"hash\":\"3/\"hash\":\"x/", "line 210: id, hash"},
        {"210s/\\[70000,1\\],//", "is not complete"}, /* see below */
        {"211s/\"read\":[0-9]*/\"read\":99999999/", "line 211: the position is beyond"},
        {"211s/\"read\":[0-9]*/\"read\":0/", "line 211: read, channel"},
        {"211s/\"channel\":\"news\"/\"channel\":\"*\"/", "line 211: read, channel"},
        {"211s/\"user\":\"[^,]*,//", "line 211: read, channel"},
        {"212p", "line 213: there was a line for the same"},
        {"$d", "is not complete: it has 211 lines"},
        {"100d", "is not complete"},
    };
    char bad[200], command[700];
    uint64_t lines;

    fill(&g, true);
    do_export();
    snprintf(bad, sizeof bad, "%s.bad", out);
    for (unsigned i = 0; i < sizeof edits / sizeof *edits; i++) {
        snprintf(command, sizeof command, "sed '%s' '%s' > '%s'", edits[i][0], out, bad);
        cr_assert_eq(system(command), 0);
        int rc = store_import(other.path, bad, false, NULL, NULL, &lines, &g.why);
        if (strstr(edits[i][0], "70000")) { /* one target less: that makes sense */
            cr_assert_eq(rc, 0, "%s", g.why.text);
            cr_assert_eq(unlink(other.path), 0);
            continue;
        }
        cr_assert_eq(rc, ERR_INVALID, "%s: %s", edits[i][0], g.why.text);
        cr_assert_not_null(strstr(g.why.text, edits[i][1]), "%s: %s", edits[i][0], g.why.text);
        snprintf(command, sizeof command, "test \"$(ls '%s')\" = log", other.dir);
        cr_assert_eq(system(command), 0, "%s: something is left behind", edits[i][0]);
    }
    fclose(fopen(bad, "w"));
    cr_assert_eq(store_import(other.path, bad, false, NULL, NULL, &lines, &g.why), ERR_INVALID);
    cr_assert_not_null(strstr(g.why.text, "is empty"), "%s", g.why.text);
}

/* One of the version before: without positions. */
Test(store_tools, an_older_export)
{
    char old[200], command[700];
    uint64_t lines;

    fill(&g, true);
    do_export();
    snprintf(old, sizeof old, "%s.old", out);
    snprintf(command, sizeof command,
             "sed '211,$d; 1s/\"schema\":2/\"schema\":1/; 1s/,\"reads\":2//' '%s' > '%s'", out,
             old);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(store_import(other.path, old, false, NULL, NULL, &lines, &g.why), 0, "%s",
                 g.why.text);
    cr_assert_eq(check(&other), 0, "%s", g.why.text);
    cr_assert_eq(report.messages, 204);
    cr_assert_eq(report.reads, 0);
    cr_assert_eq(report.schema, 2);
}

Test(store_tools, a_damaged_store_is_not_exported)
{
    uint64_t lines;

    fill(&g, true);
    rig_sql(&g, "UPDATE messages SET envelope = '{}' WHERE seq = 100");
    cr_assert_eq(store_export(g.path, out, NULL, NULL, &lines, &g.why), ERR_INVALID);
    cr_assert_not_null(strstr(g.why.text, "message 100"), "%s", g.why.text);
    cr_assert_neq(access(out, F_OK), 0, "half of it is not left");
}

/* ---- progress ---- */

static unsigned told;
static uint64_t last_done, last_total;

static void tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    cr_assert_eq(ctx, &told);
    cr_assert_not_null(what);
    cr_assert(total == 0 || done <= total);
    told++;
    last_done = done;
    last_total = total;
}

Test(store_tools, progress_is_told)
{
    uint64_t a, b;

    fill(&g, true);
    cr_assert_eq(store_check(g.path, tell, &told, &report, &g.why), 0);
    cr_assert_geq(told, 1);
    cr_assert_leq(told, 20, "but not for each row");
    told = 0;
    cr_assert_eq(store_export(g.path, out, tell, &told, &a, &g.why), 0);
    cr_assert_geq(told, 1);
    cr_assert_eq(last_total, 212);
    cr_assert_gt(last_done, 0);
    told = 0;
    cr_assert_eq(store_import(other.path, out, false, tell, &told, &a, &g.why), 0);
    cr_assert_geq(told, 1);
    cr_assert_eq(last_total, 212);
    cr_assert_eq(store_compact(g.path, tell, &told, &a, &b, &g.why), 0);
}

Test(store_tools, two_lanes_of_one_name)
{
    fill(&g, false);
    rig_lane(&g, 9, TARGET_CHANNEL, "news", 204, 0); /* the older one was to be forgotten */
    rig_message(&g, 9, "1");
    cr_assert(rig_settle(&g, 0));
    rig_copy_files(&g, &other);
    rig_open(&other);
    cr_assert_eq(other.r.lanes.n, 3);
    cr_assert_eq(other.r.lanes.v[2].lane, 9);
    cr_assert_eq(other.r.messages.n, 3);
}
