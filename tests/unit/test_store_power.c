/* The power goes out: of what was written since a file's last sync, each sector is
 * there or not, as it happens. In every mode the store must open again with the
 * beginning of what was put, undamaged; what was acknowledged with --sync=always
 * must be in it; and the rest must be told to be lost. */
#include "support_store.h"
#include "support_store_vfs.h"

enum { SECTOR = 512, FILE_MAX = 4 << 20, MESSAGES = 60 };

static struct rig g, other;
static uint64_t rng = 88172645463325252u;
static long ops_left;     /* until the power goes out */
static bool out;          /* it has */
static unsigned safe;     /* serial of the last that was given back by then */
static unsigned odds;     /* of eight: how many sectors reach the disk */
static uint64_t last_seq; /* of the messages that were put */
static char now[FILE_MAX], synced[FILE_MAX];

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng >> 20;
}

static size_t read_whole(const char *name, char *to)
{
    FILE *f = fopen(name, "r");
    size_t n = f ? fread(to, 1, FILE_MAX, f) : 0;

    if (f) {
        fclose(f);
    }
    return n;
}

static void write_whole(const char *name, const char *from, size_t n)
{
    FILE *f = fopen(name, "w");

    if (!f || fwrite(from, 1, n, f) != n || fclose(f) != 0) {
        abort();
    }
}

static const char *with(const char *name, const char *suffix)
{
    static char text[256];

    snprintf(text, sizeof text, "%s%s", name, suffix);
    return text;
}

/* Into `synced`: what the disk may have of the file. Its length. What was cut off is
 * there as it was, or gone. */
static size_t surviving(const char *name)
{
    memset(synced, 0, sizeof synced);
    memset(now, 0, sizeof now);
    size_t before = read_whole(with(name, ".synced"), synced), after = read_whole(name, now);
    size_t size = rnd() % 8 < odds ? after : before;
    for (size_t at = 0; at < size && at < after; at += SECTOR) {
        if (rnd() % 8 < odds) {
            memcpy(synced + at, now + at, SECTOR);
        }
    }
    return size;
}

/* Leaves on the disk of the others what has survived of a file. One that was
 * deleted, and not written again and synced since, may be there as it was. */
static void survive(const char *suffix)
{
    char name[200], copy[200];
    size_t size;

    snprintf(name, sizeof name, "%s%s", g.path, suffix);
    snprintf(copy, sizeof copy, "%s%s", other.path, suffix);
    if (access(with(name, ".gone"), F_OK) == 0 && rnd() % 8 >= odds) {
        size = read_whole(with(name, ".gone"), synced);
    } else {
        size = surviving(name);
    }
    (void)unlink(copy);
    if (size > 0 || *suffix == '\0') {
        write_whole(copy, synced, size);
    }
}

static void watch(int op, const char *name)
{
    if (op == OP_SYNC) {
        size_t n = read_whole(name, now);
        write_whole(with(name, ".synced"), now, n);
        (void)unlink(with(name, ".gone"));
    }
    if (!out && ops_left-- <= 0) {
        out = true;
        pthread_mutex_lock(&g.r.lock);
        safe = g.r.last_ok;
        pthread_mutex_unlock(&g.r.lock);
        survive("");
        survive("-wal");
    }
    if (op == OP_DELETE && access(name, F_OK) == 0) {
        size_t n = surviving(name);
        write_whole(with(name, ".gone"), synced, n);
        (void)unlink(with(name, ".synced"));
    }
}

static void start(void)
{
    rig_init(&g);
    rig_init(&other);
    g.cfg.vfs = shim_register();
    g.cfg.interval_ms = 10;
}

static void stop(void)
{
    shim.watch = NULL;
    rig_fini(&g);
    rig_fini(&other);
}

TestSuite(store_power, .init = start, .fini = stop, .timeout = 300);

