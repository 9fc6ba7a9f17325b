#include "core/message.h"

#include "core/router_private.h"

#include <stdlib.h>

struct message *message_new(const struct router *r)
{
    struct message *m = malloc(sizeof(*m) + r->shards * PORT_LINK_SIZE);

    if (m) {
        memset(m, 0, sizeof(*m));
        atomic_init(&m->refs, 1);
        m->groups.v = m->groups.few;
    }
    return m;
}

void message_unaddress(struct message *m)
{
    if (m->topic) {
        topic_unref(m->topic);
        m->topic = NULL;
    }
    for (unsigned i = 0; i < m->groups.n; i++) {
        topic_unref(m->groups.v[i]);
    }
    group_set_fini(&m->groups);
    m->groups.n = 0;
    m->interested = 0;
}

static void message_free(struct message *m)
{
    message_unaddress(m);
    frame_unref(m->frame);
    once_unref(m->once);
    free(m);
}

void message_unref(struct message *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        message_free(m);
    }
}

bool ticket_less(struct publish_ticket *t)
{
    return atomic_fetch_sub_explicit(&t->left, 1, memory_order_acq_rel) == 1;
}

bool publish_ticket_close(struct publish_ticket *t)
{
    return ticket_less(t);
}
