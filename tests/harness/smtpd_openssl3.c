/*
 * Lets OpenSMTPD 6.8 of Debian 12 speak TLS.
 *
 * That version marks its certificate's key by EVP_PKEY_get1_RSA() and counts
 * on getting the same object again at the handshake. Since OpenSSL 3 it gets a
 * copy, the mark is lost, and every handshake ends with "missing private key"
 * (OpenSMTPD issue 1171, repaired in 7.3). Preloaded, this function puts the
 * object back into the key, which is what the repair does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

typedef struct evp_pkey_st EVP_PKEY;
typedef struct rsa_st RSA;

int EVP_PKEY_set1_RSA(EVP_PKEY *key, RSA *rsa);

RSA *EVP_PKEY_get1_RSA(EVP_PKEY *key)
{
    RSA *(*original)(EVP_PKEY *) = (RSA *(*)(EVP_PKEY *))dlsym(RTLD_NEXT, "EVP_PKEY_get1_RSA");
    RSA *rsa = original(key);

    if (rsa != 0)
        EVP_PKEY_set1_RSA(key, rsa);
    return rsa;
}
