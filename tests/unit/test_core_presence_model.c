/* Members that come, go, are cut off, reload and say something else, on two shards and in several
 * channels; each subscriber's view, made of its snapshot and the changes after it, against what is
 * published and against the truth, with every version there once. */
#include "test_core_presence.h"

#include "proto/json.h"

TestSuite(presence_model, .timeout = 300);

enum {
    USERS = 9,
    CLIENTS = 26,
    CHANNELS = 4,
    GRACE = 1000,
    INTERVAL = 250,
    STEPS = 400,
    PRESENCE_SLOWEST = 4
};

static const char *const channels[CHANNELS] = {"presence-a", "presence-b", "room.1", USERS_CHANNEL};

enum { INFO_MAX = 12 };

/* What somebody knows of a channel. */
struct view {
    bool known, listed;
    uint64_t version;
    unsigned count;
    bool in[USERS];
    char info[USERS][INFO_MAX];
};

/* The truth of a user in a channel. */
struct fact {
    unsigned connections;
    bool here;
    uint64_t until; /* 0: no grace */
    char info[INFO_MAX];
    bool told;  /* by the application's events */
    bool vague; /* it came back without info, perhaps before it was told that it had gone: */
    char or_else[INFO_MAX]; /* then this is its info */
};

struct client {
    struct pclient *c; /* NULL: not connected */
    int user;          /* -1: none */
    unsigned names;    /* bit a channel */
    bool pattern;
    char info[INFO_MAX]; /* what it said; "": nothing */
    struct view view[CHANNELS];
};

struct model {
    struct pworld *w;
    struct client v[CLIENTS];
    struct fact facts[CHANNELS][USERS];
    uint64_t rng;
    unsigned said;
    struct json_doc *doc;
    unsigned events, snapshots, counts, updates;
};

static unsigned pick(struct model *m, unsigned n)
{
    m->rng = m->rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->rng >> 33) % n;
}

/* ---- views ---- */

static unsigned user_of(const struct json_node *n)
{
    const struct json_node *id = json_get(n, "userId");

    cr_assert(id && id->text.len == 2 && id->text.p[0] == 'u');
    return (unsigned)(id->text.p[1] - '0');
}

static void copy_info(char to[INFO_MAX], const struct json_node *n)
{
    const struct json_node *info = json_get(n, "info");

    snprintf(to, INFO_MAX, "%.*s", info ? (int)info->raw.len : 0, info ? info->raw.p : "");
}

static uint64_t number_of(const struct json_node *n, const char *key)
{
    uint64_t v = 0;

    cr_assert(json_uint(json_get(n, key), UINT64_MAX, &v));
    return v;
}

static void apply_change(struct model *m, struct view *v, const struct json_node *n)
{
    struct str change = json_get(n, "change")->text;
    unsigned u = user_of(n);
    char info[INFO_MAX];

    copy_info(info, n);
    if (str_eqz(change, "join")) {
        cr_assert_not(v->in[u], "it is there already");
        v->in[u] = true;
        v->count++;
    } else if (str_eqz(change, "leave")) {
        cr_assert(v->in[u], "it was not there");
        v->in[u] = false;
        v->count--;
    } else {
        cr_assert(str_eqz(change, "update") && v->in[u]);
        cr_assert_str_neq(info, v->info[u], "nothing has changed");
        m->updates++;
    }
    memcpy(v->info[u], info, INFO_MAX);
}

static void apply_snapshot(struct view *v, const struct json_node *root)
{
    const struct json_node *members = json_get(root, "members");

    *v = (struct view){.known = true, .listed = members, .version = number_of(root, "version")};
    v->count = (unsigned)number_of(root, "count");
    for (const struct json_node *n = members ? members->child : NULL; n; n = n->next) {
        unsigned u = user_of(n);
        cr_assert_not(v->in[u], "twice");
        v->in[u] = true;
        copy_info(v->info[u], n);
    }
    cr_assert(!members || members->count == v->count);
}

