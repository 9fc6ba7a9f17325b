#include "core/permit.h"

#include "proto/name.h"

/* The strictest rule that a client satisfies for the name; WHO_NOBODY: none. */
static enum permit_who client_is(const struct grant *g, struct str name)
{
    if (g->s.lists_subscribe) {
        return grant_covers(g->s.subscribe, g->s.nsubscribe, name) ? WHO_GRANTED : WHO_NOBODY;
    }
    return g->s.kind == GRANT_CLIENT && g->s.user.len > 0 ? WHO_USER : WHO_ANYONE;
}

/* Who else is connected is told only to those to whom that is given by its name. */
static enum permit_who who_may(const struct options *o, struct str name)
{
    enum permit_who who = options_subscribe_who(o, name);

    return str_eqz(name, USERS_CHANNEL) && who < WHO_GRANTED ? WHO_GRANTED : who;
}

bool permit_subscribe(const struct options *o, const struct grant *g, struct str name)
{
    switch (g->s.kind) {
    case GRANT_OPEN:
        return true;
    case GRANT_KEY:
        return permit_right(g, RIGHT_READ);
    case GRANT_ANONYMOUS:
    case GRANT_CLIENT:
        break;
    }
    enum permit_who is = client_is(g, name);

    return is != WHO_NOBODY && who_may(o, name) <= is;
}

bool permit_publish(const struct options *o, const struct grant *g, struct str channel)
{
    bool listed = grant_covers(g->s.publish, g->s.npublish, channel);

    switch (g->s.kind) {
    case GRANT_OPEN:
        return true;
    case GRANT_KEY:
        return listed || permit_right(g, RIGHT_ALL_CHANNELS);
    case GRANT_CLIENT:
        return listed && options_publish_who(o, channel) != WHO_NOBODY;
    case GRANT_ANONYMOUS:
        break;
    }
    return false;
}

bool permit_ask_subscribe(const struct options *o, const struct grant *g, struct str name)
{
    return (g->s.kind == GRANT_CLIENT || g->s.kind == GRANT_ANONYMOUS) &&
           options_subscribe_who(o, name) != WHO_NOBODY && !str_eqz(name, USERS_CHANNEL);
}

bool permit_ask_publish(const struct options *o, const struct grant *g, struct str channel)
{
    return g->s.kind == GRANT_CLIENT && options_publish_who(o, channel) != WHO_NOBODY;
}

bool permit_right(const struct grant *g, enum grant_right right)
{
    return g->s.kind == GRANT_OPEN ||
           (g->s.kind == GRANT_KEY && (g->s.rights & (unsigned)right) == (unsigned)right);
}
