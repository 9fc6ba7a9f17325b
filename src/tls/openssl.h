/* openssl.h - OpenSSL's headers, which have a type by the name of one of our error codes. Internal
 * to src/tls. */
#ifndef FF_TLS_OPENSSL_H
#define FF_TLS_OPENSSL_H

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#endif
