// A client that opens a TLS connection for every request: full handshakes, or sessions taken up again, and never anything
// in between, which is why it is not wrk. One thread, epoll.
//
//   usage: handshakes full|resumed PORT NAME CONNECTIONS SECONDS REQUEST
//
// REQUEST is a file whose bytes are sent on every connection; the reply ends with the connection. At the end one line of
// JSON. A handshake of the kind that was not asked for is an error, the first of each connection apart.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_REQUEST = 16 * 1024, BATCH = 256, MAX_TIMES = 1 << 20 };

struct connection {
    int fd;
    SSL *ssl;
    SSL_SESSION *session;  // the newest ticket, when sessions are taken up again
    uint64_t began;
    bool sent;
    size_t received;
    char first[16];        // of the reply: its status
};

static const char *name;
static bool resume;
static struct sockaddr_in address;
static char request[MAX_REQUEST];
static int request_size, poller;
static SSL_CTX *context;
static uint64_t finished, errors, resumed;
static uint32_t times[MAX_TIMES];

static uint64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct connection *c = SSL_get_app_data(ssl);
    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;  // it is ours now
}

static void begin(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        perror("connect");
        exit(1);
    }
    c->ssl = SSL_new(context);
    SSL_set_app_data(c->ssl, c);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, name);
    if (resume && c->session) SSL_set_session(c->ssl, c->session);
    SSL_set_connect_state(c->ssl);
    c->sent = false;
    c->received = 0;
    c->began = microseconds();
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void finish(struct connection *c, bool good) {
    if (good && c->received >= 12 && memcmp(c->first, "HTTP/1.1 200", 12) == 0) {
        if (finished < MAX_TIMES) times[finished] = (uint32_t)(microseconds() - c->began);
        finished++;
    } else {
        errors++;
    }
    SSL_set_quiet_shutdown(c->ssl, 1);
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);
}

// Goes as far as it can; true when the connection is over and another one may begin.
static bool advance(struct connection *c) {
    ERR_clear_error();
    if (!c->sent) {
        int n = SSL_write(c->ssl, request, request_size);
        if (n <= 0) {
            int why = SSL_get_error(c->ssl, n);
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return false;
            finish(c, false);
            return true;
        }
        c->sent = true;
        bool reused = SSL_session_reused(c->ssl);
        resumed += reused;
        if (reused != (resume && c->session != NULL)) errors++;
    }
    for (;;) {
        char data[16 * 1024];
        int n = SSL_read(c->ssl, data, sizeof data);
        if (n > 0) {
            if (c->received < sizeof c->first) {
                size_t take = sizeof c->first - c->received;
                memcpy(c->first + c->received, data, (size_t)n < take ? (size_t)n : take);
            }
            c->received += (size_t)n;
            continue;
        }
        int why = SSL_get_error(c->ssl, n);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return false;
        finish(c, why == SSL_ERROR_ZERO_RETURN);
        return true;
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static SSL_CTX *make_context(void) {
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(made, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(made, "X25519");
    SSL_CTX_set_options(made, SSL_OP_IGNORE_UNEXPECTED_EOF);  // not every server says that it closes
    SSL_CTX_set_session_cache_mode(made, resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    if (resume) SSL_CTX_sess_set_new_cb(made, keep_session);
    return made;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    signal(SIGPIPE, SIG_IGN);
    resume = strcmp(argv[1], "resumed") == 0;
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    name = argv[3];
    int count = atoi(argv[4]);
    FILE *file = fopen(argv[6], "rb");
    if (!file) return 2;
    request_size = (int)fread(request, 1, sizeof request, file);
    fclose(file);
    context = make_context();
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = calloc((size_t)count, sizeof *all);
    uint64_t start = microseconds(), stop = start + (uint64_t)atoi(argv[5]) * 1000000;
    for (int i = 0; i < count; i++) begin(&all[i]);
    while (microseconds() < stop) {
        struct epoll_event ready[BATCH];
        int events = epoll_wait(poller, ready, BATCH, 100);
        for (int i = 0; i < events; i++) {
            struct connection *c = ready[i].data.ptr;
            if (advance(c)) begin(c);
        }
    }
    uint64_t spent = microseconds() - start, known = finished < MAX_TIMES ? finished : MAX_TIMES;
    qsort(times, known, sizeof *times, by_size);
    printf("{\"requests\":%lu,\"microseconds\":%lu,\"p50\":%u,\"p99\":%u,\"errors\":%lu,\"resumed\":%lu}\n", finished,
        spent, known ? times[known / 2] : 0, known ? times[known * 99 / 100] : 0, errors, resumed);
    return 0;
}
