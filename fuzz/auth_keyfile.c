/* auth/keyfile: the file of backend keys. What is accepted names valid channels, is
 * found by the right text of a key alone, and no fault is without file and line. */
#include "fuzz.h"

#include "auth/keydoc.h"
#include "auth/keyfile.h"
#include "fuzz_memfile.h"
#include "proto/name.h"

/* Its hash stands in inputs: see dict/auth_keyfile.dict. */
#define SECRET_PART "0123456789012345678901234567890123456789012"

static void check_key(const struct keydoc_key *k)
{
    FUZZ_CHECK(keydoc_is_id(k->id) && k->id.len <= KEYFILE_ID_MAX, "%.*s", FUZZ_STR(k->id));
    FUZZ_CHECK((k->rights & ~RIGHT_ALL) == 0 && k->nsecrets <= KEYFILE_SECRETS);
    FUZZ_CHECK(k->nsecrets || k->certificate.len || k->peer.len, "a key without a proof");
    for (unsigned i = 0; i < k->npublish; i++) {
        FUZZ_CHECK(name_check_subscription(k->publish[i], NULL) == 0, "%.*s",
                   FUZZ_STR(k->publish[i]));
    }
}

static void check_doc(const struct keydoc *d, struct str text)
{
    for (unsigned i = 0; i < d->n; i++) {
        check_key(&d->keys[i]);
        FUZZ_CHECK(d->keys[i].all.from < d->keys[i].all.to && d->keys[i].all.to <= text.len);
        FUZZ_CHECK(i == 0 || d->keys[i - 1].all.to <= d->keys[i].all.from);
        FUZZ_CHECK(keydoc_find(d, d->keys[i].id) == &d->keys[i], "twice: %.*s",
                   FUZZ_STR(d->keys[i].id));
    }
}

/* Only the text of a key that is there gives a grant, and that key's. */
static void check_texts(const struct keyfile *k, const struct keydoc *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        char text[KEYFILE_KEY_MAX];
        struct str id = d->keys[i].id;
        snprintf(text, sizeof(text), KEYFILE_PREFIX "%.*s_%s", FUZZ_STR(id), SECRET_PART);
        const struct grant *g = keyfile_by_text(k, str_of(text));
        FUZZ_CHECK(!g || (g->s.kind == GRANT_KEY && str_eq(g->s.id, id) && d->keys[i].nsecrets));
        FUZZ_CHECK(!g || g->s.rights == d->keys[i].rights);
        FUZZ_CHECK(!g || keyfile_still(k, g) == KEYFILE_SAME);
        text[strlen(text) - 1] = '3';
        FUZZ_CHECK(!keyfile_by_text(k, str_of(text)), "another text: %s", text);
        if (d->keys[i].certificate.len) {
            g = keyfile_by_certificate(k, d->keys[i].certificate);
            FUZZ_CHECK(g && str_eq(g->s.id, id));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    const char *path = fuzz_memfile(data, size);
    struct errmsg why = {""};
    struct keyfile *k = NULL;
    struct keydoc d;
    int parsed = keydoc_parse(path, text, &d, &why);

    if (parsed != 0) {
        FUZZ_CHECK(parsed == ERR_INVALID && strncmp(why.text, path, strlen(path)) == 0, "%s",
                   why.text);
        fuzz_sentence_cut(why.text, sizeof(why.text));
    } else {
        check_doc(&d, text);
    }
    int loaded = keyfile_load(path, &k, &why);
    FUZZ_CHECK(loaded != 0 || parsed == 0, "the file is fine and the text is not");
    if (loaded == 0) {
        FUZZ_CHECK(keyfile_count(k) == d.n);
        check_texts(k, &d);
        FUZZ_CHECK(!keyfile_by_text(k, text), "the whole file as a key");
    }
    keyfile_free(k);
    if (parsed == 0) {
        keydoc_fini(&d);
    }
    return 0;
}
