/* What people's parts have to say: to members, to the application, and when it is their turn. */
#include "core/people_private.h"

#include <stdlib.h>

void people_tell(struct router *r, struct core_event *ev)
{
    if (r->ports.happened) {
        ev->at_ms = r->ports.real_ms(r->ports.ctx);
        r->ports.happened(r->ports.ctx, ev);
    }
}

void people_due(struct router *r, uint64_t ms)
{
    if (ms < r->people->due_ms) {
        r->people->due_ms = ms;
        r->ports.due(r->ports.ctx, ms);
    }
}

/* ---- notes ---- */

bool people_note(struct router *r, struct member *m, struct frame *f)
{
    struct notes *l = &r->people->notes[m->shard];
    struct note *n = malloc(sizeof(*n));

    if (!n) {
        frame_unref(f);
        return false;
    }
    *n = (struct note){NULL, m, f};
    *(l->end ? l->end : &l->first) = n;
    l->end = &n->next;
    return true;
}

void router_notes(struct router *r, struct member *m, void (*put)(void *ctx, struct frame *f),
                  void *ctx)
{
    struct notes *l = r->people ? &r->people->notes[m->shard] : NULL;
    struct note **at = l ? &l->first : NULL;

    while (at && *at) {
        struct note *n = *at;
        if (n->member != m) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        if (!*at) {
            l->end = at;
        }
        put(ctx, n->frame);
        frame_unref(n->frame);
        free(n);
    }
}

static void drop_note(void *ctx, struct frame *f)
{
    (void)ctx;
    (void)f;
}

void people_forget_notes(struct router *r, struct member *m)
{
    router_notes(r, m, drop_note, NULL);
}
