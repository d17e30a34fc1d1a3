/* backend PORT: the local service behind every tunnel of the benchmark, one epoll loop. It must be much faster than
 * the tunnels, so it parses no more of HTTP than the end of a head, and its answer is fixed. It ends with its stdin. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic.h"

#define MAX_DESCRIPTORS 65536
#define BULK_TURNS 8 /* blocks per connection and wakeup: large enough to be fast, small enough for eight to share */
#define TOTAL_EVERY_NS 20000000 /* running totals of an upload: rare enough to cost nothing, dense enough to time by */

struct visit {
    uint64_t position; /* bulk bytes sent or received so far */
    int64_t total_sent_at;
    uint8_t kind;     /* 0 until the first byte came */
    uint8_t head_end; /* how much of CR LF CR LF has been seen */
    bool closes;
};

static struct visit visits[MAX_DESCRIPTORS];
static uint8_t scratch[BLOCK];
static uint8_t *pattern;
static int epoll_fd;

static void watch(int fd, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &event) != 0) perror("backend: epoll_ctl");
}

/* All reads return "go on": false closes the connection. */
static bool read_requests(struct visit *visit, int fd, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint8_t wanted = visit->head_end % 2 == 0 ? '\r' : '\n';
        visit->head_end = bytes[i] == wanted ? visit->head_end + 1 : bytes[i] == '\r';
        if (visit->head_end < 4) continue;
        visit->head_end = 0;
        if (send(fd, RESPONSE, RESPONSE_LENGTH, MSG_NOSIGNAL) != (ssize_t)RESPONSE_LENGTH) return false;
        if (visit->closes) return false;
    }
    return true;
}

static bool read_upload(struct visit *visit, int fd, const uint8_t *bytes, size_t length) {
    if (length == 0) return true;
    if (!pattern_holds(bytes, length, visit->position)) {
        fprintf(stderr, "backend: wrong bytes at %llu of an upload\n", (unsigned long long)visit->position);
        return false;
    }
    visit->position += length;
    int64_t now = now_ns();
    if (now - visit->total_sent_at < TOTAL_EVERY_NS) return true;
    visit->total_sent_at = now;
    return send(fd, &visit->position, sizeof visit->position, MSG_NOSIGNAL) == (ssize_t)sizeof visit->position;
}

static bool write_download(struct visit *visit, int fd) {
    for (int turn = 0; turn < BULK_TURNS; turn++) {
        ssize_t sent = send(fd, pattern + visit->position % PATTERN_PERIOD, BLOCK, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        visit->position += (uint64_t)sent;
    }
    return true;
}

static bool begin(struct visit *visit, int fd, const uint8_t *bytes, size_t length) {
    visit->kind = bytes[0];
    switch (visit->kind) {
    case VISIT_REQUEST: visit->closes = length > REQUEST_PATH_AT && bytes[REQUEST_PATH_AT] == 'c';
                        return read_requests(visit, fd, bytes, length);
    case VISIT_UP:      return read_upload(visit, fd, bytes + 1, length - 1);
    case VISIT_DOWN:    watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD); return true;
    case VISIT_IDLE:    return send(fd, bytes, 1, MSG_NOSIGNAL) == 1;
    default:            return false;
    }
}

static bool readable(struct visit *visit, int fd) {
    for (int turn = 0; turn < BULK_TURNS; turn++) {
        ssize_t length = recv(fd, scratch, sizeof scratch, 0);
        if (length < 0) return errno == EAGAIN;
        if (length == 0) return false;
        bool go_on = true;
        if (visit->kind == 0) go_on = begin(visit, fd, scratch, (size_t)length);
        else if (visit->kind == VISIT_REQUEST) go_on = read_requests(visit, fd, scratch, (size_t)length);
        else if (visit->kind == VISIT_UP) go_on = read_upload(visit, fd, scratch, (size_t)length);
        if (!go_on) return false;
        if (visit->kind != VISIT_UP) return true; /* one read per wakeup is all that the others ever need */
    }
    return true;
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (fd >= MAX_DESCRIPTORS) { close(fd); continue; }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        visits[fd] = (struct visit){0};
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        perror("backend: listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 2) { fprintf(stderr, "usage: backend PORT\n"); return 2; }
    pattern = pattern_new();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(atoi(argv[1]));
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (fd == listener) { accept_all(listener); continue; }
            struct visit *visit = &visits[fd];
            bool go_on = !(events[i].events & ~(uint32_t)EPOLLOUT) || readable(visit, fd);
            if (go_on && (events[i].events & EPOLLOUT)) go_on = write_download(visit, fd);
            if (!go_on) close(fd);
        }
    }
}
