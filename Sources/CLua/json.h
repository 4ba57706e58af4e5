// What json.c, which reads, and json_encode.c, which writes, share.
#ifndef MRT_JSON_H
#define MRT_JSON_H

#include "internal.h"

enum { MRT_JSON_DEPTH = 64, MRT_POWERS = 22 };

/// Those a double holds exactly.
extern const double mrt_powers_of_ten[MRT_POWERS + 1];

/// Their addresses stand for `json.null` and, in the registry, for the metatable of arrays.
extern const char mrt_json_null, mrt_json_array;

int mrt_json_encode(lua_State *L);

#endif
