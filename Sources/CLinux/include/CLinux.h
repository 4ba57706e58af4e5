#ifndef CLINUX_H
#define CLINUX_H
int mrt_placeholder(void);
#endif
