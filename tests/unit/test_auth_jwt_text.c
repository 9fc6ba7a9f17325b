/* The compact form, and base64url. */
#include "auth/jwt_text.h"

#include "support_jwt.h"

static struct rig g;

static void start(void)
{
    rig_init(&g);
    cr_assert_eq(rig_add(&g, "HS256", NODE_SECRET), 0);
}

static void stop(void)
{
    rig_fini(&g);
}

TestSuite(jwt_text, .init = start, .fini = stop, .timeout = 60);

static enum auth_outcome text(const char *token)
{
    return rig_check(&g, str_of(token));
}

Test(jwt_text, three_parts)
{
    char good[512], bad[1100];
    char *first, *second;

    snprintf(good, sizeof(good), "%s",
             rig_hmac(&g, HS256, "{\"sub\":\"ada\"}", STR_LIT(NODE_SECRET)).p);
    first = strchr(good, '.');
    second = strrchr(good, '.');
    cr_assert_eq(text(good), AUTH_OK);
    cr_assert_eq(text(""), AUTH_MALFORMED);
    cr_assert_eq(rig_check(&g, STR_NONE), AUTH_MALFORMED);
    cr_assert_eq(text("."), AUTH_MALFORMED);
    cr_assert_eq(text(".."), AUTH_MALFORMED);
    cr_assert_eq(text("..."), AUTH_MALFORMED);
    snprintf(bad, sizeof(bad), "%s.", good);
    cr_assert_eq(text(bad), AUTH_MALFORMED, "four parts, the last one empty");
    snprintf(bad, sizeof(bad), "%s.AAAA", good);
    cr_assert_eq(text(bad), AUTH_MALFORMED, "four parts");
    snprintf(bad, sizeof(bad), "%s.AAAA.AAAA", good);
    cr_assert_eq(text(bad), AUTH_MALFORMED, "five, as JWE has");
    snprintf(bad, sizeof(bad), ".%s", good);
    cr_assert_eq(text(bad), AUTH_MALFORMED);
    snprintf(bad, sizeof(bad), "%.*s", (int)(second - good), good);
    cr_assert_eq(text(bad), AUTH_MALFORMED, "two parts");
    snprintf(bad, sizeof(bad), "%.*s.", (int)(second - good), good);
    cr_assert_eq(text(bad), AUTH_MALFORMED, "no signature");
    snprintf(bad, sizeof(bad), "%.*s..%s", (int)(first - good), good, second + 1);
    cr_assert_eq(text(bad), AUTH_MALFORMED, "no claims");
    cr_assert_eq(text(first), AUTH_MALFORMED, "no header");
    cr_assert_eq(text(first + 1), AUTH_MALFORMED);
}

/* Between any two bytes of a good token nothing can stand, nor at its ends. */
Test(jwt_text, no_junk_anywhere)
{
    static const char junk[] = "=!+/ \n\r\t*\"%\\\0\x80\xff,";
    char good[512], bad[1024];
    size_t len;

    snprintf(good, sizeof(good), "%s",
             rig_hmac(&g, HS256, "{\"sub\":\"ada\"}", STR_LIT(NODE_SECRET)).p);
    len = strlen(good);
    for (size_t at = 0; at <= len; at++) {
        for (size_t j = 0; j < sizeof(junk) - 1; j++) {
            memcpy(bad, good, at);
            bad[at] = junk[j];
            memcpy(bad + at + 1, good + at, len - at);
            cr_assert_eq(rig_check(&g, (struct str){bad, len + 1}), AUTH_MALFORMED,
                         "byte %d at %zu", junk[j], at);
        }
    }
}

/* The last digit of 32 bytes has two bits of nothing: only one of its four forms is taken. */
Test(jwt_text, one_form_of_the_last_digit)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct str good = rig_hmac(&g, HS256, "{\"sub\":\"ada\"}", STR_LIT(NODE_SECRET));
    char *last = g.token + good.len - 1;
    char right = *last;
    unsigned accepted = 0, malformed = 0;

    for (unsigned i = 0; i < 64; i++) {
        *last = digits[i];
        enum auth_outcome outcome = rig_check(&g, good);
        accepted += outcome == AUTH_OK;
        malformed += outcome == AUTH_MALFORMED;
        cr_assert(outcome != AUTH_OK || digits[i] == right);
    }
    cr_assert_eq(accepted, 1);
    cr_assert_eq(malformed, 48);
}

