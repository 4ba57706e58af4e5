// The host's table, as this module was given it.
#ifndef MARTLET_OF_HOST_H
#define MARTLET_OF_HOST_H

#include "martlet_module.h"

#pragma clang assume_nonnull begin

// Set once, before anything else runs. Inline, so that a call across the border is one load and one jump.
static inline const martlet_host *martlet_of_host(void) {
    extern const martlet_host *martlet_host_in_use;
    return martlet_host_in_use;
}
void martlet_use_host(const martlet_host *host);

// This module's own table, for what the host is to call later. Set once, before the host has it.
const martlet_module *martlet_own_table(void);
void martlet_set_own_table(const martlet_module *table);

#pragma clang assume_nonnull end

#endif
