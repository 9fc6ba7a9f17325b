/* auth/channel: signed channel names. What was signed here is good until its
 * expiry; with any byte changed, or under another secret, it is not. Input: lines:
 * a text as a client sends it, a channel, an expiry. */
#include "fuzz.h"

#include "auth/channel.h"
#include "proto/name.h"

#define NOW 1763632800000

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const char other[] = "0123456789abcdef0123456789abcdeF";

static enum auth_outcome check(const char *with, struct str text, uint64_t now, struct str *name)
{
    struct str copy = fuzz_copy(text.p, text.len);
    struct errmsg why = {""};
    bool is_signed = false;
    bool tilde = text.len && memchr(text.p, '~', text.len);
    enum auth_outcome outcome = channel_check(str_of(with), copy, now, name, &is_signed, &why);

    FUZZ_CHECK(is_signed == tilde, "%.*s", FUZZ_STR(text));
    FUZZ_CHECK(tilde || outcome == AUTH_OK, "a plain name is no matter of signatures");
    FUZZ_CHECK(name->len <= text.len && (name->len == 0 || name->p == copy.p));
    FUZZ_CHECK(!name->len || name->len == text.len || text.p[name->len] == '~');
    if (outcome != AUTH_OK) {
        fuzz_sentence_cut(why.text, sizeof(why.text));
    }
    name->p = text.p; /* the copy goes */
    fuzz_free(copy);
    return outcome;
}

static void check_signed(struct str channel, uint64_t expiry)
{
    struct errmsg why = {""};
    char *text = NULL;
    struct str name;
    int rc = channel_sign(str_of(secret), channel, expiry, &text, &why);

    FUZZ_CHECK((rc == 0) == (name_check_channel(channel, NULL) == 0), "%.*s", FUZZ_STR(channel));
    if (rc != 0) {
        return;
    }
    bool lives = expiry == 0 || expiry > NOW / 1000;
    enum auth_outcome outcome = check(secret, str_of(text), NOW, &name);
    FUZZ_CHECK(outcome == (lives ? AUTH_OK : AUTH_EXPIRED), "%s: %d", text, outcome);
    FUZZ_CHECK(str_eq(name, channel), "%.*s", FUZZ_STR(name));
    FUZZ_CHECK(check(other, str_of(text), NOW, &name) == AUTH_FORGED, "%s", text);
    FUZZ_CHECK(check("", str_of(text), NOW, &name) == AUTH_UNKNOWN, "%s", text);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        if (was != '~' || strchr(text, '~')) { /* else it is a plain name */
            outcome = check(secret, str_of(text), NOW, &name);
            FUZZ_CHECK(outcome != AUTH_OK && outcome != AUTH_EXPIRED, "byte %zu: %s", i, text);
        }
        text[i] = was;
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct str text = fuzz_line(&in), channel = fuzz_line(&in), name;
    char *expiry = fuzz_cstr(fuzz_line(&in));
    bool tilde = text.len && memchr(text.p, '~', text.len);

    /* Nobody guesses a signature. */
    FUZZ_CHECK(check(secret, text, NOW, &name) != AUTH_OK || !tilde, "%.*s", FUZZ_STR(text));
    check_signed(channel, strtoull(expiry, NULL, 10) % 20000000000);
    free(expiry);
    return 0;
}
