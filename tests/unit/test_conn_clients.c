#include "conn/clients.h"

#include "conn/stream.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MANY 1000

static struct rng rng;

static void init(void)
{
    cr_assert_eq(rng_init(&rng), 0);
}

TestSuite(clients, .init = init);

Test(clients, text_and_back)
{
    static const uint64_t ids[] = {1, 0x123456789abcdef0, UINT64_MAX, 0x8000000000000000};
    char text[CLIENT_ID_LEN + 1];
    uint64_t id;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        client_id_text(ids[i], text);
        cr_assert_eq(strlen(text), CLIENT_ID_LEN);
        cr_assert_eq(client_id_parse(str_of(text), &id), 0);
        cr_assert_eq(id, ids[i]);
    }
}

Test(clients, bad_ids)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "123456789abcdef",
                                      "123456789abcdef01",
                                      "123456789ABCDEF0",
                                      "g23456789abcdef0",
                                      "0x3456789abcdef0",
                                      " 23456789abcdef0",
                                      "-23456789abcdef0",
                                      "123456789abcdef/",
                                      "123456789abcdef:",
                                      "123456789abcdef`"};
    uint64_t id;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(client_id_parse(str_of(bad[i]), &id), ERR_INVALID, "%s", bad[i]);
    }
    cr_assert_eq(client_id_parse((struct str){"12345678\0abcdef0", 16}, &id), ERR_INVALID);
}

Test(clients, parts_of_an_id)
{
    uint64_t id = 0x07123456aabbccdd;

    cr_assert_eq(client_id_shard(id), 7);
    cr_assert_eq(client_id_slot(id), 0x123456);
}

Test(clients, add_find_remove)
{
    struct clients c = {0};
    struct stream *v = calloc(MANY, sizeof(*v));

    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(clients_add(&c, 5, &rng, &v[i], &v[i].member.id), 0);
        cr_assert_neq(v[i].member.id, 0);
        cr_assert_eq(client_id_shard(v[i].member.id), 5);
    }
    cr_assert_eq(c.count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(clients_find(&c, v[i].member.id), &v[i]);
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        clients_remove(&c, v[i].member.id);
        cr_assert_null(clients_find(&c, v[i].member.id));
    }
    cr_assert_eq(c.count, MANY / 2);
    for (unsigned i = 1; i < MANY; i += 2) {
        cr_assert_eq(clients_find(&c, v[i].member.id), &v[i]);
        clients_remove(&c, v[i].member.id);
    }
    cr_assert_eq(c.count, 0);
    clients_fini(&c);
    cr_assert_null(c.slots);
    free(v);
}

Test(clients, a_slot_used_again_has_another_id)
{
    struct clients c = {0};
    struct stream a = {0}, b = {0};
    uint64_t old;

    cr_assert_eq(clients_add(&c, 0, &rng, &a, &a.member.id), 0);
    old = a.member.id;
    clients_remove(&c, old);
    cr_assert_eq(clients_add(&c, 0, &rng, &b, &b.member.id), 0);
    cr_assert_eq(client_id_slot(b.member.id), client_id_slot(old), "slots are used again");
    cr_assert_neq(b.member.id, old);
    cr_assert_null(clients_find(&c, old), "the old id is nobody's");
    clients_remove(&c, b.member.id);
    clients_fini(&c);
}

/* A walk through the slots goes in the order of the ids: lists go on "after". */
Test(clients, ids_ascend_with_their_slots)
{
    struct clients c = {0};
    struct stream v[100] = {0};
    uint64_t last = 0;

    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(clients_add(&c, 3, &rng, &v[i], &v[i].member.id), 0);
    }
    for (uint32_t i = 0; i < c.nslots; i++) {
        if (c.slots[i]) {
            cr_assert_gt(c.slots[i]->member.id, last);
            last = c.slots[i]->member.id;
        }
    }
    for (unsigned i = 0; i < 100; i++) {
        clients_remove(&c, v[i].member.id);
    }
    clients_fini(&c);
}

Test(clients, find_outside_the_table)
{
    struct clients c = {0};

    cr_assert_null(clients_find(&c, 0));
    cr_assert_null(clients_find(&c, UINT64_MAX));
    clients_fini(&c);
}
