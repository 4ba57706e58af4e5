// The few kernel calls and constants that Swift cannot name: those behind _GNU_SOURCE, variadic calls, flag macros with
// casts, and socket addresses, whose C unions and casts would need unsafe code at every use in Swift.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

// A socket address of any family, big enough for a unix path. `length` is what the kernel uses of it; 0 means none.
typedef struct mrt_address {
    uint32_t length;
    _Alignas(8) unsigned char bytes[112];
} mrt_address;

// Fills `out` from text: "1.2.3.4", "::1" with a port, or "unix:/path". 0 or -1 (not an address).
int mrt_address_parse_ip(const char *ip, uint16_t port, mrt_address *out);
int mrt_address_parse_unix(const char *path, mrt_address *out);
// Writes "1.2.3.4" / "::1" / the unix path, NUL-terminated, and returns its length (0 when unnamed).
size_t mrt_address_text(const mrt_address *address, char *out, size_t size);
// -1 for a unix address.
int mrt_address_port(const mrt_address *address);
// AF_INET, AF_INET6 or AF_UNIX as 4, 6 or 1.
int mrt_address_family(const mrt_address *address);
// The 4 or 16 bytes of an IP address; returns how many, 0 for unix.
size_t mrt_address_ip_bytes(const mrt_address *address, unsigned char out[16]);
// From the 4 or 16 bytes of an IP address.
void mrt_address_from_ip_bytes(const unsigned char *bytes, size_t count, uint16_t port, mrt_address *out);

// Every call below returns a negative errno on failure, so that no errno is read across a language boundary.
int mrt_listen(const mrt_address *address, int backlog, int reuse_port, int only_v6);
int mrt_accept(int fd, mrt_address *peer);
int mrt_local_address(int fd, mrt_address *out);
// Starts a non-blocking connect. 0 connected, -EINPROGRESS under way, else failed; *out_fd is set unless it failed.
int mrt_connect(const mrt_address *address, int *out_fd);
// The pending error of a socket, 0 when none.
int mrt_socket_error(int fd);
long mrt_recv(int fd, void *buffer, size_t size);
// Nothing is left to read, and nothing more will come.
bool mrt_has_ended(int fd);
/// `is_last`: the end of the stream follows at once, and the kernel may send both in one segment.
long mrt_send(int fd, const void *buffer, size_t size, bool is_last);
long mrt_writev(int fd, const struct iovec *pieces, int count, bool is_last);
int mrt_shutdown_write(int fd);
// A pipe that never waits: ends[0] to read from, ends[1] to write to. `size` is a wish; returns what it holds.
int mrt_pipe(int ends[2], int size);
// Moves bytes between a pipe and a socket within the kernel. The writing may raise SIGPIPE: block or ignore it.
long mrt_splice(int from, int to, size_t count);
void mrt_close(int fd);
// Closes with a reset instead of an orderly end.
void mrt_close_reset(int fd);

// epoll. One event is 12 packed bytes in the kernel's ABI, which Swift cannot lay out; hence copies into plain structs.
typedef struct mrt_event {
    uint32_t flags;
    uint32_t reserved;
    uint64_t token;
} mrt_event;
enum { MRT_READABLE = 1, MRT_WRITABLE = 2, MRT_HANGUP = 4, MRT_PEER_CLOSED = 8 };
int mrt_epoll_create(void);
// Edge-triggered for both directions and the peer's close.
int mrt_epoll_add_edge(int epoll, int fd, uint64_t token);
// Level-triggered for reading only: listeners, eventfd, signalfd, inotify.
int mrt_epoll_add_level(int epoll, int fd, uint64_t token);
int mrt_epoll_remove(int epoll, int fd);
// A timer that raises an event with `token` at the time it is set to, by the monotonic clock.
int mrt_timer_create(int epoll, uint64_t token);
int mrt_timer_set(int timer, uint64_t nanoseconds);
// -1 is no timeout.
int mrt_epoll_wait(int epoll, mrt_event *events, int capacity, int timeout_ms);

int mrt_eventfd(void);
void mrt_eventfd_wake(int fd);
void mrt_eventfd_drain(int fd);

// Blocks these signals in the calling thread (and those it makes) and returns a descriptor they arrive on.
int mrt_signalfd(const int *signals, int count);
// The next signal, 0 when none is pending.
int mrt_signalfd_read(int fd);

int mrt_inotify(void);
// Watches a directory for files written, moved in, created, removed.
int mrt_inotify_add_directory(int fd, const char *path);
// Drains pending events; returns how many bytes were read, 0 when none.
long mrt_inotify_drain(int fd);

// Starts a detached-from-Swift thread that blocks every signal, names itself, and calls `body(context)`.
int mrt_thread_start(const char *name, void (*body)(void *), void *context);
int mrt_online_cores(void);
// Raises the soft limit of open files to the hard one and returns it.
long mrt_raise_open_files(void);
// Resident memory of this process in bytes; -1 when unknown.
long mrt_resident_bytes(void);
// Of it, what belongs to no file; -1 when unknown.
long mrt_anonymous_bytes(void);
long mrt_physical_bytes(void);
// Gives memory that was freed back to the system.
void mrt_trim_memory(void);

// Memory with a descriptor that holds these bytes, may be run and can no longer be changed. `name` shows in /proc/PID/maps.
int mrt_program_memory(const char *name, const void *bytes, size_t count);
// The monotonic clock to some milliseconds, for a tenth of what the exact one costs.
uint64_t mrt_coarse_nanoseconds(void);

#endif
