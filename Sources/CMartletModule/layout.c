#include "martlet_module.h"

// The tables as version 1 began. They grow at the end; another order or meaning is another version.
_Static_assert(offsetof(martlet_host, stream_cancel) == 776, "functions are added behind the last");
_Static_assert(offsetof(martlet_module, stream_event) == 184, "functions are added behind the last");
_Static_assert(sizeof(martlet_borrowed_node) == 56 && sizeof(martlet_verdict) == 16, "these cannot grow");
