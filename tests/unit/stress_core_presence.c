/* Presence with shards that are threads: members of each come and go, readers read, and whoever
 * listens builds its view. Every version comes once, and in the end all views are one. Own main:
 * for the thread sanitizer. */
#include "core/info.h"
#include "core/people.h"

#include "support_stress.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { SHARDS = 3, SLOTS = 12, USERS = 10, ROUNDS = 3000 };

struct view {
    bool known, listed;
    unsigned long version;
    unsigned count;
    bool in[USERS];
};

struct client {
    struct member m; /* first */
    bool joined;
    struct view view;
    struct shard *s;
};

struct node {
    struct node *next;
    struct message *m;
};
_Static_assert(sizeof(struct node) <= PORT_LINK_SIZE, "a link has room");

struct shard {
    struct world *w;
    unsigned index;
    pthread_mutex_t lock; /* of the mailbox */
    struct node *first, **end;
    /* its thread only */
    uint64_t rng, ids;
    const struct core_item *run;
    unsigned run_n, faults, events;
    struct client v[SLOTS]; /* the first has no user and stays */
};

struct world {
    struct router *r;
    struct options opt;
    pthread_mutex_t lock;
    struct shard shards[SHARDS];
    _Atomic uint64_t due;
    atomic_uint running;
};

#define CHANNEL STR_LIT("presence-x")

/* ---- views ---- */

static unsigned user_at(const char *at)
{
    return (unsigned)(*(strchr(at, 'u') + sizeof("userId\":\"u") - 1) - '0') % USERS;
}

static void apply_members(struct view *v, const char *text)
{
    memset(v->in, 0, sizeof(v->in));
    for (const char *at = strstr(text, "{\"userId"); at; at = strstr(at + 1, "{\"userId")) {
        v->in[user_at(at)] = true;
    }
}

static void apply_changes(struct client *c, const char *text)
{
    struct view *v = &c->view;

    for (const char *at = strstr(text, "{\"change\""); at; at = strstr(at + 1, "{\"change\"")) {
        const char *id = strstr(at, "\"userId");
        bool join = strncmp(at + 11, "join", 4) == 0, leave = strncmp(at + 11, "leave", 5) == 0;
        if (join ? v->in[user_at(id)] : !v->in[user_at(id)]) {
            fault(&c->s->faults, "a change that is none", c->m.id, v->version);
        }
        v->in[user_at(id)] = !leave;
    }
}

static void apply(struct client *c, const struct frame *f, bool first)
{
    struct str ws = frame_ws(f);
    const char *brace = memchr(ws.p, '{', ws.len); /* behind the frame's head */
    char *json = brace ? strndup(brace, (size_t)(ws.p + ws.len - brace)) : NULL;
    struct view *v = &c->view;
    bool snapshot = json && strstr(json, "\"snapshot\"");
    unsigned long version = 0;
    unsigned count = 0, n = 0;

    if (!json || sscanf(strstr(json, "\"version\":"), "\"version\":%lu,\"count\":%u", &version,
                        &count) != 2) {
        abort();
    }
    if (first ? !snapshot : !v->known || version != v->version + 1) {
        fault(&c->s->faults, "a version is missing, or doubled", c->m.id, version);
    }
    v->known = true;
    v->version = version;
    v->count = count;
    v->listed = !strstr(json, "\"listed\":false");
    if (snapshot) {
        apply_members(v, json);
    } else if (v->listed) {
        apply_changes(c, json);
    }
    for (unsigned i = 0; i < USERS; i++) {
        n += v->in[i];
    }
    if (v->listed && n != count) {
        fault(&c->s->faults, "members and their number differ", c->m.id, version);
    }
    c->s->events++;
    free(json);
}

static void put_note(void *ctx, struct frame *f)
{
    apply(ctx, f, true);
}

/* ---- the ports ---- */

static void port_lock(void *ctx)
{
    pthread_mutex_lock(&((struct world *)ctx)->lock);
}

static void port_unlock(void *ctx)
{
    pthread_mutex_unlock(&((struct world *)ctx)->lock);
}

static void port_post(void *ctx, unsigned shard, struct message *m, void *link, size_t size)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    struct node *n = link;

    *n = (struct node){NULL, size ? m : NULL};
    pthread_mutex_lock(&s->lock);
    *s->end = n;
    s->end = &n->next;
    pthread_mutex_unlock(&s->lock);
}

