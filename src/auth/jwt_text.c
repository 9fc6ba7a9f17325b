#include "auth/jwt_text.h"

#include "auth/base64url.h"

/* Three parts: no more bytes than digits, even with room for what a part cannot fill. */
_Static_assert(BASE64URL_BYTES(JWT_MAX) + 6 <= JWT_MAX, "bytes is too small");

static int split(struct str token, struct str part[3])
{
    size_t n = 0, start = 0;

    for (size_t i = 0; i <= token.len; i++) {
        if (i < token.len && token.p[i] != '.') {
            continue;
        }
        if (n == 3 || i == start) {
            return ERR_INVALID;
        }
        part[n++] = (struct str){token.p + start, i - start};
        start = i + 1;
    }
    return n == 3 ? 0 : ERR_INVALID;
}

int jwt_text_read(struct str token, struct jwt_text *out, struct errmsg *why)
{
    struct str part[3];
    struct str *to[3] = {&out->header, &out->claims, &out->sig};
    size_t used = 0;

    if (token.len > JWT_MAX) {
        return errmsg_set(why, ERR_INVALID, "the token has more than %d bytes", JWT_MAX);
    }
    if (split(token, part) != 0) {
        return errmsg_set(why, ERR_INVALID, "a token has three parts with dots between them");
    }
    for (int i = 0; i < 3; i++) {
        size_t len;

        if (base64url_decode(part[i], out->bytes + used, &len) != 0) {
            return errmsg_set(why, ERR_INVALID, "part %d of the token is not base64url", i + 1);
        }
        *to[i] = (struct str){(const char *)out->bytes + used, len};
        used += len;
    }
    out->signed_part = (struct str){token.p, part[0].len + 1 + part[1].len};
    return 0;
}