/* `first`: it may be a snapshot of any version; else it is the next one. */
static void apply(struct model *m, struct view *v, const struct json_node *root, bool first)
{
    const struct json_node *changes = json_get(root, "changes");
    bool snapshot = str_eqz(json_get(root, "event")->text, "snapshot");
    uint64_t version = number_of(root, "version");

    cr_assert(v->known || snapshot, "changes of nothing");
    cr_assert(first || !v->known || version == v->version + 1, "version %lu after %lu",
              (unsigned long)version, (unsigned long)v->version);
    m->events++;
    m->snapshots += snapshot && !first;
    if (snapshot) {
        apply_snapshot(v, root);
        return;
    }
    v->version = version;
    for (const struct json_node *n = changes ? changes->child : NULL; n; n = n->next) {
        cr_assert(v->listed);
        apply_change(m, v, n);
    }
    if (!changes) {
        memset(v->in, 0, sizeof(v->in));
        v->count = (unsigned)number_of(root, "count");
        m->counts++;
    }
    v->listed = changes;
    cr_assert_eq(v->count, number_of(root, "count"));
}

static const struct json_node *parse(struct model *m, const char *text)
{
    static const struct json_limits lim = {.max_depth = 10, .tree_depth = 5, .max_nodes = 10000};
    const struct json_node *root = NULL;
    struct json_error err;

    cr_assert_eq(json_parse(m->doc, str_of(text), &lim, &root, &err), 0, "%s: %s", text, err.text);
    return root;
}

static unsigned channel_of(const struct json_node *root)
{
    struct str name = json_get(root, "channel")->text;
    unsigned i = 0;

    while (i < CHANNELS && !str_eqz(name, channels[i])) {
        i++;
    }
    cr_assert_lt(i, CHANNELS);
    return i;
}

/* `greeting`: bits of the channels whose snapshots are still to come. */
static void read_all(struct model *m, struct client *cl, unsigned greeting)
{
    struct pclient *c = cl->c;

    for (; c->read < c->n; c->read++) {
        const struct json_node *root = parse(m, c->got[c->read]);
        unsigned i = channel_of(root);
        if (cl->names >> i & 1) {
            apply(m, &cl->view[i], root, greeting >> i & 1);
            greeting &= ~(1u << i);
        } else { /* a pattern watches */
            cr_assert(cl->pattern && i == 2);
        }
        free(c->got[c->read]);
        c->got[c->read] = NULL;
    }
    c->n = c->read = 0;
    cr_assert_eq(greeting, 0, "a snapshot is missing");
}

/* ---- the truth ---- */

static uint64_t now(const struct model *m)
{
    return m->w->h.mono;
}

static void fact_say(struct fact *f, const char *info)
{
    if (*info) {
        memcpy(f->info, info, INFO_MAX);
        f->vague = false;
    }
}

static void fact_enter(struct fact *f, const char *info)
{
    if (!f->here) {
        if (f->info[0]) {
            memcpy(f->or_else, f->info, INFO_MAX);
            f->vague = true;
        }
        f->info[0] = '\0';
    }
    f->here = true;
    f->until = 0;
    f->connections++;
    fact_say(f, info);
}

static void fact_leave(const struct model *m, struct fact *f, bool at_once)
{
    if (--f->connections == 0) {
        f->here = !at_once;
        f->until = at_once ? 0 : now(m) + GRACE;
    }
}

static void facts_pass(struct model *m)
{
    for (unsigned i = 0; i < CHANNELS * USERS; i++) {
        struct fact *f = &m->facts[i / USERS][i % USERS];
        if (f->until && f->until <= now(m)) {
            f->until = 0;
            f->here = false;
        }
    }
}

static void on_happened(void *ctx, const struct core_event *ev)
{
    struct model *m = ctx;
    bool users = ev->kind == CORE_ONLINE || ev->kind == CORE_OFFLINE;
    struct fact *f;
    unsigned i = 0;

    if (ev->kind == CORE_OCCUPIED || ev->kind == CORE_VACATED) {
        return;
    }
    while (!users && !str_eqz(ev->channel, channels[i])) {
        i++;
    }
    f = &m->facts[users ? 3 : i][ev->user.p[1] - '0'];
    if (ev->kind == CORE_UPDATED) {
        cr_assert(f->told && ev->info.len);
        return;
    }
    cr_assert_neq(f->told, ev->kind == CORE_JOINED || ev->kind == CORE_ONLINE);
    f->told = !f->told;
}

static void check_told(const struct model *m)
{
    for (unsigned i = 0; i < CHANNELS * USERS; i++) {
        const struct fact *f = &m->facts[i / USERS][i % USERS];
        cr_assert_eq(f->told, f->here, "user %u of channel %u", i % USERS, i / USERS);
    }
}

/* ---- what happens ---- */

static void new_info(struct model *m, char out[INFO_MAX])
{
    out[0] = '\0';
    if (pick(m, 2)) {
        snprintf(out, INFO_MAX, "%u", pick(m, 3) ? m->said++ : 1);
    }
}

