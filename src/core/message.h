/* message.h - a published message on its way to the shards. Internal to core. */
#ifndef FF_CORE_MESSAGE_H
#define FF_CORE_MESSAGE_H

#include "core/patterns.h"
#include "core/ports.h"
#include "core/router.h"

struct message {
    atomic_uint refs; /* shards that still have to deliver it */
    enum target_kind kind;
    uint64_t seq;
    uint64_t matched;
    uint64_t except;
    struct frame *frame;
    struct topic *topic;      /* channel or user with members, or NULL; counted */
    struct group_set groups;  /* counted */
    uint64_t interested;      /* bit a shard */
    _Alignas(8) char links[]; /* PORT_LINK_SIZE a shard */
};

#endif
