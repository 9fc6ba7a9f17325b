/* test_core_people.h - a keeper with people, and watchers, who note what they are told:
 *
 *   {…}      the data of a notice
 *   5        a message, by seq
 */
#ifndef FF_TEST_CORE_PEOPLE_H
#define FF_TEST_CORE_PEOPLE_H

#include "core/people.h"
#include "core/router_private.h"
#include "test_core_fakestore.h"

struct people_keeper {
    struct keeper k; /* first */
    uint64_t due_ms; /* what the router asked for last; UINT64_MAX: nothing */
};

static inline uint64_t pk_mono_ms(void *ctx)
{
    return ((struct people_keeper *)ctx)->k.mono_ms;
}

static inline uint64_t pk_real_ms(void *ctx)
{
    return ((struct people_keeper *)ctx)->k.now_ms;
}

static inline void pk_due(void *ctx, uint64_t due_ms)
{
    ((struct people_keeper *)ctx)->due_ms = due_ms;
}

struct watcher {
    struct member m; /* first */
    struct people_keeper *pk;
    size_t len;
    char text[K_TEXT];
};

static inline void watcher_add(struct watcher *w, struct str s)
{
    cr_assert_lt(w->len + s.len + 2, sizeof(w->text));
    if (w->len) {
        w->text[w->len++] = ' ';
    }
    memcpy(w->text + w->len, s.p, s.len);
    w->len += s.len;
    w->text[w->len] = '\0';
}

/* The value of "data". */
static inline void watcher_notice(void *ctx, struct member *m, const struct frame *f)
{
    struct str envelope = frame_envelope(f);
    const char *data = memmem(envelope.p, envelope.len, "\"data\":", 7);

    (void)ctx;
    cr_assert_not_null(data);
    data += 7;
    watcher_add((struct watcher *)(void *)m,
                (struct str){data, (size_t)(envelope.p + envelope.len - 1 - data)});
}

static inline void watcher_deliver(void *ctx, struct member *m, uint64_t seq)
{
    char text[24];

    (void)ctx;
    watcher_add(
        (struct watcher *)(void *)m,
        (struct str){text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)seq)});
}

static inline void pk_init(struct people_keeper *pk, const char *const *settings,
                           struct core_store *store)
{
    k_init(&pk->k, settings, store);
    pk->k.opt.user_presence = false; /* so that nothing else is due */
    pk->due_ms = UINT64_MAX;
    pk->k.h.deliver = watcher_deliver;
    pk->k.h.notice = watcher_notice;
    pk->k.h.r->ports.mono_ms = pk_mono_ms;
    pk->k.h.r->ports.real_ms = pk_real_ms;
    pk->k.h.r->ports.due = pk_due;
    cr_assert_eq(router_people(pk->k.h.r, &pk->k.opt), 0);
}

static inline void pk_fini(struct people_keeper *pk)
{
    k_fini(&pk->k);
}

/* On a shard; `names` divided by spaces. Notes are left for the test. */
static inline void watcher_join(struct watcher *w, struct people_keeper *pk, unsigned shard,
                                const char *user, const char *names)
{
    static uint64_t ids;
    struct str v[8];
    struct cursor top;
    unsigned n = 0;

    memset(w, 0, sizeof(*w));
    w->pk = pk;
    w->m.id = ++ids;
    w->m.shard = (uint16_t)shard;
    while (names && *names) {
        size_t len = strcspn(names, " ");
        cr_assert_lt(n, 8u);
        v[n++] = (struct str){names, len};
        names += len + (names[len] == ' ');
    }
    cr_assert_eq(router_join(pk->k.h.r, &w->m, str_of(user), v, n, &top), 0);
}

static inline void watcher_leave(struct watcher *w)
{
    router_leave(w->pk->k.h.r, &w->m);
}

static inline void watcher_put_note(void *ctx, struct frame *f)
{
    struct watcher *w = ctx;

    watcher_notice(NULL, &w->m, f);
}

/* What it was told since the last time, its notes first. */
static inline void watcher_expect(struct watcher *w, const char *text)
{
    router_notes(w->pk->k.h.r, &w->m, watcher_put_note, w);
    h_drain_all(&w->pk->k.h);
    cr_assert_str_eq(w->text, text);
    w->len = 0;
    w->text[0] = '\0';
}

#endif