static void connect(struct model *m, struct client *cl, int user)
{
    char names[100] = "";
    char name[16] = "";

    cl->user = user;
    cl->names = pick(m, 1u << CHANNELS);
    cl->pattern = !pick(m, 3);
    new_info(m, cl->info);
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (cl->names >> i & 1) {
            sprintf(names + strlen(names), "%s%s", *names ? " " : "", channels[i]);
        }
    }
    if (cl->pattern) {
        sprintf(names + strlen(names), "%sroom.*", *names ? " " : "");
    }
    if (user >= 0) {
        snprintf(name, sizeof(name), "u%d", user);
    }
    for (unsigned i = 0; user >= 0 && i < CHANNELS; i++) {
        if ((cl->names | 1u << 3) >> i & 1) {
            fact_enter(&m->facts[i][user], cl->info);
        }
    }
    memset(cl->view, 0, sizeof(cl->view));
    cl->c = p_join(m->w, name, names, *cl->info ? cl->info : NULL);
    read_all(m, cl, cl->names);
}

static void cut(struct model *m, struct client *cl)
{
    bool leaves = !pick(m, 4);

    for (unsigned i = 0; cl->user >= 0 && i < CHANNELS; i++) {
        if ((cl->names | 1u << 3) >> i & 1) {
            fact_leave(m, &m->facts[i][cl->user], leaves);
        }
    }
    cl->c->m.leaves = leaves;
    p_leave(m->w, cl->c);
    p_drop(cl->c);
    cl->c = NULL;
}

static void change_names(struct model *m, struct client *cl, unsigned i)
{
    bool member = cl->user >= 0 && i != 3;

    if (cl->names >> i & 1) {
        if (member) {
            fact_leave(m, &m->facts[i][cl->user], true);
        }
        p_unsubscribe(m->w, cl->c, channels[i]);
        read_all(m, cl, 0);
        cl->names &= ~(1u << i);
        cl->view[i].known = false;
        return;
    }
    if (member) {
        fact_enter(&m->facts[i][cl->user], cl->info);
    }
    h_settle(&m->w->h, cl->c->m.shard);
    read_all(m, cl, 0);
    cl->names |= 1u << i;
    p_subscribe(m->w, cl->c, channels[i]);
    read_all(m, cl, 1u << i);
}

static void change_info(struct model *m, struct client *cl)
{
    new_info(m, cl->info);
    p_say(m->w, cl->c, *cl->info ? cl->info : NULL);
    for (unsigned i = 0; cl->user >= 0 && i < CHANNELS; i++) {
        if ((cl->names | 1u << 3) >> i & 1) {
            fact_say(&m->facts[i][cl->user], cl->info);
        }
    }
}

/* `ebb`: more go than come. */
static void step(struct model *m, bool ebb)
{
    struct client *cl = &m->v[pick(m, CLIENTS)];

    switch (cl->c ? pick(m, ebb ? 5 : 10) : 9) {
    case 0:
    case 1:
        cut(m, cl);
        break;
    case 2: { /* reloads */
        int user = cl->user;
        cut(m, cl);
        connect(m, cl, user);
        break;
    }
    case 3:
    case 4:
        change_names(m, cl, pick(m, CHANNELS));
        break;
    case 5:
    case 6:
        change_info(m, cl);
        break;
    case 7:
        h_drain(&m->w->h, pick(m, 2), 1 + pick(m, 3));
        break;
    case 8:
        break;
    default:
        if (!cl->c && (!ebb || !pick(m, 8))) {
            connect(m, cl, (int)pick(m, USERS + 1) - 1);
        }
    }
    if (!pick(m, 3)) {
        p_wait(m->w, pick(m, 8) ? pick(m, INTERVAL) : pick(m, 3 * GRACE));
        facts_pass(m);
    }
    check_told(m);
}

/* ---- what must be so ---- */

static void same_view(const struct view *a, const struct view *b)
{
    cr_assert_eq(a->version, b->version);
    cr_assert_eq(a->listed, b->listed);
    cr_assert_eq(a->count, b->count);
    for (unsigned u = 0; a->listed && u < USERS; u++) {
        cr_assert_eq(a->in[u], b->in[u]);
        cr_assert(!a->in[u] || strcmp(a->info[u], b->info[u]) == 0);
    }
}

