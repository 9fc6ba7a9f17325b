/* jwt_pem.h - keys as PEM text. Private to the jwt files. */
#ifndef FF_AUTH_JWT_PEM_H
#define FF_AUTH_JWT_PEM_H

#include "auth/openssl.h"
#include "base/err.h"
#include "base/str.h"

#include <openssl/evp.h>

/* The one public key in PEM text (SPKI, PKCS #1), or that of its first certificate. A private
 * key anywhere in it is refused, and so are two public ones. The sentence is about "it". */
int jwt_pem_public(struct str pem, EVP_PKEY **out, struct errmsg *why) FF_USE_RESULT;
/* A private key that is not encrypted. */
int jwt_pem_private(struct str pem, EVP_PKEY **out, struct errmsg *why) FF_USE_RESULT;

#endif
