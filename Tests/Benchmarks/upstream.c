// The origin server of the benchmark: one thread, epoll, keep-alive, replies made once at start. It must cost little
// and always the same, because it shares its core with the load generator.
//
//   GET  .../64k   64 KiB body
//   GET  .../4m    4 MiB body
//   GET  .../echo  the request's own head as the body: shows what a proxy made of it
//   GET  anything  100-byte body
//   POST anything  100-byte body, after the whole content-length body was read
//
// usage: upstream [PORT]   (0 or none: the kernel picks one; the port is printed on standard output)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HEAD = 16 * 1024, READ_SIZE = 256 * 1024, BATCH = 256, LARGE_BODY = 64 * 1024, HUGE_BODY = 4 * 1024 * 1024 };

struct reply {
    char *bytes;
    size_t size;
};

struct connection {
    int fd;
    size_t body_left;           // bytes of the request body still to come
    const struct reply *owed;   // sent when body_left is 0
    const struct reply *sending;
    size_t sent;
    bool close_after;
    size_t head_size;           // bytes of a head that came in pieces
    char *head;
};

static struct reply small_reply, large_reply, huge_reply, refused_reply, echo_reply;
static char input[READ_SIZE];
static int poller;

static struct reply make_reply(const char *status, size_t body_size) {
    char date[64];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
    struct reply reply = {malloc(512 + body_size), 0};
    int head = snprintf(reply.bytes, 512,
        "HTTP/1.1 %s\r\nServer: upstream\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
        status, date, body_size);
    memset(reply.bytes + head, 'x', body_size);
    reply.size = (size_t)head + body_size;
    return reply;
}

static void end(struct connection *c) {
    close(c->fd);
    free(c->head);
    free(c);
}

static void watch(struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

// Returns false when the connection is gone.
static bool flush(struct connection *c) {
    while (c->sent < c->sending->size) {
        ssize_t n = send(c->fd, c->sending->bytes + c->sent, c->sending->size - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) {
                watch(c, EPOLLOUT);
                return true;
            }
            end(c);
            return false;
        }
        c->sent += (size_t)n;
    }
    c->sending = NULL;
    if (c->close_after) {
        end(c);
        return false;
    }
    return true;
}

static bool is_header(const char *line, const char *name) { return strncasecmp(line, name, strlen(name)) == 0; }

// Reads the head in [head, head + size): which reply is owed, how long the body is, whether to close.
static void decide(struct connection *c, const char *head, size_t size) {
    const char *line = memchr(head, '\n', size);
    const char *stop = head + size;
    c->owed = &small_reply;
    if (line && memmem(head, (size_t)(line - head), "/64k ", 5)) c->owed = &large_reply;
    if (line && memmem(head, (size_t)(line - head), "/4m ", 4)) c->owed = &huge_reply;
    if (line && memmem(head, (size_t)(line - head), "/echo ", 6)) {
        // One at a time is enough: it is asked for once, before the rounds.
        free(echo_reply.bytes);
        echo_reply = make_reply("200 OK", size);
        memcpy(echo_reply.bytes + echo_reply.size - size, head, size);
        c->owed = &echo_reply;
    }
    c->body_left = 0;
    while (line && line + 1 < stop) {
        const char *field = line + 1;
        if (*field == 'c' || *field == 'C') {
            if (is_header(field, "content-length:")) c->body_left = strtoull(field + 15, NULL, 10);
            if (is_header(field, "connection: close")) c->close_after = true;
        } else if ((*field == 't' || *field == 'T') && is_header(field, "transfer-encoding:")) {
            c->owed = &refused_reply;  // the scenarios send lengths, so a proxy that changes the framing shows up
            c->close_after = true;
        }
        line = memchr(field, '\n', (size_t)(stop - field));
    }
}

static void receive(struct connection *c) {
    size_t kept = c->head_size;
    if (kept) memcpy(input, c->head, kept);
    ssize_t n = recv(c->fd, input + kept, READ_SIZE - kept, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN) return;
        end(c);
        return;
    }
    c->head_size = 0;
    const char *at = input, *stop = input + kept + n;
    while (at < stop || (c->owed && c->body_left == 0)) {
        if (c->owed) {
            size_t body = (size_t)(stop - at) < c->body_left ? (size_t)(stop - at) : c->body_left;
            at += body;
            c->body_left -= body;
            if (c->body_left) return;
            c->sending = c->owed;
            c->owed = NULL;
            c->sent = 0;
            if (!flush(c)) return;
            // What was pipelined behind a reply that did not fit the socket is not kept: no proxy here pipelines.
            if (c->sending) return;
            continue;
        }
        const char *blank = memmem(at, (size_t)(stop - at), "\r\n\r\n", 4);
        if (!blank) {
            size_t rest = (size_t)(stop - at);
            if (rest > MAX_HEAD) {
                end(c);
                return;
            }
            if (!c->head) c->head = malloc(MAX_HEAD);
            memcpy(c->head, at, rest);
            c->head_size = rest;
            return;
        }
        decide(c, at, (size_t)(blank + 2 - at));
        at = blank + 4;
    }
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    small_reply = make_reply("200 OK", 100);
    large_reply = make_reply("200 OK", LARGE_BODY);
    huge_reply = make_reply("200 OK", HUGE_BODY);
    refused_reply = make_reply("411 Length Required", 0);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 0);
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
        perror("upstream");
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
            } else if (c->sending) {
                if (flush(c) && !c->sending) watch(c, EPOLLIN);
            } else {
                receive(c);
            }
        }
    }
}
