/* Every allocation of this floor fails once: the answer is ERR_NOMEM or a
 * sticky failure, nothing leaks, and the same call succeeds afterwards. */
#include "proto/control.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "proto/target.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define OTHER_MALLOC 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHER_MALLOC 1
#endif

#ifdef OTHER_MALLOC

Test(nomem, not_with_the_malloc_of_a_sanitizer)
{
    cr_skip_test("the sanitizer has its own malloc");
}

#else

/* The program's own definitions come before those of the C library. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *p);

/* How many allocations of this thread succeed before one fails; negative:
 * none fails. `live` counts blocks while armed. */
static _Thread_local int left = -1;
static _Thread_local bool counting;
static _Thread_local int live;

static bool fails(void)
{
    if (left < 0) {
        return false;
    }
    return left-- == 0;
}

void *malloc(size_t size)
{
    void *p = fails() ? NULL : __libc_malloc(size);

    live += counting && p;
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = fails() ? NULL : __libc_calloc(n, size);

    live += counting && p;
    return p;
}

void *realloc(void *old, size_t size)
{
    void *p = fails() ? NULL : __libc_realloc(old, size);

    live += counting && p && !old;
    return p;
}

void free(void *p)
{
    live -= counting && p;
    __libc_free(p);
}

/* Runs `work` with the first allocation failing, then the second, and so on
 * until nothing fails. It returns 0 if it succeeded, ERR_NOMEM if not. */
static void exhaust(int (*work)(void), int at_least)
{
    int n = 0;
    int rc;

    do {
        live = 0;
        counting = true;
        left = n;
        rc = work();
        bool used_up = left < 0;
        left = -1;
        counting = false;
        cr_assert(rc == 0 || rc == ERR_NOMEM, "allocation %d: %d", n, rc);
        cr_assert_eq(rc == ERR_NOMEM, used_up, "allocation %d: failure not reported", n);
        cr_assert_eq(live, 0, "allocation %d: %d blocks leak", n, live);
        n++;
    } while (rc);
    cr_expect_geq(n - 1, at_least, "only %d allocations seen", n - 1);
}

/* Enough depth for the stack of open containers to grow, enough values for a
 * second block, an escape, and a text cut off afterwards. */
static char text[40000];
static size_t text_len;

static void make_text(void)
{
    size_t n = 0;

    for (int i = 0; i < 100; i++) {
        text[n++] = '[';
    }
    while (n < sizeof(text) - 200) {
        memcpy(text + n, "\"\\u00e9\",", 9);
        n += 9;
    }
    text[n++] = '1';
    for (int i = 0; i < 100; i++) {
        text[n++] = ']';
    }
    text_len = n;
}

static int parse_twice(void)
{
    static const struct json_limits lim = {
        .max_depth = 200, .tree_depth = 200, .max_nodes = 100000};
    const struct json_node *root;
    struct json_error err;
    struct json_doc *doc;

    if (json_doc_new(&doc)) {
        return ERR_NOMEM;
    }
    int rc = json_parse(doc, (struct str){text, text_len}, &lim, &root, &err);
    if (rc == ERR_NOMEM) {
        /* The parser stays usable. */
        left = -1;
        if (json_parse(doc, (struct str){text, text_len}, &lim, &root, &err)) {
            rc = ERR_STATE;
        }
    }
    json_doc_free(doc);
    return rc;
}

Test(nomem, json)
{
    make_text();
    exhaust(parse_twice, 6);
}

static int make_frame(void)
{
    struct envelope e = {.kind = TARGET_EVERYONE,
                         .type = STR_LIT("t"),
                         .id = STR_LIT("i"),
                         .timestamp = STR_LIT("t"),
                         .data = STR_LIT("1"),
                         .epoch = 1};
    struct frame *f = NULL;
    int rc = frame_new(&e, 3, &f);

    frame_unref(f);
    return rc;
}

Test(nomem, frame)
{
    exhaust(make_frame, 1);
}

