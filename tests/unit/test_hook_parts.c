/* The parts of the hook that need no network. */
#include "hook/private.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define S(text) STR_LIT(text)

/* ---- answers ---- */

static struct reading read_text(enum hook_event event, const char *text)
{
    const struct answer_limits lim = {.max_channels = 3, .max_meta = 20};
    struct json_doc *doc;
    struct reading r;

    cr_assert_eq(json_doc_new(&doc), 0);
    answer_read(doc, event, 200, str_of(text), &lim, 1000000, &r);
    json_doc_free(doc);
    return r;
}

Test(hook_parts, answers_that_mean_nothing)
{
    static const struct {
        const char *text;
        bool works;
    } cases[] = {
        {"", false},
        {"yes", false},
        {"true", false},
        {"[{\"allow\":true}]", false},
        {"{\"allow\":true} x", false},
        {"{}", true},
        {"{\"allow\":null}", true},
        {"{\"allow\":\"true\"}", true},
        {"{\"allow\":1}", true},
        {"{\"Allow\":true}", true},
        {"{\"allow\":true,\"allow\":true}", true},
        {"{\"allow\":false,\"allow\":true}", true},
        {"{\"allow\":true,\"ttl\":\"5\"}", true},
        {"{\"allow\":true,\"ttl\":-1}", true},
        {"{\"allow\":true,\"ttl\":1.5}", true},
        {"{\"allow\":true,\"ttl\":86401}", true},
        {"{\"allow\":true,\"userId\":7}", true},
        {"{\"allow\":true,\"userId\":\"\"}", true},
        {"{\"allow\":true,\"userId\":\"a\\ud800\"}", true},
        {"{\"allow\":true,\"channels\":\"a\"}", true},
        {"{\"allow\":true,\"channels\":[1]}", true},
        {"{\"allow\":true,\"channels\":[\"a b\"]}", true},
        {"{\"allow\":true,\"channels\":[\"a\",\"b\",\"c\",\"d\"]}", true},
        {"{\"allow\":true,\"publish\":{}}", true},
        {"{\"allow\":true,\"meta\":[]}", true},
        {"{\"allow\":true,\"meta\":{\"a\":\"012345678901234567890\"}}", true},
        {"{\"allow\":true,\"info\":\"012345678901234567890\"}", true},
        {"{\"allow\":true,\"expiresIn\":0}", true},
        {"{\"allow\":true,\"expiresIn\":31536001}", true},
        {"{\"allow\":true,\"channel\":[\"a\"]}", true},
        {"{\"allow\":true,\"Channels\":[\"a\"]}", true},
        {"{\"allow\":true,\"user_id\":\"ann\"}", true},
        {"{\"allow\":true,\"expires_in\":1}", true},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reading r = read_text(HOOK_CONNECT, cases[i].text);
        cr_assert_eq(r.answer.verdict, HOOK_UNAVAILABLE, "%s", cases[i].text);
        cr_assert(!r.answer.grant && r.ttl_ms == 0 && r.why.text[0], "%s", cases[i].text);
        cr_assert_eq(r.works, cases[i].works, "%s", cases[i].text);
    }
}

Test(hook_parts, members_of_connect_mean_nothing_elsewhere)
{
    struct reading r = read_text(HOOK_SUBSCRIBE, "{\"allow\":true,\"userId\":\"ann\"}");

    cr_assert(r.answer.verdict == HOOK_UNAVAILABLE && r.works);
    cr_assert(strstr(r.why.text, "userId"), "%s", r.why.text);
    r = read_text(HOOK_SUBSCRIBE, "{\"allow\":true,\"ttl\":5,\"reason\":\"x\"}");
    cr_assert_eq(r.answer.verdict, HOOK_ALLOWED);
}

Test(hook_parts, a_deep_or_broad_answer_is_refused)
{
    char *text = malloc(70000);
    struct reading r;

    strcpy(text, "{\"allow\":true,\"x\":");
    for (unsigned i = 0; i < 1000; i++) {
        strcat(text, "[");
    }
    r = read_text(HOOK_CONNECT, text);
    cr_assert_eq(r.answer.verdict, HOOK_UNAVAILABLE);
    strcpy(text, "{\"allow\":true,\"x\":[1");
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(text + 20 + 2 * i, ",1", 3);
    }
    strcat(text, "]}");
    r = read_text(HOOK_CONNECT, text);
    cr_assert_eq(r.answer.verdict, HOOK_UNAVAILABLE);
    free(text);
}

