// Moving bytes between two sockets without copying them: splice(2) needs _GNU_SOURCE, and pipe2 too.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int mrt_pipe(int ends[2], int size) {
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return -errno;
    // Beyond the user's share of pipe memory the kernel refuses, and the pipe stays as it is.
    int got = fcntl(ends[1], F_SETPIPE_SZ, size);
    if (got < 0) got = fcntl(ends[1], F_GETPIPE_SZ);
    return got < 0 ? 4096 : got;
}

long mrt_splice(int from, int to, size_t count) {
    for (;;) {
        ssize_t n = splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}
