// What a script may know of an exchange besides its messages: streamInfo, connection, route and virtual host.
#include <string.h>

#include "internal.h"

static int push_text(lua_State *L, int32_t what) {
    mrt_check_object(L, OBJECT_INFO, "stream info");
    mrt_vm *vm = vm_of(L);
    mrt_bytes_borrowed bytes;
    if (!vm->host->text(vm->current->context, what, &bytes)) bytes = (mrt_bytes_borrowed){NULL, 0};
    lua_pushlstring(L, (const char *)bytes.data, bytes.size);
    return 1;
}

static int info_protocol(lua_State *L) { return push_text(L, MRT_TEXT_PROTOCOL); }
static int info_route_name(lua_State *L) { return push_text(L, MRT_TEXT_ROUTE_NAME); }
static int info_virtual_cluster(lua_State *L) { return push_text(L, MRT_TEXT_VIRTUAL_CLUSTER); }
static int info_local(lua_State *L) { return push_text(L, MRT_TEXT_LOCAL_ADDRESS); }
static int info_direct_local(lua_State *L) { return push_text(L, MRT_TEXT_DIRECT_LOCAL_ADDRESS); }
static int info_remote(lua_State *L) { return push_text(L, MRT_TEXT_REMOTE_ADDRESS); }
static int info_direct_remote(lua_State *L) { return push_text(L, MRT_TEXT_DIRECT_REMOTE_ADDRESS); }
static int info_server_name(lua_State *L) { return push_text(L, MRT_TEXT_SERVER_NAME); }

static int info_ssl(lua_State *L) {
    mrt_check_object(L, OBJECT_INFO, "stream info");
    return mrt_push_ssl(L);
}

static int info_drain(lua_State *L) {
    mrt_check_object(L, OBJECT_INFO, "stream info");
    mrt_vm *vm = vm_of(L);
    mrt_raise_code(L, vm->host->drain_connection(vm->current->context));
    return 0;
}

static int info_dynamic_metadata(lua_State *L) {
    struct mrt_object *info = mrt_check_object(L, OBJECT_INFO, "stream info");
    // A connection's metadata cannot be written.
    mrt_push_object(L, OBJECT_METADATA, sizeof *info)->map = info->map;
    return 1;
}

static int info_typed_metadata(lua_State *L) {
    mrt_check_object(L, OBJECT_INFO, "stream info");
    luaL_checkstring(L, 2);
    lua_pushnil(L);
    return 1;
}

static int info_filter_state(lua_State *L) {
    mrt_check_object(L, OBJECT_INFO, "stream info");
    mrt_push_object(L, OBJECT_STATE, sizeof(struct mrt_object));
    return 1;
}

/// Upvalue 1: 0 for the stream's, 1 for the connection's.
int mrt_handle_stream_info(lua_State *L) {
    mrt_check_handle(L);
    int of_connection = (int)lua_tointeger(L, lua_upvalueindex(1));
    mrt_push_object(L, OBJECT_INFO, sizeof(struct mrt_object))->map = of_connection;
    return 1;
}

static int connection_ssl(lua_State *L) {
    mrt_check_object(L, OBJECT_CONNECTION, "connection");
    return mrt_push_ssl(L);
}

int mrt_handle_connection(lua_State *L) {
    mrt_check_handle(L);
    mrt_push_object(L, OBJECT_CONNECTION, sizeof(struct mrt_object));
    return 1;
}

static int route_metadata(lua_State *L) {
    mrt_check_object(L, OBJECT_ROUTE, "route");
    mrt_push_data(L);
    return 1;
}

int mrt_handle_route(lua_State *L) {
    mrt_check_handle(L);
    mrt_push_object(L, OBJECT_ROUTE, sizeof(struct mrt_object));
    return 1;
}

void mrt_open_info(lua_State *L) {
    static const luaL_Reg info[] = {
        {"protocol", info_protocol},
        {"routeName", info_route_name},
        {"virtualClusterName", info_virtual_cluster},
        {"downstreamLocalAddress", info_local},
        {"downstreamDirectLocalAddress", info_direct_local},
        {"downstreamRemoteAddress", info_remote},
        {"downstreamDirectRemoteAddress", info_direct_remote},
        {"requestedServerName", info_server_name},
        {"downstreamSslConnection", info_ssl},
        {"drainConnectionUponCompletion", info_drain},
        {"dynamicMetadata", info_dynamic_metadata},
        {"dynamicTypedMetadata", info_typed_metadata},
        {"filterState", info_filter_state},
        {NULL, NULL},
    };
    static const luaL_Reg connection[] = {{"ssl", connection_ssl}, {NULL, NULL}};
    static const luaL_Reg route[] = {{"metadata", route_metadata}, {NULL, NULL}};
    mrt_define_object(L, OBJECT_INFO, "stream info", info);
    mrt_define_object(L, OBJECT_CONNECTION, "connection", connection);
    mrt_define_object(L, OBJECT_ROUTE, "route", route);
}
