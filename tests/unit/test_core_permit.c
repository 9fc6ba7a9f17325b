/* Who may subscribe and publish: grants and rules together. */
#include "core/permit.h"

#include "proto/name.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct options o;

static void rule(const char *option, const char *value)
{
    struct errmsg why;

    cr_assert_eq(options_set(&o, option, value, OPT_FROM_SET, &why), 0, "%s", why.text);
}

static void start(void)
{
    cr_assert_eq(options_init(&o), 0);
}

static void stop(void)
{
    options_fini(&o);
}

TestSuite(permit, .init = start, .fini = stop);

/* `user` and the lists may be NULL; patterns divided by one space. */
static struct grant *make(enum grant_kind kind, unsigned rights, const char *user,
                          const char *subscribe, const char *publish)
{
    struct str subs[8], pubs[8];
    struct grant_spec s = {.kind = kind, .rights = rights, .user = str_of(user)};
    struct grant *g = NULL;

    s.subscribe = subs;
    s.publish = pubs;
    s.lists_subscribe = subscribe != NULL;
    for (const char *p = subscribe; p && *p; p += strspn(p, " ")) {
        subs[s.nsubscribe] = (struct str){p, strcspn(p, " ")};
        p += subs[s.nsubscribe++].len;
    }
    for (const char *p = publish; p && *p; p += strspn(p, " ")) {
        pubs[s.npublish] = (struct str){p, strcspn(p, " ")};
        p += pubs[s.npublish++].len;
    }
    cr_assert_eq(grant_new(&s, &g), 0);
    return g;
}

static void subscribes(const char *what, struct grant *g, const char *name, bool expected)
{
    cr_expect_eq(permit_subscribe(&o, g, str_of(name)), expected, "%s %s %s", what,
                 expected ? "may not subscribe to" : "may subscribe to", name);
}

static void publishes(const char *what, struct grant *g, const char *name, bool expected)
{
    cr_expect_eq(permit_publish(&o, g, str_of(name)), expected, "%s %s %s", what,
                 expected ? "may not publish to" : "may publish to", name);
}

static const char *const names[] = {"a", "a.b", "*", ">", "private-a", "private-a.>", "presence-a"};
enum { NAMES = sizeof names / sizeof names[0] };

Test(permit, everything_in_open_mode)
{
    rule("subscribe-for", "a=nobody");
    rule("publish-for", "a=nobody");
    for (unsigned i = 0; i < NAMES; i++) {
        subscribes("open", grant_open(), names[i], true);
        publishes("open", grant_open(), names[i], true);
    }
    cr_assert(permit_right(grant_open(), RIGHT_ADMIN));
}

Test(permit, keys)
{
    struct grant *reader = make(GRANT_KEY, RIGHT_READ, NULL, NULL, "a.> private-b");
    struct grant *writer = make(GRANT_KEY, RIGHT_ALL & ~(unsigned)RIGHT_READ, NULL, NULL, NULL);

    rule("subscribe-for", "a=nobody");
    rule("publish-for", "a=nobody"); /* of clients */
    for (unsigned i = 0; i < NAMES; i++) {
        subscribes("reader", reader, names[i], true);
        subscribes("writer", writer, names[i], false);
        publishes("writer", writer, names[i], true);
    }
    publishes("reader", reader, "a.b", true);
    publishes("reader", reader, "a", false);
    publishes("reader", reader, "private-b", true);
    publishes("reader", reader, "private-a.b", false);
    cr_assert(permit_right(reader, RIGHT_READ) && !permit_right(writer, RIGHT_READ));
    cr_assert(permit_right(writer, RIGHT_ADMIN) && !permit_right(reader, RIGHT_ADMIN));
    cr_assert_not(permit_right(reader, (enum grant_right)(RIGHT_READ | RIGHT_ADMIN)));
    grant_unref(reader);
    grant_unref(writer);
}

