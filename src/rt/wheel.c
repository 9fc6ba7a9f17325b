#include "rt/wheel.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

/* Level k has 64 slots of 64^k ticks each; a timer lies in the lowest level
 * that reaches it and moves down when the wheel comes to its slot. Six levels
 * reach beyond the 2^32 ticks that wheel_timer.due can tell apart. */
enum {
    LEVELS = 6,
    BITS = 6,
    SLOTS = 1 << BITS,
    MASK = SLOTS - 1,
};

static const uint64_t max_ticks = UINT32_MAX;

struct wheel {
    uint64_t tick;              /* the one done last, or being done now */
    uint64_t top;               /* being gone to; new timers are due after it */
    uint64_t used[LEVELS];      /* bit set: the slot may have timers */
    struct wheel_timer *firing; /* due now */
    bool advancing;             /* in a callback */
    struct wheel_timer *slot[LEVELS][SLOTS];
};

int wheel_new(uint64_t now_ms, struct wheel **out)
{
    struct wheel *w = calloc(1, sizeof *w);
    if (!w) {
        return ERR_NOMEM;
    }
    w->tick = w->top = now_ms / WHEEL_TICK_MS;
    *out = w;
    return 0;
}

void wheel_free(struct wheel *w)
{
    free(w);
}

static void link_timer(struct wheel_timer **head, struct wheel_timer *t)
{
    t->next = *head;
    t->prev = head;
    if (t->next) {
        t->next->prev = &t->next;
    }
    *head = t;
}

static void unlink_timer(struct wheel_timer *t)
{
    *t->prev = t->next;
    if (t->next) {
        t->next->prev = t->prev;
    }
    t->next = NULL;
    t->prev = NULL;
}

/* `due` is at or after w->tick and within max_ticks of it. */
static void insert(struct wheel *w, struct wheel_timer *t, uint64_t due)
{
    uint64_t delta = due - w->tick;
    unsigned level = 0;
    if (delta >= SLOTS) {
        level = (unsigned)(63 - __builtin_clzll(delta)) / BITS;
    }
    unsigned i = (unsigned)(due >> (BITS * level)) & MASK;
    link_timer(&w->slot[level][i], t);
    w->used[level] |= UINT64_C(1) << i;
}

void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t now_ms, uint64_t delay_ms)
{
    wheel_stop(t);
    const uint64_t max_ms = max_ticks * WHEEL_TICK_MS;
    uint64_t at_ms = now_ms + (delay_ms < max_ms ? delay_ms : max_ms);
    uint64_t due = (at_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (due <= w->top) {
        due = w->top + 1;
    }
    if (due - w->tick > max_ticks) {
        due = w->tick + max_ticks;
    }
    t->due = (uint32_t)due;
    insert(w, t, due);
}

void wheel_stop(struct wheel_timer *t)
{
    if (t->prev) {
        unlink_timer(t);
    }
}

/* The first tick after w->tick at which a slot with timers begins; UINT64_MAX
 * if there is none. The slot of the present tick itself is a full turn away. */
static uint64_t next_tick(const struct wheel *w)
{
    uint64_t best = UINT64_MAX;
    for (unsigned level = 0; level < LEVELS; level++) {
        uint64_t from = (w->tick >> (BITS * level)) + 1;
        unsigned r = (unsigned)from & MASK;
        uint64_t ahead = w->used[level] >> r | w->used[level] << ((SLOTS - r) & MASK);
        for (; ahead; ahead &= ahead - 1) {
            uint64_t at = from + (unsigned)__builtin_ctzll(ahead);
            if (w->slot[level][at & MASK]) {
                at <<= BITS * level;
                best = at < best ? at : best;
                break;
            }
        }
    }
    return best;
}

/* wheel_stop does not know the wheel, so that bits outlive their timers. */
static void forget_empty(struct wheel *w)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        for (uint64_t rest = w->used[level]; rest; rest &= rest - 1) {
            if (!w->slot[level][__builtin_ctzll(rest)]) {
                w->used[level] &= ~(rest & -rest);
            }
        }
    }
}

/* Spreads the slots that begin at w->tick over the levels below. */
static void cascade(struct wheel *w)
{
    for (unsigned level = LEVELS - 1; level > 0; level--) {
        if (w->tick & ((UINT64_C(1) << (BITS * level)) - 1)) {
            continue;
        }
        struct wheel_timer **head = &w->slot[level][w->tick >> (BITS * level) & MASK];
        /* They go to lower levels only, so the list does get empty. */
        while (*head) {
            struct wheel_timer *t = *head;
            unlink_timer(t);
            insert(w, t, w->tick + (uint32_t)(t->due - (uint32_t)w->tick));
        }
    }
}

/* The timers of the present slot leave the wheel first: whatever a callback
 * starts or stops, their list only gets shorter. */
static void take_present(struct wheel *w)
{
    struct wheel_timer **head = &w->slot[0][w->tick & MASK];
    w->firing = *head;
    if (w->firing) {
        w->firing->prev = &w->firing;
    }
    *head = NULL;
}

/* Fires what was taken, at most *left. */
static void fire_taken(struct wheel *w, unsigned *left, wheel_fn *fire, void *ctx)
{
    while (w->firing && *left > 0) {
        struct wheel_timer *t = w->firing;
        unlink_timer(t);
        (*left)--;
        fire(t, ctx);
    }
}

bool wheel_advance_some(struct wheel *w, uint64_t now_ms, unsigned max, wheel_fn *fire, void *ctx)
{
    uint64_t target = now_ms / WHEEL_TICK_MS;
    unsigned left = max;
    assert(!w->advancing); /* not called from a callback */
    if (target > w->top) {
        w->top = target;
    }
    if (w->tick == w->top && !w->firing) {
        return false;
    }
    w->advancing = true;
    fire_taken(w, &left, fire, ctx);
    while (!w->firing && w->tick < w->top) {
        uint64_t at = next_tick(w);
        if (at > w->top) {
            w->tick = w->top;
            forget_empty(w);
            break;
        }
        w->tick = at;
        cascade(w);
        take_present(w);
        fire_taken(w, &left, fire, ctx);
    }
    w->advancing = false;
    return w->firing != NULL;
}

void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fn *fire, void *ctx)
{
    bool more = wheel_advance_some(w, now_ms, UINT_MAX, fire, ctx);
    assert(!more);
    (void)more;
}

int64_t wheel_next_ms(const struct wheel *w, uint64_t now_ms)
{
    if (w->firing) {
        return 0;
    }
    uint64_t at = next_tick(w);
    if (at == UINT64_MAX) {
        return -1;
    }
    uint64_t at_ms = at * WHEEL_TICK_MS;
    return at_ms > now_ms ? (int64_t)(at_ms - now_ms) : 0;
}
