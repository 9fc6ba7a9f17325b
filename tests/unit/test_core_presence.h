/* test_core_presence.h - clients that collect what they are told of who is there. */
#ifndef FF_TEST_CORE_PRESENCE_H
#define FF_TEST_CORE_PRESENCE_H

#include "core/info.h"
#include "core/people.h"

#include "test_core_harness.h"

enum { P_LOG = 512 };

struct pclient {
    struct member m; /* first */
    char *got[P_LOG];
    unsigned n, read;
};

struct pworld {
    struct harness h;
    struct options opt;
    struct metrics metrics;
    uint64_t last_id;
    char told[65536]; /* the application, since it was asked last */
};

/* Of a test in which memory is short: the clients themselves have enough. */
static _Thread_local volatile int *p_short;

static inline void p_keep(struct pclient *c, const struct frame *f)
{
    int left = p_short ? *p_short : 0;
    static const char lead[] = "{\"type\":\"fanfare.presence\",\"data\":";
    struct str ws = frame_ws(f);
    const char *at = memmem(ws.p, ws.len, lead, sizeof(lead) - 1);

    cr_assert_not_null(at);
    at += sizeof(lead) - 1;
    cr_assert_lt(c->n, P_LOG);
    if (p_short) {
        *p_short = -1;
    }
    c->got[c->n] = strndup(at, (size_t)(ws.p + ws.len - 1 - at));
    cr_assert_not_null(c->got[c->n++]);
    if (p_short) {
        *p_short = left;
    }
    cr_assert(memmem(f->bytes, f->sse_len, "event: fanfare.presence\n", 24));
    cr_assert_null(memmem(f->bytes, f->sse_len, "\nid:", 4), "a notice has no id");
}

static inline void p_give(void *ctx, struct member *m, const struct frame *f)
{
    (void)ctx;
    p_keep((struct pclient *)(void *)m, f);
}

static inline void p_note(void *ctx, struct frame *f)
{
    p_keep(ctx, f);
}

static inline void p_happened(void *ctx, const struct core_event *ev)
{
    static const char *const names[] = {"occupied", "vacated", "joined", "left",
                                        "updated",  "online",  "offline"};
    struct pworld *w = ctx;
    size_t len = strlen(w->told);

    if (ev->kind != CORE_OCCUPIED && ev->kind != CORE_VACATED) {
        snprintf(w->told + len, sizeof(w->told) - len, "%s%s%s%.*s/%.*s%.*s", len ? " " : "",
                 names[ev->kind], ev->channel.len ? ":" : "", (int)ev->channel.len,
                 ev->channel.len ? ev->channel.p : "", (int)ev->user.len, ev->user.p,
                 (int)ev->info.len, ev->info.len ? ev->info.p : "");
    } else {
        cr_assert_neq(ev->cause, 0, "they have a cause");
    }
}

static inline void p_set(struct pworld *w, const char *name, const char *value)
{
    cr_assert_eq(options_set(&w->opt, name, value, OPT_FROM_SET, NULL), 0, "%s", name);
}

/* `settings`: pairs of name and value, then NULL. */
static inline struct pworld *p_world(const char *const *settings)
{
    struct pworld *w = calloc(1, sizeof(*w));
    struct router_keep keep;

    cr_assert_not_null(w);
    cr_assert_eq(options_init(&w->opt), 0);
    for (; settings && *settings; settings += 2) {
        p_set(w, settings[0], settings[1]);
    }
    cr_assert_eq(h_init(&w->h), 0);
    keep = (struct router_keep){&w->opt, NULL, &w->metrics};
    cr_assert_eq(router_keep(w->h.r, &keep), 0);
    cr_assert_eq(router_people(w->h.r, &w->opt), 0);
    w->h.ctx = w;
    w->h.notice = p_give;
    w->h.happened = p_happened;
    return w;
}

static inline void p_free(struct pworld *w)
{
    h_fini(&w->h);
    options_fini(&w->opt);
    free(w);
}

static inline uint64_t p_metric(const struct pworld *w, enum metric id)
{
    const struct metrics *const set = &w->metrics;

    return metrics_sum(&set, 1, id);
}

static inline void p_say(struct pworld *w, struct pclient *c, const char *json)
{
    struct info *info = json ? info_new(str_of(json)) : NULL;

    router_set_info(w->h.r, &c->m, info);
    info_unref(info);
}

/* Joins, on shard 0 or another one in turn; `names`: by spaces. */
static inline int p_try_join(struct pworld *w, struct pclient *c, const char *user,
                             const char *names, const char *info)
{
    struct str v[8];
    struct cursor top;
    unsigned n = 0;
    int rc;

    c->m = (struct member){.id = ++w->last_id, .shard = (uint16_t)(w->last_id % 2)};
    p_say(w, c, info);
    while (*names) {
        size_t len = strcspn(names, " ");
        v[n++] = (struct str){names, len};
        names += len + (names[len] == ' ');
    }
    rc = router_join(w->h.r, &c->m, str_of(user), v, n, &top);
    if (rc == 0) {
        router_notes(w->h.r, &c->m, p_note, c);
    }
    return rc;
}

static inline struct pclient *p_join(struct pworld *w, const char *user, const char *names,
                                     const char *info)
{
    struct pclient *c = calloc(1, sizeof(*c));

    cr_assert_not_null(c);
    cr_assert_eq(p_try_join(w, c, user, names, info), 0);
    return c;
}

static inline void p_subscribe(struct pworld *w, struct pclient *c, const char *name)
{
    struct cursor top;

    cr_assert_eq(router_subscribe(w->h.r, &c->m, str_of(name), &top), 0);
    router_notes(w->h.r, &c->m, p_note, c);
}

static inline void p_unsubscribe(struct pworld *w, struct pclient *c, const char *name)
{
    cr_assert_eq(router_unsubscribe(w->h.r, &c->m, str_of(name)), 0);
}

/* The connection ends. */
static inline void p_leave(struct pworld *w, struct pclient *c)
{
    router_leave(w->h.r, &c->m);
    info_unref(c->m.info);
    c->m.info = NULL;
}

static inline void p_drop(struct pclient *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        free(c->got[i]);
    }
    free(c);
}

static inline void p_end(struct pworld *w, struct pclient *c)
{
    p_leave(w, c);
    p_drop(c);
}

/* What the client was told next, once all is delivered; "" if nothing. */
static inline const char *p_next(struct pworld *w, struct pclient *c)
{
    h_drain_all(&w->h);
    return c->read < c->n ? c->got[c->read++] : "";
}

static inline void p_wait(struct pworld *w, uint64_t ms)
{
    h_people(&w->h, ms);
}

/* What the application was told. */
static inline const char *p_told(struct pworld *w)
{
    static char text[sizeof(w->told)];

    memcpy(text, w->told, sizeof(text));
    w->told[0] = '\0';
    return text;
}

#define P_NEXT(w, c, text) cr_assert_str_eq(p_next(w, c), text)
#define P_NOTHING(w, c) cr_assert_str_eq(p_next(w, c), "")
#define P_TOLD(w, text) cr_assert_str_eq(p_told(w), text)

#endif
