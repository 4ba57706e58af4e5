// Keys of session tickets (RFC 5077 section 4, RFC 8446 section 4.6.1), shared by all threads and changed by time.
#include "internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/// A key makes tickets for one interval and opens them for two more.
enum { NAME = 16, KEPT = 3, MAX_KEYS = 16 };

typedef struct ticket_key {
    uint8_t name[NAME], mac[32], cipher[32];
    size_t mac_size, cipher_size;
} ticket_key;

struct ctls_tickets {
    atomic_uint references;
    /// Guards what follows. Held for moments, once a handshake.
    pthread_rwlock_t lock;
    /// The newest first.
    ticket_key keys[MAX_KEYS];
    size_t count;
    /// Seconds between keys; 0: they are given and stay.
    uint64_t interval;
    uint64_t made_at;
};

static uint64_t seconds_now(void) {
    struct timespec time;
    // Goes on while the machine sleeps: keys do age then.
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec;
}

static bool make_key(ticket_key *key) {
    key->mac_size = sizeof key->mac;
    key->cipher_size = sizeof key->cipher;
    return RAND_bytes(key->name, sizeof key->name) == 1 && RAND_priv_bytes(key->mac, sizeof key->mac) == 1
        && RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1;
}

static ctls_tickets *make_ring(uint64_t interval) {
    ctls_tickets *tickets = calloc(1, sizeof *tickets);
    if (!tickets) return NULL;
    atomic_init(&tickets->references, 1);
    tickets->interval = interval;
    tickets->made_at = seconds_now();
    if (pthread_rwlock_init(&tickets->lock, NULL) == 0) return tickets;
    free(tickets);
    return NULL;
}

ctls_tickets *ctls_tickets_make(uint64_t interval) {
    ctls_tickets *tickets = make_ring(interval ? interval : 1);
    if (!tickets) return NULL;
    tickets->count = 1;
    if (make_key(&tickets->keys[0])) return tickets;
    ctls_tickets_release(tickets);
    return NULL;
}

ctls_tickets *ctls_tickets_from(const uint8_t *keys, const size_t *sizes, size_t count) {
    if (count == 0 || count > MAX_KEYS) return NULL;
    ctls_tickets *tickets = make_ring(0);
    if (!tickets) return NULL;
    for (; tickets->count < count; tickets->count++) {
        ticket_key *key = &tickets->keys[tickets->count];
        size_t size = sizes[tickets->count];
        if (size != 48 && size != 80) {
            ctls_tickets_release(tickets);
            return NULL;
        }
        // 48 bytes: name, cipher key, MAC key. 80: name, MAC key, cipher key.
        size_t each = (size - NAME) / 2;
        const uint8_t *first = keys + NAME, *second = first + each;
        memcpy(key->name, keys, NAME);
        memcpy(key->mac, size == 48 ? second : first, each);
        memcpy(key->cipher, size == 48 ? first : second, each);
        key->mac_size = key->cipher_size = each;
        keys += size;
    }
    return tickets;
}

void ctls_tickets_retain(ctls_tickets *tickets) {
    if (tickets) atomic_fetch_add_explicit(&tickets->references, 1, memory_order_relaxed);
}

void ctls_tickets_release(ctls_tickets *tickets) {
    if (!tickets || atomic_fetch_sub_explicit(&tickets->references, 1, memory_order_acq_rel) != 1) return;
    pthread_rwlock_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
    free(tickets);
}

/// With the lock held for writing. Without random bytes the old key goes on.
static void push_key(ctls_tickets *tickets) {
    ticket_key key;
    if (!make_key(&key)) return;
    memmove(&tickets->keys[1], &tickets->keys[0], sizeof(ticket_key) * (KEPT - 1));
    tickets->keys[0] = key;
    if (tickets->count < KEPT) tickets->count++;
    OPENSSL_cleanse(&key, sizeof key);
}

void ctls_tickets_rotate(ctls_tickets *tickets) {
    if (!tickets->interval) return;
    pthread_rwlock_wrlock(&tickets->lock);
    push_key(tickets);
    tickets->made_at = seconds_now();
    pthread_rwlock_unlock(&tickets->lock);
}

void ctls_tickets_age(ctls_tickets *tickets, uint64_t seconds) {
    pthread_rwlock_wrlock(&tickets->lock);
    tickets->made_at -= seconds;
    pthread_rwlock_unlock(&tickets->lock);
}

/// Leaves the lock held for reading, and the keys as old as they may be.
static void lock_current(ctls_tickets *tickets) {
    pthread_rwlock_rdlock(&tickets->lock);
    if (!tickets->interval || seconds_now() - tickets->made_at < tickets->interval) return;
    pthread_rwlock_unlock(&tickets->lock);
    pthread_rwlock_wrlock(&tickets->lock);
    uint64_t passed = (seconds_now() - tickets->made_at) / tickets->interval;
    for (uint64_t done = 0; done < passed && done < KEPT; done++) push_key(tickets);
    tickets->made_at += passed * tickets->interval;
    pthread_rwlock_unlock(&tickets->lock);
    pthread_rwlock_rdlock(&tickets->lock);
}

static bool start_mac(EVP_MAC_CTX *mac, ticket_key *key) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, key->mac_size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int ctls_tickets_seal(
    SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing
) {
    ctls_tickets *tickets = ctls_session_of(ssl)->context->tickets;
    if (!tickets) return 0;
    int result = 0;
    lock_current(tickets);
    for (size_t index = 0; index < (is_sealing ? 1 : tickets->count); index++) {
        ticket_key *key = &tickets->keys[index];
        if (!is_sealing && CRYPTO_memcmp(name, key->name, NAME) != 0) continue;
        const EVP_CIPHER *kind = key->cipher_size == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
        if (is_sealing) {
            memcpy(name, key->name, NAME);
            if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1) break;
        }
        bool is_ready = EVP_CipherInit_ex(cipher, kind, NULL, key->cipher, iv, is_sealing) == 1 && start_mac(mac, key);
        // An older key's ticket is answered with a new one, and so is every one of TLS 1.3, which is good for one connection
        // (RFC 8446 section C.4).
        result = !is_ready ? -1 : index == 0 && (is_sealing || SSL_version(ssl) < TLS1_3_VERSION) ? 1 : 2;
        break;
    }
    pthread_rwlock_unlock(&tickets->lock);
    return result;
}
