// What a script may know of the client's TLS: the object that `connection():ssl()` and `streamInfo():downstreamSslConnection()`
// give, with Envoy's getters.
#include "internal.h"

/// Pushes what the host says, in Lua's kinds; nil when there is no exchange any more.
static int push_fact(lua_State *L, int32_t what) {
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed encoded;
    if (vm->host->ssl(vm->current->context, what, &encoded)) mrt_push_value(L, encoded);
    else lua_pushnil(L);
    return 1;
}

/// Upvalue 1: which.
static int ssl_get(lua_State *L) {
    mrt_check_object(L, OBJECT_SSL, "ssl connection");
    return push_fact(L, (int32_t)lua_tointeger(L, lua_upvalueindex(1)));
}

static int subject_get(lua_State *L) {
    mrt_check_object(L, OBJECT_SUBJECT, "parsed subject");
    return push_fact(L, (int32_t)lua_tointeger(L, lua_upvalueindex(1)));
}

static int ssl_parsed_subject(lua_State *L) {
    mrt_check_object(L, OBJECT_SSL, "ssl connection");
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed encoded;
    if (!vm->host->ssl(vm->current->context, MRT_SSL_HAS_SUBJECT, &encoded)) lua_pushnil(L);
    else mrt_push_object(L, OBJECT_SUBJECT, sizeof(struct mrt_object));
    return 1;
}

int mrt_push_ssl(lua_State *L) {
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed encoded;
    if (!vm->host->ssl(vm->current->context, MRT_SSL_IS_USED, &encoded)) lua_pushnil(L);
    else mrt_push_object(L, OBJECT_SSL, sizeof(struct mrt_object));
    return 1;
}

struct getter {
    const char *name;
    int32_t what;
};

/// Adds the getters to the kind's methods.
static void add_getters(lua_State *L, enum mrt_kind kind, lua_CFunction get, const struct getter *getters) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->metatables[kind]);
    lua_getfield(L, -1, "__index");
    for (; getters->name; getters++) {
        lua_pushinteger(L, getters->what);
        lua_pushcclosure(L, get, 1);
        lua_setfield(L, -2, getters->name);
    }
    lua_pop(L, 2);
}

void mrt_open_ssl(lua_State *L) {
    static const luaL_Reg ssl[] = {{"parsedSubjectPeerCertificate", ssl_parsed_subject}, {NULL, NULL}};
    static const luaL_Reg subject[] = {{NULL, NULL}};
    static const struct getter getters[] = {
        {"peerCertificatePresented", MRT_SSL_PEER_PRESENTED},
        {"peerCertificateValidated", MRT_SSL_PEER_VALIDATED},
        {"uriSanLocalCertificate", MRT_SSL_LOCAL_URI_SANS},
        {"uriSanPeerCertificate", MRT_SSL_PEER_URI_SANS},
        {"dnsSansLocalCertificate", MRT_SSL_LOCAL_DNS_SANS},
        {"dnsSansPeerCertificate", MRT_SSL_PEER_DNS_SANS},
        {"oidsLocalCertificate", MRT_SSL_LOCAL_OIDS},
        {"oidsPeerCertificate", MRT_SSL_PEER_OIDS},
        {"sha256PeerCertificateDigest", MRT_SSL_PEER_FINGERPRINT},
        {"serialNumberPeerCertificate", MRT_SSL_PEER_SERIAL},
        {"issuerPeerCertificate", MRT_SSL_PEER_ISSUER},
        {"subjectPeerCertificate", MRT_SSL_PEER_SUBJECT},
        {"subjectLocalCertificate", MRT_SSL_LOCAL_SUBJECT},
        {"validFromPeerCertificate", MRT_SSL_PEER_VALID_FROM},
        {"expirationPeerCertificate", MRT_SSL_PEER_EXPIRES},
        {"urlEncodedPemEncodedPeerCertificate", MRT_SSL_PEER_PEM},
        {"urlEncodedPemEncodedPeerCertificateChain", MRT_SSL_PEER_CHAIN},
        {"sessionId", MRT_SSL_SESSION_ID},
        {"ciphersuiteId", MRT_SSL_CIPHER_ID},
        {"ciphersuiteString", MRT_SSL_CIPHER},
        {"tlsVersion", MRT_SSL_VERSION},
        {NULL, 0},
    };
    static const struct getter parts[] = {
        {"commonName", MRT_SSL_PEER_COMMON_NAME}, {"organizationName", MRT_SSL_PEER_ORGANIZATIONS}, {NULL, 0},
    };
    mrt_define_object(L, OBJECT_SSL, "ssl connection", ssl);
    mrt_define_object(L, OBJECT_SUBJECT, "parsed subject", subject);
    add_getters(L, OBJECT_SSL, ssl_get, getters);
    add_getters(L, OBJECT_SUBJECT, subject_get, parts);
}