static bool port_full(void *ctx, unsigned shard)
{
    (void)ctx;
    (void)shard;
    return false;
}

static bool port_pending(void *ctx, unsigned shard)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    bool any;

    pthread_mutex_lock(&s->lock);
    any = s->first != NULL;
    pthread_mutex_unlock(&s->lock);
    return any;
}

static struct message *take(struct shard *s)
{
    struct message *m = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->first) {
        m = s->first->m;
        s->first = s->first->next;
        s->end = s->first ? s->end : &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

static void *sink_begin(void *ctx, const struct core_item *v, unsigned n)
{
    struct shard *s = ctx;

    s->run = v;
    s->run_n = n;
    return s;
}

static void sink_deliver(void *ctx, void *token, struct member *m)
{
    const struct shard *s = token;

    (void)ctx;
    for (unsigned i = 0; i < s->run_n; i++) {
        apply((struct client *)(void *)m, s->run[i].frame, false);
    }
}

static void sink_end(void *ctx, void *token)
{
    (void)ctx;
    (void)token;
}

static void port_settle(void *ctx, unsigned shard)
{
    struct shard *s = &((struct world *)ctx)->shards[shard];
    const struct core_sink sink = {s, sink_begin, sink_deliver, sink_end, NULL};
    struct message *m;

    while ((m = take(s)) != NULL) {
        router_deliver(s->w->r, shard, &m, 1, &sink);
    }
}

/* Fifty times as fast as it should be: there is much to see in a second. */
static uint64_t port_mono(void *ctx)
{
    (void)ctx;
    return clock_mono_us() / 20;
}

static uint64_t port_real(void *ctx)
{
    (void)ctx;
    return clock_real_ms();
}

static void port_due(void *ctx, uint64_t due_ms)
{
    atomic_store(&((struct world *)ctx)->due, due_ms);
}

/* ---- threads ---- */

static void run_people(struct world *w)
{
    if (atomic_load(&w->due) <= port_mono(NULL)) {
        uint64_t due;
        atomic_store(&w->due, UINT64_MAX); /* what comes meanwhile is told by the call, or later */
        due = router_people_run(w->r);
        /* Somebody may have asked for an earlier time since it returned. */
        for (uint64_t old = atomic_load(&w->due); due < old;) {
            if (atomic_compare_exchange_weak(&w->due, &old, due)) {
                break;
            }
        }
    }
}

static void join(struct shard *s, struct client *c, bool user)
{
    char name[8];
    struct str channel = CHANNEL;
    struct cursor top;
    struct info *info = rnd(&s->rng, 2) ? info_new(STR_LIT("{\"a\":1}")) : NULL;

    snprintf(name, sizeof(name), "u%u", rnd(&s->rng, USERS));
    c->m = (struct member){.id = ++s->ids * SHARDS + s->index, .shard = (uint16_t)s->index};
    c->s = s;
    memset(&c->view, 0, sizeof(c->view));
    router_set_info(s->w->r, &c->m, info);
    info_unref(info);
    if (router_join(s->w->r, &c->m, user ? str_of(name) : STR_NONE, &channel, 1, &top) != 0) {
        abort();
    }
    router_notes(s->w->r, &c->m, put_note, c);
    if (!c->view.known) {
        fault(&s->faults, "it is not greeted", c->m.id, 0);
    }
    c->joined = true;
}

static void leave(struct shard *s, struct client *c)
{
    c->m.leaves = rnd(&s->rng, 2) & 1;
    router_leave(s->w->r, &c->m);
    info_unref(c->m.info);
    c->m.info = NULL;
    c->joined = false;
}

static void say(struct shard *s, struct client *c)
{
    char text[16];
    struct info *info;

    snprintf(text, sizeof(text), "%u", rnd(&s->rng, 3));
    info = info_new(str_of(text));
    router_set_info(s->w->r, &c->m, info);
    info_unref(info);
}

static void *shard_main(void *arg)
{
    struct shard *s = arg;

    join(s, &s->v[0], false);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct client *c = &s->v[1 + rnd(&s->rng, SLOTS - 1)];
        port_settle(s->w, s->index);
        if (!c->joined) {
            join(s, c, true);
        } else if (rnd(&s->rng, 3)) {
            leave(s, c);
        } else {
            say(s, c);
        }
        if (s->index == 0) {
            run_people(s->w);
        }
        if (rnd(&s->rng, 20) == 0) {
            sched_yield();
        }
    }
    for (unsigned i = 1; i < SLOTS; i++) {
        if (s->v[i].joined && i % 2) {
            leave(s, &s->v[i]);
        }
    }
    atomic_fetch_sub(&s->w->running, 1);
    return NULL;
}