static int restore_frame(void)
{
    struct frame *f = NULL;
    int rc = frame_restore(TARGET_EVERYONE, STR_LIT("t"), STR_LIT("k"), STR_LIT("1-7"),
                           STR_LIT("{\"type\":\"t\",\"id\":\"i\",\"cursor\":\"1-7\","
                                   "\"timestamp\":\"t\",\"data\":1}"),
                           &f);

    frame_unref(f);
    return rc;
}

static int write_again(void)
{
    struct envelope e = {.kind = TARGET_EVERYONE,
                         .type = STR_LIT("t"),
                         .id = STR_LIT("i"),
                         .timestamp = STR_LIT("t"),
                         .data = STR_LIT("1"),
                         .epoch = 1};
    struct strbuf sb = STRBUF_INIT;
    struct frame *f;

    if (frame_new(&e, 1, &f)) {
        return ERR_NOMEM;
    }
    frame_seal(f, 7);
    frame_add_again(f, TRANSPORT_SSE, STR_LIT("1-9"), 2, &sb);
    frame_add_again(f, TRANSPORT_WS, STR_LIT("1-9"), 2, &sb);
    int rc = strbuf_failed(&sb) ? ERR_NOMEM : 0;
    strbuf_fini(&sb);
    frame_unref(f);
    return rc;
}

Test(nomem, frame_restored_and_written_again)
{
    exhaust(restore_frame, 3);
    exhaust(write_again, 4);
}

static int parse_target(void)
{
    struct target t;
    int rc = target_parse(STR_LIT("/events?channel=a&channel=b"), &t, NULL);

    if (rc == 0) {
        target_fini(&t);
    }
    return rc;
}

Test(nomem, target)
{
    exhaust(parse_target, 1);
}

static int write_texts(void)
{
    struct strbuf sb = STRBUF_INIT;

    control_add(&sb, TRANSPORT_SSE, STR_LIT("fanfare.connected"), STR_LIT("k-1"), STR_LIT("{}"));
    control_add(&sb, TRANSPORT_WS, STR_LIT("fanfare.connected"), STR_LIT("k-1"), STR_LIT("{}"));
    control_add_reply_ok(&sb, STR_LIT("1"), STR_LIT("{}"));
    control_add_reply_error(&sb, STR_LIT("1"), "c", STR_LIT("m\xFF"));
    control_add_reply_later(&sb, STR_LIT("1"), "c", STR_LIT("m\xFF"), 1);
    problem_add(&sb, 400, "c", STR_LIT("d\xFF"));
    json_minify(&sb, STR_LIT("[ 1 , 2 ]"));
    int rc = strbuf_failed(&sb) ? ERR_NOMEM : 0;
    strbuf_fini(&sb);
    return rc;
}

Test(nomem, writers)
{
    exhaust(write_texts, 5);
}

static int find_duplicate(void)
{
    static const struct json_limits lim = {.max_depth = 10, .tree_depth = 10, .max_nodes = 1000};
    const struct json_node *root;
    struct json_error err;
    struct json_doc *doc;
    struct strbuf sb = STRBUF_INIT;
    int armed = left;
    int rc = 0;

    left = -1; /* only the search is under test; it never fails */
    strbuf_adds(&sb, "{\"a\":1");
    for (int i = 0; i < 50; i++) {
        strbuf_addf(&sb, ",\"k%d\":1", i);
    }
    strbuf_adds(&sb, ",\"a\":2}");
    if (json_doc_new(&doc) || json_parse(doc, strbuf_str(&sb), &lim, &root, &err)) {
        return ERR_STATE;
    }
    left = armed;
    const struct json_node *d = json_duplicate(root);
    left = -1;
    if (!d || !str_eqz(d->raw, "2")) {
        rc = ERR_STATE;
    }
    json_doc_free(doc);
    strbuf_fini(&sb);
    return rc;
}

Test(nomem, duplicates_are_found_without_memory)
{
    left = 0;
    cr_expect_eq(find_duplicate(), 0);
    cr_expect_eq(find_duplicate(), 0);
}

#endif