Test(jwt_text, length)
{
    char claims[JWT_MAX + 1024];
    size_t base, room;

    g.policy.max_meta = sizeof(claims);
    /* As many 'x' in a claim as fit. */
    strcpy(claims, "{\"x\":\"\"}");
    base = rig_hmac(&g, HS256, claims, STR_LIT(NODE_SECRET)).len;
    room = (JWT_MAX - base) / 4 * 3;
    memset(claims + 6, 'x', room);
    strcpy(claims + 6 + room, "\"}");
    struct str fits = rig_hmac(&g, HS256, claims, STR_LIT(NODE_SECRET));
    cr_assert(fits.len <= JWT_MAX && fits.len > JWT_MAX - 4, "%zu", fits.len);
    cr_assert_eq(rig_check(&g, fits), AUTH_OK, "%s", g.why.text);
    memset(claims + 6, 'x', room + 4);
    strcpy(claims + 6 + room + 4, "\"}");
    cr_assert_eq(rig_claims(&g, claims), AUTH_MALFORMED);
    cr_assert_neq(strstr(g.why.text, "8192"), NULL);
    /* 9 KB */
    memset(claims + 6, 'x', 6900);
    strcpy(claims + 6 + 6900, "\"}");
    cr_assert_eq(rig_claims(&g, claims), AUTH_MALFORMED);
    /* Nothing but digits */
    static char long_one[JWT_MAX + 1];
    memset(long_one, 'A', JWT_MAX);
    cr_assert_eq(text(long_one), AUTH_MALFORMED);
    memset(long_one, '.', JWT_MAX);
    cr_assert_eq(text(long_one), AUTH_MALFORMED);
    long_one[0] = long_one[2] = 'A';
    cr_assert_eq(text(long_one), AUTH_MALFORMED);
}

Test(base64url, there_and_back)
{
    /* RFC 4648 10 */
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    char text_out[16];
    unsigned char bytes[16];
    size_t len;

    for (unsigned i = 0; i < 7; i++) {
        base64url_encode(plain[i], strlen(plain[i]), text_out);
        cr_assert_str_eq(text_out, coded[i]);
        cr_assert_eq(BASE64URL_DIGITS(strlen(plain[i])), strlen(coded[i]));
        cr_assert_eq(base64url_decode(str_of(coded[i]), bytes, &len), 0);
        cr_assert(len == strlen(plain[i]) && memcmp(bytes, plain[i], len) == 0);
    }
    cr_assert_eq(base64url_decode(STR_LIT("-_-_"), bytes, &len), 0);
    cr_assert(len == 3 && memcmp(bytes, "\xfb\xff\xbf", 3) == 0);
    base64url_encode("\xfb\xff\xbf", 3, text_out);
    cr_assert_str_eq(text_out, "-_-_");
}

/* One byte has one text of two digits; two bytes have one of three. */
Test(base64url, the_canonical_form_only)
{
    char t[3] = "A", again[8];
    unsigned char bytes[8];
    unsigned two = 0, three = 0;
    size_t len;

    for (unsigned v = 0; v < 0x10000; v++) {
        t[1] = (char)(v & 0xff);
        t[2] = (char)(v >> 8);
        cr_assert_neq(base64url_decode((struct str){t + 1, 1}, bytes, &len), 0);
        if (base64url_decode((struct str){t + 1, 2}, bytes, &len) == 0) {
            base64url_encode(bytes, len, again);
            cr_assert(str_eq(str_of(again), (struct str){t + 1, 2}));
            two++;
        }
        if (base64url_decode((struct str){t, 3}, bytes, &len) == 0) {
            base64url_encode(bytes, len, again);
            cr_assert(str_eq(str_of(again), (struct str){t, 3}));
            three++;
        }
    }
    cr_assert_eq(two, 256);
    cr_assert_eq(three, 1024); /* the first six bits are 0 */
}