static void *reader_main(void *arg)
{
    struct world *w = arg;
    struct user_presence up;

    while (atomic_load(&w->running)) {
        struct strbuf sb = STRBUF_INIT;
        if (router_presence_page(w->r, CHANNEL, STR_NONE, 3, &sb) != 0) {
            abort();
        }
        strbuf_fini(&sb);
        router_user_presence(w->r, STR_LIT("u1"), &up);
        router_dismiss_user(w->r, STR_LIT("u2"));
        sched_yield();
    }
    return NULL;
}

static void init(struct world *w)
{
    const struct core_ports ports = {.ctx = w,
                                     .lock = port_lock,
                                     .unlock = port_unlock,
                                     .post = port_post,
                                     .full = port_full,
                                     .settle = port_settle,
                                     .pending = port_pending,
                                     .mono_ms = port_mono,
                                     .real_ms = port_real,
                                     .due = port_due};
    static const char *const set[][2] = {
        {"presence-interval", "10ms"}, {"presence-grace", "5ms"}, {"presence-max", "8"}};

    if (options_init(&w->opt) != 0) {
        abort();
    }
    for (unsigned i = 0; i < 3; i++) {
        if (options_set(&w->opt, set[i][0], set[i][1], OPT_FROM_SET, NULL) != 0) {
            abort();
        }
    }
    atomic_store(&w->due, UINT64_MAX);
    atomic_store(&w->running, SHARDS);
    pthread_mutex_init(&w->lock, NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        w->shards[i].w = w;
        w->shards[i].index = i;
        w->shards[i].rng = 77 + i;
        w->shards[i].end = &w->shards[i].first;
        pthread_mutex_init(&w->shards[i].lock, NULL);
    }
    if (router_new(SHARDS, 1, 5, &ports, &w->r) != 0 || router_people(w->r, &w->opt) != 0) {
        abort();
    }
}

/* All that is due is done; then all who are left see the same. */
static unsigned compare(struct world *w)
{
    const struct view *a = &w->shards[0].v[0].view;
    unsigned faults = 0, events = 0;

    while (atomic_load(&w->due) != UINT64_MAX) {
        run_people(w);
        sched_yield();
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &w->shards[i];
        port_settle(w, i);
        for (unsigned k = 0; k < SLOTS; k++) {
            const struct view *b = &s->v[k].view;
            if (s->v[k].joined &&
                (b->version != a->version || b->listed != a->listed || b->count != a->count ||
                 (a->listed && memcmp(a->in, b->in, sizeof(a->in)) != 0))) {
                fault(&s->faults, "two views", s->v[k].m.id, b->version);
            }
        }
        for (unsigned k = 0; k < SLOTS; k++) {
            if (s->v[k].joined) {
                leave(s, &s->v[k]);
            }
        }
        port_settle(w, i);
        faults += s->faults;
        events += s->events;
    }
    printf("presence: %lu versions, %u events, %u faults\n", a->version, events, faults);
    return faults;
}

int main(void)
{
    static struct world w;
    pthread_t t[SHARDS + 1];
    unsigned faults;

    init(&w);
    for (unsigned i = 0; i <= SHARDS; i++) {
        if (pthread_create(&t[i], NULL, i < SHARDS ? shard_main : reader_main,
                           i < SHARDS ? (void *)&w.shards[i] : (void *)&w) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i <= SHARDS; i++) {
        pthread_join(t[i], NULL);
    }
    faults = compare(&w);
    for (unsigned i = 0; i < SHARDS; i++) {
        port_settle(&w, i); /* the last who left told others of it */
    }
    router_free(w.r);
    options_fini(&w.opt);
    return faults != 0;
}
