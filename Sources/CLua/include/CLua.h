#ifndef CLUA_H
#define CLUA_H
#include <lua5.4/lua.h>
#endif
