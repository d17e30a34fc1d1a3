/*
 * relay HOST:PORT DELAY_MS MB_PER_S: the way between two machines far apart, for TCP connections. What comes on one
 * side leaves on the other DELAY_MS later, and all connections together have MB_PER_S in each direction (0: no limit).
 * What is too much waits, in a buffer, and then in the sender's socket; nothing is lost. One epoll loop; the first line
 * on stderr is its address, and it ends with a signal. IPv4 addresses only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (8 * 1024 * 1024) /* bytes of a connection and direction that may wait, beside those under way */
#define FAIL(what) (perror("relay: " what), exit(1))

struct chunk {
    struct chunk *next;
    int64_t due;
    size_t length, sent; /* a length of 0 is the end */
    char bytes[];
};

struct pipe {
    int from, to;
    int64_t *link_free; /* when the last byte that is on the way has left, of all connections */
    struct chunk *first, **last;
    size_t queued;
    bool ended, done; /* the end was read; was passed on */
    bool full;        /* the socket takes no more at the moment */
};

struct pair {
    struct pair *next;
    struct pipe pipes[2];
    bool broken;
};

static struct pair *pairs;
static int epoll_fd, listener;
static struct sockaddr_in target;
static int64_t delay, rate, link_free[2];
static size_t room;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void watch(int fd, void *what, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) FAIL("epoll_ctl");
}

static void start_pipe(struct pipe *pipe, int from, int to, int64_t *link) {
    *pipe = (struct pipe){.from = from, .to = to, .link_free = link};
    pipe->last = &pipe->first;
}

static void take_connection(void) {
    int one = 1, near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pair *pair = calloc(1, sizeof *pair);

    if (near < 0 || far < 0 || pair == NULL) FAIL("accept");
    if (connect(far, (struct sockaddr *)&target, sizeof target) != 0) {
        close(near);
        close(far);
        free(pair);
        return;
    }
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    start_pipe(&pair->pipes[0], near, far, &link_free[0]);
    start_pipe(&pair->pipes[1], far, near, &link_free[1]);
    pair->next = pairs;
    pairs = pair;
    /* Edges only wake the loop, which then looks at all: there are few. */
    watch(near, pair, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    watch(far, pair, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

/* Takes in what there is and there is room for. Returns false when the connection is broken. */
static bool take_in(struct pipe *pipe) {
    static char bytes[65536];
    while (!pipe->ended && pipe->queued < room) {
        ssize_t length = recv(pipe->from, bytes, sizeof bytes, MSG_DONTWAIT);
        if (length < 0) return errno == EAGAIN || errno == EINTR;
        struct chunk *chunk = malloc(sizeof *chunk + (size_t)length);
        if (chunk == NULL) FAIL("malloc");
        *chunk = (struct chunk){.length = (size_t)length};
        memcpy(chunk->bytes, bytes, (size_t)length);
        int64_t begins = now() > *pipe->link_free ? now() : *pipe->link_free;
        *pipe->link_free = begins + (rate > 0 ? length * INT64_C(1000000000) / rate : 0);
        chunk->due = *pipe->link_free + delay;
        *pipe->last = chunk;
        pipe->last = &chunk->next;
        pipe->queued += (size_t)length;
        pipe->ended = length == 0;
    }
    return true;
}

/* Passes on what is due. */
static bool pass_on(struct pipe *pipe) {
    pipe->full = false;
    for (struct chunk *chunk; (chunk = pipe->first) != NULL && chunk->due <= now();) {
        if (chunk->length > 0) {
            ssize_t sent = send(pipe->to, chunk->bytes + chunk->sent, chunk->length - chunk->sent,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0) return (pipe->full = errno == EAGAIN);
            pipe->queued -= (size_t)sent;
            if ((chunk->sent += (size_t)sent) < chunk->length) continue;
        } else {
            shutdown(pipe->to, SHUT_WR);
            pipe->done = true;
        }
        if ((pipe->first = chunk->next) == NULL) pipe->last = &pipe->first;
        free(chunk);
    }
    return true;
}

static void end(struct pair *pair) {
    struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 2; i++) {
        for (struct chunk *chunk; (chunk = pair->pipes[i].first) != NULL; free(chunk))
            pair->pipes[i].first = chunk->next;
        if (pair->broken) setsockopt(pair->pipes[i].from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(pair->pipes[i].from);
    }
    free(pair);
}

/* Moves all on, and returns when the next chunk is due, or 0. */
static int64_t turn(void) {
    int64_t next = 0;
    for (struct pair **place = &pairs, *pair; (pair = *place) != NULL;) {
        for (int i = 0; i < 2 && !pair->broken; i++) {
            struct pipe *pipe = &pair->pipes[i];
            pair->broken = !take_in(pipe) || !pass_on(pipe) || !take_in(pipe);
            if (pipe->first != NULL && !pipe->full && (next == 0 || pipe->first->due < next)) next = pipe->first->due;
        }
        if (pair->broken || (pair->pipes[0].done && pair->pipes[1].done)) {
            *place = pair->next;
            end(pair);
        } else {
            place = &pair->next;
        }
    }
    return next;
}

int main(int argc, char **argv) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    char *port = argc == 4 ? strrchr(argv[1], ':') : NULL;

    if (port == NULL) return fputs("usage: relay HOST:PORT DELAY_MS MB_PER_S\n", stderr), 2;
    *port++ = '\0';
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, argv[1], &target.sin_addr) != 1) FAIL("address");
    delay = atoi(argv[2]) * INT64_C(1000000);
    rate = atoi(argv[3]) * INT64_C(1000000);
    room = BUFFER + (size_t)(rate / 1000 * (delay / 1000000));
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, length) != 0 || listen(listener, 128) != 0) FAIL("listen");
    getsockname(listener, (struct sockaddr *)&name, &length);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, &listener, EPOLLIN);
    watch(timer, &timer, EPOLLIN | EPOLLET);
    fprintf(stderr, "127.0.0.1:%d\n", ntohs(name.sin_port));

    for (struct epoll_event events[64];;) {
        int count = epoll_wait(epoll_fd, events, 64, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == &listener) take_connection();
        int64_t next = turn();
        struct itimerspec alarm = {.it_value = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL);
    }
}
