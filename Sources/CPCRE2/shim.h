// PCRE2 picks its code unit width by macro; 8 is bytes.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