/* Who is connected is told to those who have it listed by its name, whatever the rules say. */
Test(permit, users)
{
    struct grant *reader = make(GRANT_KEY, RIGHT_READ, NULL, NULL, NULL);
    struct grant *writer = make(GRANT_KEY, RIGHT_ALL & ~(unsigned)RIGHT_READ, NULL, NULL, NULL);
    struct grant *anonymous = make(GRANT_ANONYMOUS, 0, NULL, NULL, NULL);
    struct grant *plain = make(GRANT_CLIENT, 0, "ann", NULL, NULL);
    struct grant *all = make(GRANT_CLIENT, 0, "ann", "> *.*", "> *.*");
    struct grant *listed = make(GRANT_CLIENT, 0, "ann", "a " USERS_CHANNEL, NULL);

    for (unsigned i = 0; i < 3; i++) {
        subscribes("open", grant_open(), USERS_CHANNEL, true);
        subscribes("reader", reader, USERS_CHANNEL, true);
        subscribes("writer", writer, USERS_CHANNEL, false);
        subscribes("anonymous", anonymous, USERS_CHANNEL, false);
        subscribes("plain", plain, USERS_CHANNEL, false);
        subscribes("all", all, USERS_CHANNEL, false);
        subscribes("listed", listed, USERS_CHANNEL, i < 2);
        cr_assert_not(permit_ask_subscribe(&o, plain, STR_LIT(USERS_CHANNEL)));
        cr_assert_not(permit_ask_subscribe(&o, anonymous, STR_LIT(USERS_CHANNEL)));
        if (i == 0) {
            rule("subscribe-for", "fan=anyone");
        } else {
            rule("subscribe-for", "fanf=nobody");
        }
    }
    publishes("all", all, USERS_CHANNEL, false);
    struct grant *const grants[] = {reader, writer, anonymous, plain, all, listed};
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        grant_unref(grants[i]);
    }
}

/* Rights in the grant of somebody who is no key count for nothing. */
Test(permit, no_right_without_a_key)
{
    struct grant *client = make(GRANT_CLIENT, RIGHT_ALL, "ann", NULL, NULL);
    struct grant *anonymous = make(GRANT_ANONYMOUS, RIGHT_ALL, NULL, NULL, "a");

    cr_assert_not(permit_right(client, RIGHT_READ));
    cr_assert_not(permit_right(anonymous, RIGHT_READ));
    publishes("client", client, "a", false);
    publishes("anonymous", anonymous, "a", false);
    grant_unref(client);
    grant_unref(anonymous);
}

Test(permit, without_rules)
{
    struct grant *anonymous = make(GRANT_ANONYMOUS, 0, NULL, NULL, NULL);
    struct grant *ann = make(GRANT_CLIENT, 0, "ann", NULL, NULL);
    struct grant *list = make(GRANT_CLIENT, 0, NULL, "a.> private-b presence-c.*", NULL);
    struct grant *none = make(GRANT_CLIENT, 0, "ann", "", NULL);
    struct {
        const char *name;
        bool anonymous, ann, list;
    } table[] = {
        {"a", true, true, false},
        {"a.b", true, true, true},
        {"a.>", true, true, true},
        {"a.*.>", true, true, true},
        {">", true, true, false},
        {"private-b", false, false, true},
        {"private-b.c", false, false, false},
        {"private-b.>", false, false, false},
        {"presence-c.d", false, false, true},
        {"presence-c.*", false, false, true},
        {"presence-c.>", false, false, false},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        subscribes("anonymous", anonymous, table[i].name, table[i].anonymous);
        subscribes("ann", ann, table[i].name, table[i].ann);
        subscribes("list", list, table[i].name, table[i].list);
        subscribes("none", none, table[i].name, false);
    }
    grant_unref(anonymous);
    grant_unref(ann);
    grant_unref(list);
    grant_unref(none);
}

