#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

static const struct sockaddr *as_sockaddr(const mrt_address *address) {
    return (const struct sockaddr *)address->bytes;
}

// MARK: sockets

static void no_delay(int fd, int family) {
    int on = 1;
    if (family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool is_loopback(const mrt_address *address) {
    const struct sockaddr *base = as_sockaddr(address);
    if (base->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)base)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (base->sa_family != AF_INET6) return false;
    const struct in6_addr *ip = &((const struct sockaddr_in6 *)base)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == IN_LOOPBACKNET);
}

static bool system_paces;
static pthread_once_t system_paces_once = PTHREAD_ONCE_INIT;

static void learn_whether_system_paces(void) {
    char name[16] = "";
    int fd = open("/proc/sys/net/ipv4/tcp_congestion_control", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    system_paces = read(fd, name, sizeof name - 1) > 0 && strncmp(name, "bbr", 3) == 0;
    close(fd);
}

// Where BBR is the system's congestion control, connections to and from an address within the machine do without: it measures
// a path that is none and spaces out packets that nothing slows down. Reno is in every kernel. Who listens on all addresses
// has clients from afar, for whom BBR stays. Nothing depends on it where the system does not let us.
static void no_pacing_on_loopback(int fd, const mrt_address *address) {
    if (!is_loopback(address)) return;
    pthread_once(&system_paces_once, learn_whether_system_paces);
    if (system_paces) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

int mrt_listen(const mrt_address *address, int backlog, int reuse_port, int only_v6) {
    int family = as_sockaddr(address)->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int on = 1;
    if (family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) goto failed;
        // Accepted sockets inherit both: system calls less for each of them.
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        no_pacing_on_loopback(fd, address);
    }
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    if (bind(fd, as_sockaddr(address), address->length) < 0) goto failed;
    if (listen(fd, backlog) < 0) goto failed;
    return fd;
failed:;
    int error = errno;
    close(fd);
    return -error;
}

int mrt_accept(int fd, mrt_address *peer) {
    socklen_t length = sizeof peer->bytes;
    int accepted = accept4(fd, (struct sockaddr *)peer->bytes, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return -errno;
    peer->length = length;
    return accepted;
}

int mrt_local_address(int fd, mrt_address *out) {
    socklen_t length = sizeof out->bytes;
    if (getsockname(fd, (struct sockaddr *)out->bytes, &length) < 0) return -errno;
    out->length = length;
    return 0;
}

int mrt_connect(const mrt_address *address, int *out_fd) {
    int family = as_sockaddr(address)->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    no_delay(fd, family);
    no_pacing_on_loopback(fd, address);
    if (connect(fd, as_sockaddr(address), address->length) == 0) {
        *out_fd = fd;
        return 0;
    }
    if (errno == EINPROGRESS) {
        *out_fd = fd;
        return -EINPROGRESS;
    }
    int error = errno;
    close(fd);
    return -error;
}

int mrt_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return errno;
    return error;
}

bool mrt_has_ended(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

long mrt_recv(int fd, void *buffer, size_t size) {
    for (;;) {
        // Not recv(2)'s wrapper: as a cancellation point it does work of its own in a threaded program.
        long n = syscall(SYS_recvfrom, fd, buffer, size, 0, NULL, NULL);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

long mrt_send(int fd, const void *buffer, size_t size, bool is_last) {
    for (;;) {
        long n = syscall(SYS_sendto, fd, buffer, size, MSG_NOSIGNAL | (is_last ? MSG_MORE : 0), NULL, 0);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

long mrt_writev(int fd, const struct iovec *pieces, int count, bool is_last) {
    // sendmsg, not writev: only it can be told not to raise SIGPIPE.
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    for (;;) {
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | (is_last ? MSG_MORE : 0));
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

int mrt_shutdown_write(int fd) { return shutdown(fd, SHUT_WR) < 0 ? -errno : 0; }

void mrt_close(int fd) { close(fd); }

void mrt_close_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

// MARK: epoll

int mrt_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int add(int epoll, int fd, uint64_t token, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int mrt_epoll_add_edge(int epoll, int fd, uint64_t token) {
    return add(epoll, fd, token, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

int mrt_epoll_add_level(int epoll, int fd, uint64_t token) { return add(epoll, fd, token, EPOLLIN); }

int mrt_epoll_remove(int epoll, int fd) {
    return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int mrt_timer_create(int epoll, uint64_t token) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) return -errno;
    // By edges, so that nobody has to read it.
    int error = add(epoll, fd, token, EPOLLIN | EPOLLET);
    if (error == 0) return fd;
    close(fd);
    return error;
}

int mrt_timer_set(int timer, uint64_t nanoseconds) {
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)}};
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0 ? -errno : 0;
}

int mrt_epoll_wait(int epoll, mrt_event *events, int capacity, int timeout_ms) {
    struct epoll_event batch[256];
    if (capacity > 256) capacity = 256;
    // The bare call, as in mrt_recv.
    int count = (int)syscall(SYS_epoll_pwait, epoll, batch, capacity, timeout_ms, NULL, (size_t)0);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        uint32_t seen = batch[i].events;
        events[i].token = batch[i].data.u64;
        events[i].flags = ((seen & EPOLLIN) ? MRT_READABLE : 0) | ((seen & EPOLLOUT) ? MRT_WRITABLE : 0) |
                          ((seen & (EPOLLHUP | EPOLLERR)) ? MRT_HANGUP : 0) |
                          ((seen & EPOLLRDHUP) ? MRT_PEER_CLOSED : 0);
    }
    return count;
}

// MARK: wake-ups, signals, files

int mrt_eventfd(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void mrt_eventfd_wake(int fd) {
    uint64_t one = 1;
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

void mrt_eventfd_drain(int fd) {
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

int mrt_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) return -error;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int mrt_signalfd_read(int fd) {
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof info);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

int mrt_inotify(void) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int mrt_inotify_add_directory(int fd, const char *path) {
    int watch = inotify_add_watch(
        fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF);
    return watch < 0 ? -errno : watch;
}

long mrt_inotify_drain(int fd) {
    char buffer[16384];
    long total = 0;
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) return total;
        total += n;
    }
}

// MARK: threads and limits

struct start {
    void (*body)(void *);
    void *context;
    char name[16];
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_setname_np(pthread_self(), start.name);
    start.body(start.context);
    return NULL;
}

int mrt_thread_start(const char *name, void (*body)(void *), void *context) {
    struct start *start = calloc(1, sizeof *start);
    if (start == NULL) return -ENOMEM;
    start->body = body;
    start->context = context;
    snprintf(start->name, sizeof start->name, "%s", name);
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        // Not whatever `ulimit -s` says: a policy may nest calls of C functions (pcall, coroutines, callbacks of gsub and
        // sort) up to Lua's limit of 200, which takes more than 384 KiB and less than 512 beside our own frames.
        error = pthread_attr_setstacksize(&attributes, 2 << 20);
        pthread_t thread;
        if (error == 0) error = pthread_create(&thread, &attributes, run, start);
        if (error == 0) pthread_detach(thread);
        pthread_attr_destroy(&attributes);
    }
    if (error != 0) {
        free(start);
        return -error;
    }
    return 0;
}

int mrt_online_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (int)cores : 1;
}

long mrt_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (long)limit.rlim_cur;
}

long mrt_anonymous_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return -1;
    long size = 0, resident = 0, shared = 0;
    int fields = fscanf(file, "%ld %ld %ld", &size, &resident, &shared);
    fclose(file);
    return fields == 3 ? (resident - shared) * sysconf(_SC_PAGESIZE) : -1;
}

long mrt_physical_bytes(void) { return sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE); }

void mrt_trim_memory(void) { malloc_trim(0); }

long mrt_resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return -1;
    long size = 0, resident = 0;
    int fields = fscanf(file, "%ld %ld", &size, &resident);
    fclose(file);
    return fields == 2 ? resident * sysconf(_SC_PAGESIZE) : -1;
}
