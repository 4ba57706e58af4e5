// Socket addresses of every family, as text and as bytes.
#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int mrt_address_parse_ip(const char *ip, uint16_t port, mrt_address *out) {
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out->bytes;
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out->length = sizeof *v4;
        return 0;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out->bytes;
    if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        out->length = sizeof *v6;
        return 0;
    }
    return -1;
}

int mrt_address_parse_unix(const char *path, mrt_address *out) {
    memset(out, 0, sizeof *out);
    struct sockaddr_un *un = (struct sockaddr_un *)out->bytes;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof un->sun_path) return -1;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    out->length = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return 0;
}

static const struct sockaddr *as_sockaddr(const mrt_address *address) {
    return (const struct sockaddr *)address->bytes;
}

/// `inet_ntop` goes through printf, which shows where every connection is new.
static size_t ipv4_text(const unsigned char bytes[4], char *out) {
    char *at = out;
    for (int index = 0; index < 4; index++) {
        unsigned value = bytes[index];
        if (index > 0) *at++ = '.';
        if (value >= 100) *at++ = (char)('0' + value / 100);
        if (value >= 10) *at++ = (char)('0' + value / 10 % 10);
        *at++ = (char)('0' + value % 10);
    }
    *at = 0;
    return (size_t)(at - out);
}

size_t mrt_address_text(const mrt_address *address, char *out, size_t size) {
    if (size == 0) return 0;
    out[0] = 0;
    if (address->length == 0) return 0;
    switch (as_sockaddr(address)->sa_family) {
    case AF_INET:
        if (size < INET_ADDRSTRLEN) break;
        return ipv4_text((const unsigned char *)&((const struct sockaddr_in *)address->bytes)->sin_addr, out);
    case AF_INET6:
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address->bytes)->sin6_addr, out, (socklen_t)size);
        break;
    case AF_UNIX:
        if (address->length > offsetof(struct sockaddr_un, sun_path))
            snprintf(out, size, "%s", ((const struct sockaddr_un *)address->bytes)->sun_path);
        break;
    }
    return strlen(out);
}

int mrt_address_port(const mrt_address *address) {
    if (address->length == 0) return -1;
    switch (as_sockaddr(address)->sa_family) {
    case AF_INET: return ntohs(((const struct sockaddr_in *)address->bytes)->sin_port);
    case AF_INET6: return ntohs(((const struct sockaddr_in6 *)address->bytes)->sin6_port);
    default: return -1;
    }
}

int mrt_address_family(const mrt_address *address) {
    if (address->length == 0) return 0;
    switch (as_sockaddr(address)->sa_family) {
    case AF_INET: return 4;
    case AF_INET6: return 6;
    case AF_UNIX: return 1;
    default: return 0;
    }
}

size_t mrt_address_ip_bytes(const mrt_address *address, unsigned char out[16]) {
    switch (mrt_address_family(address)) {
    case 4: memcpy(out, &((const struct sockaddr_in *)address->bytes)->sin_addr, 4); return 4;
    case 6: memcpy(out, &((const struct sockaddr_in6 *)address->bytes)->sin6_addr, 16); return 16;
    default: return 0;
    }
}

void mrt_address_from_ip_bytes(const unsigned char *bytes, size_t count, uint16_t port, mrt_address *out) {
    memset(out, 0, sizeof *out);
    if (count == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out->bytes;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, bytes, 4);
        out->length = sizeof *v4;
    } else if (count == 16) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out->bytes;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        memcpy(&v6->sin6_addr, bytes, 16);
        out->length = sizeof *v6;
    }
}
