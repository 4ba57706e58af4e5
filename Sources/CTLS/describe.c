// What a certificate says, in sections that Swift reads without a pointer.
#include "internal.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed;
} writer;

static void put(writer *out, const void *bytes, size_t size) {
    if (out->failed) return;
    if (size > out->capacity - out->size) {
        size_t capacity = (out->capacity + size) * 2;
        uint8_t *grown = realloc(out->bytes, capacity);
        if (!grown) {
            out->failed = true;
            return;
        }
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (size) memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

static void put_section(writer *out, uint8_t kind, const void *bytes, size_t size) {
    uint8_t head[5] = {kind, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24)};
    put(out, head, sizeof head);
    put(out, bytes, size);
}

static void put_memory(writer *out, uint8_t kind, BIO *bio) {
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    put_section(out, kind, text, size > 0 ? (size_t)size : 0);
}

static void put_distinguished(writer *out, uint8_t kind, const X509_NAME *name) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) put_memory(out, kind, bio);
    BIO_free(bio);
}

static void put_entries(writer *out, uint8_t kind, const X509_NAME *name, int nid) {
    for (int index = -1; (index = X509_NAME_get_index_by_NID((X509_NAME *)name, nid, index)) >= 0;) {
        unsigned char *text = NULL;
        int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
        if (size >= 0) put_section(out, kind, text, (size_t)size);
        OPENSSL_free(text);
    }
}

static void put_hex(writer *out, uint8_t kind, const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    char text[128];
    if (size > sizeof text / 2) size = sizeof text / 2;
    for (size_t index = 0; index < size; index++) {
        text[2 * index] = digits[bytes[index] >> 4];
        text[2 * index + 1] = digits[bytes[index] & 15];
    }
    put_section(out, kind, text, 2 * size);
}

static void put_time(writer *out, uint8_t kind, const ASN1_TIME *time) {
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1) return;
    int64_t seconds = timegm(&parts);
    uint8_t bytes[8];
    for (int index = 0; index < 8; index++) bytes[index] = (uint8_t)((uint64_t)seconds >> 8 * index);
    put_section(out, kind, bytes, sizeof bytes);
}

static void put_address(writer *out, const ASN1_OCTET_STRING *address) {
    char text[INET6_ADDRSTRLEN];
    int size = ASN1_STRING_length(address);
    int family = size == 4 ? AF_INET : size == 16 ? AF_INET6 : 0;
    if (family && inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text)) {
        put_section(out, CTLS_IP, text, strlen(text));
    }
}

/// A name with NUL in it would be another one to whoever reads C strings; it is nobody's here.
static void put_name(writer *out, uint8_t kind, const ASN1_IA5STRING *name) {
    const uint8_t *text = ASN1_STRING_get0_data(name);
    size_t size = (size_t)ASN1_STRING_length(name);
    if (!memchr(text, 0, size)) put_section(out, kind, text, size);
}

static void put_alternatives(writer *out, X509 *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        switch (name->type) {
        case GEN_URI: put_name(out, CTLS_URI, name->d.uniformResourceIdentifier); break;
        case GEN_DNS: put_name(out, CTLS_DNS, name->d.dNSName); break;
        case GEN_EMAIL: put_name(out, CTLS_EMAIL, name->d.rfc822Name); break;
        case GEN_IPADD: put_address(out, name->d.iPAddress); break;
        default: break;
        }
    }
    GENERAL_NAMES_free(names);
}

/// As Envoy passes it on: what a header could not carry is percent-encoded.
static void put_pem(writer *out, uint8_t kind, X509 *certificate, const STACK_OF(X509) *rest) {
    BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio && PEM_write_bio_X509(bio, certificate) == 1;
    for (int index = 0; written && index < sk_X509_num(rest); index++) {
        // A client's list begins with the peer's own, a server's does not.
        X509 *next = sk_X509_value(rest, index);
        if (next != certificate && X509_cmp(next, certificate) != 0) written = PEM_write_bio_X509(bio, next) == 1;
    }
    char *text = NULL;
    long size = written ? BIO_get_mem_data(bio, &text) : 0;
    writer encoded = {0};
    for (long index = 0; index < size; index++) {
        const char *code = NULL;
        switch (text[index]) {
        case '\n': code = "%0A"; break;
        case ' ': code = "%20"; break;
        case '+': code = "%2B"; break;
        case '/': code = "%2F"; break;
        case '=': code = "%3D"; break;
        default: break;
        }
        put(&encoded, code ? code : &text[index], code ? 3 : 1);
    }
    if (encoded.failed) out->failed = true;
    put_section(out, kind, encoded.bytes, encoded.size);
    free(encoded.bytes);
    BIO_free(bio);
}

uint8_t *ctls_describe(X509 *certificate, const STACK_OF(X509) *rest, bool with_pem, size_t *size) {
    writer out = {0};
    const X509_NAME *subject = X509_get_subject_name(certificate);
    put_distinguished(&out, CTLS_SUBJECT, subject);
    put_distinguished(&out, CTLS_ISSUER, X509_get_issuer_name(certificate));
    put_entries(&out, CTLS_COMMON_NAME, subject, NID_commonName);
    put_entries(&out, CTLS_ORGANIZATION, subject, NID_organizationName);
    put_alternatives(&out, certificate);
    for (int index = 0; index < X509_get_ext_count(certificate); index++) {
        char text[128];
        int length = OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(X509_get_ext(certificate, index)), 1);
        if (length > 0 && (size_t)length < sizeof text) put_section(&out, CTLS_OID, text, (size_t)length);
    }
    const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
    put_hex(&out, CTLS_SERIAL, ASN1_STRING_get0_data(number), (size_t)ASN1_STRING_length(number));
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &digest_size) == 1) {
        put_hex(&out, CTLS_FINGERPRINT, digest, digest_size);
    }
    put_time(&out, CTLS_NOT_BEFORE, X509_get0_notBefore(certificate));
    put_time(&out, CTLS_NOT_AFTER, X509_get0_notAfter(certificate));
    if (with_pem) put_pem(&out, CTLS_PEM, certificate, NULL);
    if (with_pem && rest) put_pem(&out, CTLS_CHAIN_PEM, certificate, rest);
    ERR_clear_error();
    if (out.failed) {
        free(out.bytes);
        return NULL;
    }
    *size = out.size;
    return out.bytes;
}

void ctls_free(uint8_t *bytes) { free(bytes); }