Test(permit, with_rules)
{
    struct grant *anonymous = make(GRANT_ANONYMOUS, 0, "ann", NULL, NULL); /* no such user */
    struct grant *nameless = make(GRANT_CLIENT, 0, NULL, NULL, NULL);
    struct grant *ann = make(GRANT_CLIENT, 0, "ann", NULL, NULL);
    struct grant *list = make(GRANT_CLIENT, 0, NULL, "m.> s.> n.> o.> private-o.>", NULL);
    struct {
        const char *name;
        bool anonymous, nameless, ann, list;
    } table[] = {
        {"m.a", false, false, true, true},  /* user: a listed one needs none */
        {"s.a", false, false, false, true}, /* granted */
        {"n.a", false, false, false, false},     {"n.>", false, false, false, false},
        {"o.a", true, true, true, true},         {"private-o.a", true, true, true, true},
        {"private-o.>", true, true, true, true}, {"private-p", false, false, false, false},
        {">", false, false, false, false}, /* with what nobody may have */
        {"z", true, true, true, false},
    };

    rule("subscribe-for", "m.=user");
    rule("subscribe-for", "s.=granted");
    rule("subscribe-for", "n.=nobody");
    rule("subscribe-for", "private-o.=anyone");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        subscribes("anonymous", anonymous, table[i].name, table[i].anonymous);
        subscribes("nameless", nameless, table[i].name, table[i].nameless);
        subscribes("ann", ann, table[i].name, table[i].ann);
        subscribes("list", list, table[i].name, table[i].list);
    }
    grant_unref(anonymous);
    grant_unref(nameless);
    grant_unref(ann);
    grant_unref(list);
}

Test(permit, clients_publish)
{
    struct grant *ann = make(GRANT_CLIENT, 0, "ann", NULL, "a.> private-b");

    rule("publish-for", "a.x=nobody");
    publishes("ann", ann, "a.b", true);
    publishes("ann", ann, "a", false);
    publishes("ann", ann, "a.x", false);
    publishes("ann", ann, "a.xy", false);
    publishes("ann", ann, "private-b", true);
    publishes("ann", ann, "private-c", false);
    grant_unref(ann);
}

/* No pattern permits more than each of its channels would. */
enum { ROUNDS = 4000, TEXT = 24 };

static uint64_t rng = 362436069;

static unsigned rnd(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng >> 33) % n;
}

static void random_grant(struct grant **out)
{
    static const char *const lists[] = {"a.>", ">", "*.a b.>", "private-a.> *", "private-a.b a.b"};

    *out = make(rnd(4) ? GRANT_CLIENT : GRANT_ANONYMOUS, 0, rnd(2) ? "ann" : NULL,
                rnd(3) ? lists[rnd(5)] : NULL, NULL);
}

static void random_rules(void)
{
    static const char *const prefixes[] = {"a", "a.", "a.a", "b.", "b.b", "private-", "private-a"};
    static const char *const who[] = {"anyone", "user", "granted", "nobody"};

    for (unsigned i = rnd(4); i > 0; i--) {
        char text[TEXT];
        struct errmsg why;
        snprintf(text, sizeof text, "%s=%s", prefixes[rnd(7)], who[rnd(4)]);
        int rc = options_set(&o, "subscribe-for", text, OPT_FROM_SET, &why);
        cr_assert_eq(rc, 0, "%s", why.text);
    }
}

Test(permit, patterns_and_their_channels)
{
    static const char *const patterns[] = {"a.*", "*.a",         "a.>",         ">",
                                           "*",   "private-a.*", "private-a.>", "b.*"};
    static const char *const channels[] = {"a",   "b",   "a.a", "a.b",         "b.a",
                                           "b.b", "c.a", "c",   "private-a.a", "private-a.b"};
    unsigned yes = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct grant *g = NULL;
        struct str pattern = str_of(patterns[rnd(8)]);

        options_fini(&o);
        cr_assert_eq(options_init(&o), 0);
        random_rules();
        random_grant(&g);
        if (permit_subscribe(&o, g, pattern)) {
            yes++;
            for (unsigned j = 0; j < sizeof channels / sizeof channels[0]; j++) {
                struct str channel = str_of(channels[j]);
                cr_assert(!grant_covers(&pattern, 1, channel) || permit_subscribe(&o, g, channel),
                          "%s gives %s", pattern.p, channel.p);
            }
        }
        grant_unref(g);
    }
    cr_assert_gt(yes, ROUNDS / 20);
}
