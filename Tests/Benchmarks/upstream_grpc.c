// The gRPC server of the benchmark: echoes the message of every unary call, over HTTP/2 in clear text. One thread, epoll;
// it must cost little and always the same, because it shares its core with the load generator.
//
// It reads frames and nothing inside a HEADERS frame: every path is the echo. What it sends stays within the peer's windows
// because messages are small: a peer gives 64 KiB at least, and takes back what it has read long before 64 calls fill that.
//
// usage: upstream_grpc   (the kernel picks a port, which is printed on standard output)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT = 256 * 1024, OUTPUT = 1024 * 1024, STREAMS = 1024, MESSAGE = 1024, BATCH = 256, PREFACE = 24, HEADER = 9 };
enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };
// A window update for so many bytes read.
enum { UPDATE_AFTER = 16 * 1024 };

struct stream {
    uint32_t id;
    uint32_t size;
    uint8_t message[MESSAGE];
};

struct connection {
    int fd;
    bool greeted;
    bool blocked;           // the socket took less than was queued
    uint32_t unannounced;   // bytes of DATA read since the last window update
    size_t kept;            // bytes of a frame that came in pieces
    size_t queued, sent;
    uint8_t *input, *output;
    struct stream *streams; // by id modulo STREAMS
};

static int poller;
static uint8_t head[64], trailers[64];
static size_t head_size, trailers_size;

// RFC 7541, section 6.2.2: a literal that no table keeps, names and values below 127 bytes.
static size_t literal(uint8_t *at, const char *field, const char *value) {
    size_t name = strlen(field), text = strlen(value);
    at[0] = 0;
    at[1] = (uint8_t)name;
    memcpy(at + 2, field, name);
    at[2 + name] = (uint8_t)text;
    memcpy(at + 3 + name, value, text);
    return 3 + name + text;
}

static void queue_frame(struct connection *c, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t size) {
    if (OUTPUT - c->queued < HEADER + size) {
        fprintf(stderr, "upstream_grpc: a peer does not read\n");
        exit(1);
    }
    uint8_t *at = c->output + c->queued;
    uint32_t id = htonl(stream);
    at[0] = (uint8_t)(size >> 16);
    at[1] = (uint8_t)(size >> 8);
    at[2] = (uint8_t)size;
    at[3] = type;
    at[4] = flags;
    memcpy(at + 5, &id, 4);
    memcpy(at + HEADER, payload, size);
    c->queued += HEADER + size;
}

static void answer(struct connection *c, struct stream *s) {
    queue_frame(c, HEADERS, END_HEADERS, s->id, head, head_size);
    queue_frame(c, DATA, 0, s->id, s->message, s->size);
    queue_frame(c, HEADERS, END_HEADERS | END_STREAM, s->id, trailers, trailers_size);
    s->id = 0;
}

static bool data(struct connection *c, uint32_t id, uint8_t flags, const uint8_t *payload, size_t size) {
    struct stream *s = &c->streams[id / 2 % STREAMS];
    size_t padding = 0, begin = 0;
    if (flags & PADDED) {
        if (size == 0 || payload[0] >= size) return false;
        padding = payload[0];
        begin = 1;
    }
    size_t length = size - begin - padding;
    if (s->id != id || s->size + length > MESSAGE) return false;
    memcpy(s->message + s->size, payload + begin, length);
    s->size += (uint32_t)length;
    c->unannounced += (uint32_t)size;
    if (c->unannounced >= UPDATE_AFTER) {
        uint32_t grown = htonl(c->unannounced);
        queue_frame(c, WINDOW_UPDATE, 0, 0, &grown, 4);
        c->unannounced = 0;
    }
    if (flags & END_STREAM) answer(c, s);
    return true;
}

// False ends the connection.
static bool take(struct connection *c, uint8_t type, uint8_t flags, uint32_t id, const uint8_t *payload, size_t size) {
    switch (type) {
    case HEADERS: {
        struct stream *s = &c->streams[id / 2 % STREAMS];
        if (s->id || !(flags & END_HEADERS) || flags & END_STREAM) return false;
        s->id = id;
        s->size = 0;
        return true;
    }
    case DATA: return data(c, id, flags, payload, size);
    case RST_STREAM: c->streams[id / 2 % STREAMS].id = 0; return true;
    case SETTINGS:
        if (!(flags & ACK)) queue_frame(c, SETTINGS, ACK, 0, NULL, 0);
        return true;
    case PING:
        if (!(flags & ACK)) queue_frame(c, PING, ACK, 0, payload, size);
        return true;
    default: return true;
    }
}

static void end(struct connection *c) {
    close(c->fd);
    free(c->input);
    free(c->output);
    free(c->streams);
    free(c);
}

static bool flush(struct connection *c) {
    while (c->sent < c->queued) {
        ssize_t n = send(c->fd, c->output + c->sent, c->queued - c->sent, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    c->sent = c->queued = 0;
    return true;
}

static void watch(struct connection *c) {
    bool blocked = c->queued > 0;
    if (blocked == c->blocked) return;
    c->blocked = blocked;
    struct epoll_event event = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static bool receive(struct connection *c) {
    ssize_t n = recv(c->fd, c->input + c->kept, INPUT - c->kept, 0);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    uint8_t *at = c->input, *stop = c->input + c->kept + n;
    if (!c->greeted) {
        if (stop - at < PREFACE) {
            c->kept += (size_t)n;
            return true;
        }
        if (memcmp(at, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE)) return false;
        at += PREFACE;
        c->greeted = true;
        queue_frame(c, SETTINGS, 0, 0, NULL, 0);
    }
    while (stop - at >= HEADER) {
        size_t size = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        if ((size_t)(stop - at) < HEADER + size) break;
        uint32_t id;
        memcpy(&id, at + 5, 4);
        if (!take(c, at[3], at[4], ntohl(id) & 0x7fffffff, at + HEADER, size)) return false;
        at += HEADER + size;
    }
    c->kept = (size_t)(stop - at);
    memmove(c->input, at, c->kept);
    return flush(c);
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->input = malloc(INPUT);
        c->output = malloc(OUTPUT);
        c->streams = calloc(STREAMS, sizeof *c->streams);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    head[head_size++] = 0x88;  // `:status: 200`, RFC 7541, appendix A
    head_size += literal(head + head_size, "content-type", "application/grpc");
    trailers_size = literal(trailers, "grpc-status", "0");

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
        perror("upstream_grpc");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event ready[BATCH];
        int count = epoll_wait(poller, ready, BATCH, -1);
        for (int i = 0; i < count; i++) {
            struct connection *c = ready[i].data.ptr;
            if (!c) {
                accept_all(listener);
            } else if (flush(c) && receive(c)) {
                watch(c);
            } else {
                end(c);
            }
        }
    }
}
