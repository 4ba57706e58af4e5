#include "martlet_of_host.h"

// Before the entry function has run there is no host to call; nothing of a module runs then.
const martlet_host *martlet_host_in_use;

void martlet_use_host(const martlet_host *host) { martlet_host_in_use = host; }

static const martlet_module *own_table;

const martlet_module *martlet_own_table(void) { return own_table; }

void martlet_set_own_table(const martlet_module *table) { own_table = table; }