Test(hook_parts, a_reason_is_short_and_plain)
{
    char text[1024];
    struct reading r;
    size_t n;

    r = read_text(HOOK_SUBSCRIBE, "{\"allow\":false,\"reason\":\"a\\nb\"}");
    cr_assert(r.answer.verdict == HOOK_DENIED && r.answer.reason[0] == '\0');
    r = read_text(HOOK_SUBSCRIBE, "{\"allow\":false,\"reason\":\"a\\u0000b\"}");
    cr_assert_eq(r.answer.reason[0], '\0');
    r = read_text(HOOK_SUBSCRIBE, "{\"allow\":false,\"reason\":7}");
    cr_assert(r.answer.verdict == HOOK_DENIED && r.answer.reason[0] == '\0');
    strcpy(text, "{\"allow\":false,\"reason\":\"a");
    for (unsigned i = 0; i < 200; i++) {
        strcat(text, "\u00fc");
    }
    strcat(text, "\"}");
    r = read_text(HOOK_SUBSCRIBE, text);
    n = strlen(r.answer.reason);
    cr_assert_eq(n, 159, "a and 79 of two bytes: %zu", n);
    cr_assert_eq((unsigned char)r.answer.reason[158], 0xbc);
    strcpy(text, "{\"allow\":false,\"reason\":\"ab");
    for (unsigned i = 0; i < 200; i++) {
        strcat(text, "\u00fc");
    }
    strcat(text, "\"}");
    r = read_text(HOOK_SUBSCRIBE, text);
    cr_assert_eq(strlen(r.answer.reason), 158, "no half character");
}

Test(hook_parts, ttl)
{
    struct reading r = read_text(HOOK_CONNECT, "{\"allow\":true,\"ttl\":60,\"expiresIn\":10}");

    cr_assert(r.answer.grant && r.ttl_ms == 10000, "not longer than the grant");
    cr_assert_eq(r.answer.grant->s.expires_ms, 1010000);
    grant_unref(r.answer.grant);
    r = read_text(HOOK_CONNECT, "{\"allow\":true,\"ttl\":5,\"expiresIn\":10}");
    cr_assert_eq(r.ttl_ms, 5000);
    grant_unref(r.answer.grant);
    r = read_text(HOOK_CONNECT, "{\"allow\":true}");
    cr_assert(r.ttl_ms == 0 && r.answer.grant->s.user.len == 0 &&
              !r.answer.grant->s.lists_subscribe);
    grant_unref(r.answer.grant);
}

/* ---- questions ---- */

Test(hook_parts, what_makes_questions_equal)
{
    const struct str ab[] = {S("ab")}, a_b[] = {S("a"), S("b")};
    const struct hook_question questions[] = {
        {.event = HOOK_SUBSCRIBE, .channels = ab, .nchannels = 1},
        {.event = HOOK_SUBSCRIBE, .channels = a_b, .nchannels = 2},
        {.event = HOOK_PUBLISH, .channels = ab, .nchannels = 1},
        {.event = HOOK_SUBSCRIBE, .user = S("u"), .channels = ab, .nchannels = 1},
        {.event = HOOK_SUBSCRIBE, .origin = S("u"), .channels = ab, .nchannels = 1},
        {.event = HOOK_CONNECT},
        {.event = HOOK_CONNECT, .cookie = S("x")},
        {.event = HOOK_CONNECT, .authorization = S("x")},
        {.event = HOOK_CONNECT, .origin = S("x")},
    };
    enum { N = sizeof questions / sizeof *questions };
    uint8_t digests[N][HOOK_DIGEST], again[HOOK_DIGEST], one[HOOK_DIGEST], other[HOOK_DIGEST];

    for (unsigned i = 0; i < N; i++) {
        struct hook_question q = questions[i];
        question_digest(&q, digests[i]);
        for (unsigned k = 0; k < i; k++) {
            cr_assert(memcmp(digests[i], digests[k], HOOK_DIGEST) != 0, "%u %u", i, k);
        }
        question_identity(&q, digests[i], one);
        q.address = S("192.0.2.1");
        question_digest(&q, again);
        cr_assert_eq(memcmp(digests[i], again, HOOK_DIGEST) == 0, q.user.len > 0);
        question_identity(&q, again, other);
        cr_assert(memcmp(one, other, HOOK_DIGEST) != 0);
        q.client_id = q.address;
        q.address = STR_NONE;
        question_identity(&q, again, one);
        cr_assert(memcmp(one, other, HOOK_DIGEST) != 0);
    }
}

/* ---- the cache ---- */

static void key_of(unsigned i, uint8_t key[HOOK_DIGEST])
{
    memset(key, 0, HOOK_DIGEST);
    memcpy(key, &i, sizeof i);
}