static void true_view(const struct model *m, const struct view *v, unsigned channel)
{
    unsigned here = 0;

    for (unsigned u = 0; u < USERS; u++) {
        const struct fact *f = &m->facts[channel][u];
        here += f->here;
        if (v->listed) {
            cr_assert_eq(v->in[u], f->here, "user %u of channel %u", u, channel);
        }
        if (v->listed && f->here) {
            cr_assert(strcmp(v->info[u], f->info) == 0 ||
                          (f->vague && strcmp(v->info[u], f->or_else) == 0),
                      "user %u of channel %u: %s, not %s", u, channel, v->info[u], f->info);
        }
    }
    cr_assert_eq(v->count, here);
}

static void check_page(struct model *m, const struct view *v, unsigned channel)
{
    struct strbuf sb = STRBUF_INIT;
    const struct json_node *root;

    strbuf_addc(&sb, '{');
    cr_assert_eq(router_presence_page(m->w->h.r, str_of(channels[channel]), STR_NONE, 100, &sb), 0);
    strbuf_addc(&sb, '}');
    root = parse(m, sb.data);
    cr_assert_eq(number_of(root, "version"), v->version);
    cr_assert_eq(number_of(root, "count"), v->count);
    cr_assert_eq(json_get(root, "listed")->truth, v->listed);
    for (const struct json_node *n = json_get(root, "members")->child; v->listed && n;
         n = n->next) {
        cr_assert(v->in[user_of(n)]);
    }
    cr_assert(!v->listed || json_get(root, "members")->count == v->count);
    strbuf_fini(&sb);
}

/* Everything is delivered: all see the same. `settled`: it is the truth, too. */
static void check(struct model *m, bool settled)
{
    h_drain_all(&m->w->h);
    for (unsigned k = 0; k < CLIENTS; k++) {
        if (m->v[k].c) {
            read_all(m, &m->v[k], 0);
        }
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct strbuf sb = STRBUF_INIT;
        struct view v = {0};
        cr_assert_eq(router_presence_snapshot(m->w->h.r, 0, str_of(channels[i]), &sb), 0);
        apply_snapshot(&v, parse(m, sb.data));
        strbuf_fini(&sb);
        for (unsigned k = 0; k < CLIENTS; k++) {
            if (m->v[k].c && m->v[k].names >> i & 1) {
                same_view(&m->v[k].view[i], &v);
            }
        }
        check_page(m, &v, i);
        if (settled) {
            true_view(m, &v, i);
        }
    }
}

static void run(uint64_t seed, const char *max, unsigned totals[3])
{
    const char *const set[] = {"presence-max", max, "presence-grace", "1s", "presence-for",
                               "room.",        NULL};
    struct model *m = calloc(1, sizeof(*m));
    unsigned left = 0;

    cr_assert_not_null(m);
    m->rng = seed;
    m->said = 2;
    m->w = p_world(set);
    m->w->h.happened = on_happened;
    cr_assert_eq(json_doc_new(&m->doc), 0);
    /* The clients' callback takes no context; only the application's does. */
    m->w->h.ctx = m;
    for (unsigned i = 0; i < STEPS; i++) {
        step(m, i / 50 % 2);
        if (!pick(m, 4)) {
            check(m, false);
        }
        if (!pick(m, 15)) {
            p_wait(m->w, 2 * PRESENCE_SLOWEST * INTERVAL);
            facts_pass(m);
            check(m, true);
        }
    }
    for (unsigned k = 0; k < CLIENTS; k++) {
        if (m->v[k].c) {
            cut(m, &m->v[k]);
        }
    }
    p_wait(m->w, GRACE + 2 * PRESENCE_SLOWEST * INTERVAL);
    facts_pass(m);
    check_told(m);
    check(m, true);
    left = (unsigned)p_metric(m->w, METRIC_PRESENCE_MEMBERS);
    cr_assert_eq(left, 0);
    cr_assert_eq(m->w->h.due, UINT64_MAX, "nothing is left to do");
    totals[0] += m->snapshots;
    totals[1] += m->counts;
    totals[2] += m->updates;
    json_doc_free(m->doc);
    p_free(m->w);
    free(m);
}

Test(presence_model, every_view_is_right)
{
    unsigned totals[3] = {0};

    for (uint64_t seed = 1; seed <= 60; seed++) {
        run(seed, seed % 3 == 0 ? "1000" : seed % 3 == 1 ? "5" : "2", totals);
    }
    /* It went through what it was made for. */
    cr_assert_gt(totals[0], 50, "%u", totals[0]);
    cr_assert_gt(totals[1], 200, "%u", totals[1]);
    cr_assert_gt(totals[2], 200, "%u", totals[2]);
}
