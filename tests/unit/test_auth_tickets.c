/* Tickets: once, for a while, so many, and not to be read from memory. */
#include "auth/tickets.h"

#include "test_core_nomem.h"

#include <stdio.h>

static struct tickets *t;
static struct grant *g;
static char text[AUTH_TICKET_LEN + 1];

static void start(void)
{
    const struct grant_spec spec = {.kind = GRANT_CLIENT, .user = STR_LIT("ann")};

    cr_assert_eq(grant_new(&spec, &g), 0);
    cr_assert_eq(tickets_new(&t), 0);
}

static void stop(void)
{
    tickets_free(t);
    cr_assert_eq(atomic_load(&g->refs), 1);
    grant_unref(g);
}

TestSuite(tickets, .init = start, .fini = stop);

static enum auth_outcome spend(const char *ticket, uint64_t now_ms)
{
    struct grant *got = NULL;
    enum auth_outcome outcome = tickets_spend(t, str_of(ticket), now_ms, &got);

    cr_assert_eq(got, outcome == AUTH_OK ? g : NULL);
    grant_unref(got);
    return outcome;
}

Test(tickets, once)
{
    cr_assert_eq(tickets_issue(t, g, 100, 200, 10, text), 0);
    cr_assert_eq(strlen(text), AUTH_TICKET_LEN);
    cr_assert_eq(strncmp(text, "fft_", 4), 0);
    cr_assert_eq(tickets_count(t), 1);
    cr_assert_eq(spend(text, 199), AUTH_OK);
    cr_assert_eq(spend(text, 199), AUTH_UNKNOWN);
    cr_assert_eq(tickets_count(t), 0);
}

Test(tickets, for_a_while)
{
    cr_assert_eq(tickets_issue(t, g, 100, 200, 10, text), 0);
    cr_assert_eq(spend(text, 200), AUTH_EXPIRED);
    cr_assert_eq(spend(text, 200), AUTH_UNKNOWN);
    cr_assert_eq(tickets_count(t), 0);
}

Test(tickets, come_back)
{
    struct str s = {text, AUTH_TICKET_LEN};

    cr_assert_eq(tickets_issue(t, g, 100, 200, 1, text), 0);
    cr_assert_eq(tickets_return(t, s, g, 100, 300, 10), ERR_EXISTS);
    cr_assert_eq(spend(text, 150), AUTH_OK);
    cr_assert_eq(tickets_return(t, s, g, 150, 250, 1), 0);
    cr_assert_eq(spend(text, 249), AUTH_OK);
    cr_assert_eq(spend(text, 249), AUTH_UNKNOWN);
    cr_assert_eq(tickets_return(t, STR_LIT("fft_x"), g, 150, 250, 1), ERR_INVALID);
    cr_assert_eq(tickets_return(t, s, g, 150, 250, 0), ERR_LIMIT);
}

Test(tickets, no_tickets)
{
    static const char *const bad[] = {"",
                                      "fft_",
                                      "fft_AAAA",
                                      "ffk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                      "fft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                      "fft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                      "fft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(spend(bad[i], 1), AUTH_MALFORMED, "%s", bad[i]);
    }
    cr_assert_eq(spend("fft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1), AUTH_UNKNOWN);
}

enum { MANY = 300 };

Test(tickets, so_many)
{
    static char many[MANY][AUTH_TICKET_LEN + 1];

    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(tickets_issue(t, g, 100, 200 + i, MANY, many[i]), 0);
        cr_assert(i == 0 || strcmp(many[i], many[i - 1]) != 0);
    }
    cr_assert_eq(tickets_issue(t, g, 100, 200, MANY, text), ERR_LIMIT);
    cr_assert_str_empty(text);
    /* One has expired: there is room for one. */
    cr_assert_eq(tickets_issue(t, g, 200, 1000, MANY, text), 0);
    cr_assert_eq(tickets_issue(t, g, 200, 1000, MANY, text), ERR_LIMIT);
    for (unsigned i = 1; i < MANY; i++) {
        cr_assert_eq(spend(many[i], 200), AUTH_OK);
    }
    cr_assert_eq(tickets_count(t), 1);
}

/* What lies in memory while a ticket is out has no part of it. */
Test(tickets, only_hashes_are_kept)
{
    char line[512], needle[AUTH_TICKET_LEN + 1];
    FILE *maps;
    unsigned found = 0;

    cr_assert_eq(tickets_issue(t, g, 100, 200, 10, text), 0);
    for (size_t i = 0; i < sizeof text; i++) {
        needle[i] = (char)(text[i] ^ 0x55); /* the only copy that is left */
    }
    explicit_bzero(text, sizeof text);
    maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned char *from, *to;
        if (!strstr(line, "[heap]") || sscanf(line, "%p-%p", (void **)&from, (void **)&to) != 2) {
            continue;
        }
        for (unsigned char *p = from; p + 20 < to; p++) {
            unsigned same = 0;
            while (same < 20 && (p[same] ^ 0x55) == (unsigned char)needle[4 + same]) {
                same++;
            }
            found += same == 20;
        }
    }
    if (maps) {
        fclose(maps);
    }
    cr_assert_eq(found, 0);
}

Test(tickets, without_memory)
{
    unsigned failures = 0;
    int rc = ERR_NOMEM;

    nomem_ready();
    cr_assert_eq(tickets_issue(t, g, 100, 200, 10, text), 0); /* the heap's array stays */
    cr_assert_eq(spend(text, 150), AUTH_OK);
    for (int i = 0; rc != 0; i++) {
        long before = live;
        left = i;
        rc = tickets_issue(t, g, 100, 200, 10, text);
        bool failed = left < 0;
        left = -1;
        cr_assert(rc == 0 || (rc == ERR_NOMEM && failed && live == before));
        failures += rc != 0;
    }
    cr_assert_geq(failures, 2);
    cr_assert_eq(spend(text, 150), AUTH_OK);
}
