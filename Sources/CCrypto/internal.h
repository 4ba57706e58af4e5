#ifndef CCRYPTO_INTERNAL_H
#define CCRYPTO_INTERNAL_H

#include <openssl/err.h>
#include <openssl/evp.h>

#include "include/CCrypto.h"

/// The digest that a CCR_SHA constant stands for; NULL for any other number.
const EVP_MD *ccr_digest(int hash);

#endif