/* Publishes, in portions, until all is put; the power goes out somewhere. */
static void publish(void)
{
    static char data[3000];

    memset(data, '1', sizeof data - 1);
    rig_lane(&g, 1, TARGET_CHANNEL, "news", 0, 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        rig_message(&g, 1, data + rnd() % 2900);
        rig_read(&g, "news", "ann", g.seq, RIG_NOW + g.seq);
        if (rnd() % 3 == 0) {
            cr_assert(rig_settle(&g, 0));
        }
        if (i % 20 == 19) { /* a checkpoint, as after many more */
            cr_assert(rig_settle(&g, 0));
            last_seq = g.seq;
            cr_assert(rig_stop(&g, 1000));
            if (out) {
                return;
            }
            rig_open(&g);
        }
    }
    last_seq = g.seq;
    cr_assert(rig_stop(&g, 1000));
}

/* Behind the message that was read: never ahead of what is there. */
static void check_read(long ops, bool always, unsigned n)
{
    uint64_t seq = other.r.reads.n ? other.r.reads.v[0].seq : 0;

    cr_assert_leq(seq, n, "after %ld: %llu of %u is read", ops, (unsigned long long)seq, n);
    for (const struct item *i = g.items; always && i; i = i->next) {
        if (i->rec.kind == RECORD_READ && i->serial <= safe) {
            cr_assert_geq(seq, i->rec.seq, "after %ld: %llu is read", ops, (unsigned long long)seq);
        }
    }
}

static void check(long ops, bool always)
{
    struct store_report report;
    unsigned n;

    cr_assert_eq(store_check(other.path, NULL, NULL, &report, &g.why), 0, "after %ld: %s", ops,
                 g.why.text);
    other.cfg.sync = g.cfg.sync;
    rig_open(&other);
    n = other.r.messages.n;
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(other.r.messages.v[i].seq, i + 1, "after %ld: a hole", ops);
    }
    for (const struct item *i = g.items; i; i = i->next) {
        if (i->rec.kind == RECORD_MESSAGE && i->serial <= safe) {
            cr_assert(!always || i->rec.seq <= n, "after %ld: %llu of %u", ops,
                      (unsigned long long)i->rec.seq, n);
            cr_assert_leq(i->rec.seq, other.r.log.top, "its number would be used again");
        }
        if (i->rec.kind == RECORD_MESSAGE && i->serial <= safe && i->rec.seq > n) {
            cr_assert_eq(other.r.log.nlost, 1, "after %ld: %llu of %u is lost", ops,
                         (unsigned long long)i->rec.seq, n);
            cr_assert_leq(other.r.log.lost[0].from, n);
            cr_assert_geq(other.r.log.lost[0].to, i->rec.seq);
        }
    }
    check_read(ops, always, n);
    cr_assert(rig_stop(&other, 1000));
}

static void cut_at_every_moment(enum store_sync sync)
{
    long ops = 0;

    g.cfg.sync = sync;
    for (bool was_out = true; was_out; ops += 1 + (long)(rnd() % 5)) {
        char command[300];
        shim.watch = NULL;
        snprintf(command, sizeof command, "rm -f '%s'* '%s'*", g.path, other.path);
        cr_assert_eq(system(command), 0);
        rig_open(&g); /* new, and on the disk */
        cr_assert(rig_stop(&g, 1000));
        write_whole(with(g.path, ".synced"), now, read_whole(g.path, now));
        out = false;
        ops_left = ops;
        safe = 0;
        odds = (unsigned)(rnd() % 9);
        g.r.last_ok = 0;
        shim.watch = watch;
        rig_open(&g);
        publish();
        was_out = out;
        if (g.st) {
            (void)rig_stop(&g, 1000);
        }
        if (out) {
            check(ops, sync == SYNC_ALWAYS);
        }
        rig_free_items(&g);
        g.serial = 0;
    }
    cr_assert_gt(ops, 50);
}

Test(store_power, always)
{
    cut_at_every_moment(SYNC_ALWAYS);
}

Test(store_power, interval)
{
    cut_at_every_moment(SYNC_INTERVAL);
}

Test(store_power, off)
{
    cut_at_every_moment(SYNC_OFF);
}
