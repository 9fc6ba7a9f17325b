/* openssl.h - OpenSSL beside base/err.h: both have an ERR_STATE. Internal to src/auth; to be
 * included before any other header of OpenSSL. */
#ifndef FF_AUTH_OPENSSL_H
#define FF_AUTH_OPENSSL_H

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#undef ERR_STATE

#endif
