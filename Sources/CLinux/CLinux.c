#include "CLinux.h"
int mrt_placeholder(void) { return 0; }
