/* notice.h - events of a channel that have no place in the log: presence, typing, read positions.
 *
 * Internal to core. A notice takes no number, is kept nowhere and reaches whoever a message to the
 * channel would reach, in one order with them: it is posted under the log's lock to the same
 * mailboxes. With it goes the top of that moment, so that a stream's position stays what it is. */
#ifndef FF_CORE_NOTICE_H
#define FF_CORE_NOTICE_H

#include "core/router.h"

/* Lock held. Takes the reference of `f` (frame_new_notice). `except`: a member's id, or 0.
 * ERR_NOMEM: nobody gets it. */
int notice_post(struct router *r, struct str channel, struct frame *f, uint64_t except)
    FF_USE_RESULT;
/* Lock held. Does so much wait for a shard that publications are refused? Then no notice is to be
 * posted that can be refused, or can wait. */
bool notice_crowded(const struct router *r);
/* Lock held. Is anybody there whom it would reach? Then it is worth encoding. */
bool notice_has_audience(const struct router *r, struct str channel);

#endif
