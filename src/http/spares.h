/* spares.h - descriptors kept in reserve, so that whoever comes when there are
 * no others can be told so. */
#ifndef FF_HTTP_SPARES_H
#define FF_HTTP_SPARES_H

#include "http/server.h"

/* Fills the reserve up; notes in `starved` whether that can be done. */
void spares_keep(struct http_server *srv);
/* Closes a spare descriptor, so that one can be had; false: there is none. */
bool spares_spend(struct http_server *srv);
/* Is a descriptor to be had at this moment, without the spares? */
bool spares_descriptor_left(const struct http_server *srv);

#endif