Test(hook_parts, the_cache_is_bounded)
{
    struct cache c = {.seed = 1, .max = 100, .max_bytes = 1 << 20};
    struct hook_answer a = {.verdict = HOOK_DENIED}, got;
    uint8_t key[HOOK_DIGEST];
    unsigned n = 0;

    for (unsigned i = 0; i < 1000; i++) {
        key_of(i, key);
        cache_add(&c, key, 1000, 0, 7, &a);
    }
    for (unsigned i = 0; i < 1000; i++) {
        key_of(i, key);
        n += cache_find(&c, key, 1, &got);
    }
    cr_assert_eq(n, 100);
    for (unsigned i = 0; i < 1000; i++) {
        key_of(i, key);
        cache_add(&c, key, 1000, 65536, 7, &a);
    }
    cr_assert_leq(c.bytes, c.max_bytes);
    cr_assert_eq(HASH_COUNT(c.table), 15);
    cache_free(&c);
    cr_assert_eq(c.bytes, 0);
}

Test(hook_parts, the_cache_counts_grants)
{
    struct cache c = {.seed = 1, .max = 100, .max_bytes = 1 << 20};
    const struct grant_spec spec = {.kind = GRANT_CLIENT, .user = S("ann")};
    struct hook_answer a = {.verdict = HOOK_ALLOWED}, got;
    uint8_t key[HOOK_DIGEST];

    cr_assert_eq(grant_new(&spec, &a.grant), 0);
    key_of(1, key);
    cache_add(&c, key, 1000, 0, 7, &a);
    cache_add(&c, key, 2000, 0, 7, &a);
    cr_assert_eq(atomic_load(&a.grant->refs), 2);
    cr_assert(cache_find(&c, key, 1999, &got) && got.grant == a.grant);
    grant_unref(got.grant);
    cr_assert(!cache_find(&c, key, 2000, &got));
    cr_assert_eq(atomic_load(&a.grant->refs), 1);
    grant_unref(a.grant);
    cache_free(&c);
}

Test(hook_parts, the_cache_forgets_a_user)
{
    struct cache c = {.seed = 1, .max = 100, .max_bytes = 1 << 20};
    struct hook_answer a = {.verdict = HOOK_ALLOWED}, got;
    uint8_t key[3][HOOK_DIGEST];
    unsigned ann = cache_user(&c, S("ann")), bob = cache_user(&c, S("bob"));

    cr_assert(ann != 0 && ann != bob);
    for (uint8_t i = 0; i < 3; i++) {
        key_of(i, key[i]);
        cache_add(&c, key[i], 1000, 0, i == 0 ? ann : i == 1 ? bob : 0, &a);
    }
    cache_forget(&c, ann);
    cr_assert(!cache_find(&c, key[0], 1, &got), "hers");
    cr_assert(cache_find(&c, key[1], 1, &got), "another one's");
    cr_assert(cache_find(&c, key[2], 1, &got), "nobody's");
    cache_free(&c);
}

/* ---- the breaker ---- */

Test(hook_parts, breaker)
{
    struct breaker b = {.max = 2, .pause_ms = 100};

    cr_assert_eq(breaker_lets(&b, 0), BREAKER_YES);
    cr_assert(!breaker_tell(&b, false, false, 0));
    cr_assert(!breaker_tell(&b, false, true, 0), "one success");
    cr_assert(!breaker_tell(&b, false, false, 0));
    cr_assert(breaker_tell(&b, false, false, 10), "two in a row");
    cr_assert_eq(breaker_lets(&b, 109), BREAKER_NO);
    cr_assert(!breaker_tell(&b, false, false, 50), "it was on its way");
    cr_assert_eq(breaker_lets(&b, 110), BREAKER_TRY);
    cr_assert_eq(breaker_lets(&b, 110), BREAKER_NO, "one is enough");
    cr_assert(!breaker_tell(&b, false, false, 111), "an old one says nothing about the trial");
    cr_assert_eq(breaker_lets(&b, 300), BREAKER_NO);
    cr_assert(!breaker_tell(&b, true, false, 300), "it still fails");
    cr_assert_eq(breaker_lets(&b, 399), BREAKER_NO);
    cr_assert_eq(breaker_lets(&b, 400), BREAKER_TRY);
    breaker_take_back(&b);
    cr_assert_eq(breaker_lets(&b, 400), BREAKER_TRY);
    cr_assert(breaker_tell(&b, true, true, 401));
    cr_assert_eq(breaker_lets(&b, 401), BREAKER_YES);
    cr_assert(!breaker_tell(&b, false, false, 402), "it begins to count anew");
}
