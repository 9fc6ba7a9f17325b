/* permit.h - who may subscribe to what, and publish to what: a grant's list and
 * the rules for prefixes of channel names (subscribe-for, publish-for) together.
 * docs/security.md says it in words; the functions are pure. */
#ifndef FF_CORE_PERMIT_H
#define FF_CORE_PERMIT_H

#include "conf/options.h"
#include "core/grant.h"

/* May a holder of the grant subscribe to the channel or pattern, and read the
 * history of the channel? Anything for GRANT_OPEN, and for a key with RIGHT_READ;
 * nothing for other keys. A client with a list: what the list covers, unless the
 * rule says nobody. Any other client, and the anonymous: what the rule leaves to
 * anyone, or to users if it has a user.
 *
 * Who satisfies a rule satisfies the less strict ones too: a listed channel needs
 * no user. So the strictest of all rules that concern some channel of a pattern
 * decides about the pattern, and no pattern permits more than its channels do.
 *
 * USERS_CHANNEL always needs to be listed. */
bool permit_subscribe(const struct options *o, const struct grant *g, struct str name);
/* May it publish to the channel? A key: what it lists, or RIGHT_ALL_CHANNELS. A
 * client: what its token's `publish` lists and publish-for does not forbid. */
bool permit_publish(const struct options *o, const struct grant *g, struct str channel);
/* Could the application's word permit what the grant does not? Clients only, and never what a
 * rule leaves to nobody: for a key, the file of keys has the last word. Anonymous clients may be
 * permitted to subscribe. */
bool permit_ask_subscribe(const struct options *o, const struct grant *g, struct str name);
bool permit_ask_publish(const struct options *o, const struct grant *g, struct str channel);
/* May it use what needs the right? Always with GRANT_OPEN, never but for keys else. */
bool permit_right(const struct grant *g, enum grant_right right);

#endif
