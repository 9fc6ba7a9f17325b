/* webhooks.h - collects what the application is told of (docs/webhooks.md). Without webhook-url,
 * and for events that webhook-events does not choose, everything here does nothing. Internal to
 * src/lib. */
#ifndef FF_LIB_WEBHOOKS_H
#define FF_LIB_WEBHOOKS_H

#include "core/ports.h"
#include "http/server.h"

struct fanfare;

/* Before any shard runs, and when the epoch is known. */
int webhooks_open(struct fanfare *gw, struct errmsg *why) FF_USE_RESULT;
/* When all shards have ended: what waits is told, as long as the drain time lasts. */
void webhooks_close(struct fanfare *gw);

/* Adds what tells of channels, members and users to the router's ports. */
void webhooks_ports(struct fanfare *gw, struct core_ports *ports);
/* On the stream's thread. */
void webhooks_connected(struct fanfare *gw, const struct stream *s);
/* Its subscriptions end with it. */
void webhooks_disconnected(struct fanfare *gw, const struct stream *s, const char *reason);
void webhooks_subscribed(struct fanfare *gw, const struct stream *s, struct str name);
void webhooks_unsubscribed(struct fanfare *gw, const struct stream *s, struct str name,
                           const char *reason);
/* On the publisher's thread. */
void webhooks_published(struct fanfare *gw, const struct http_published *p);

#endif
