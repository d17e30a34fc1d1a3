/* load KIND PORT COUNT SECONDS [PID ...]: the visitors of the benchmark, one epoll loop, one JSON line.
 *
 *   up, down      COUNT streams, bytes counted where they arrive: an upload by the totals that the backend returns,
 *                 so a tunnel that only swallows bytes gains nothing
 *   requests      COUNT keep-alive connections, each with one request under way
 *   connections   COUNT at a time: connect, request, answer, end of stream, close. The backend closes first, so nobody
 *                 resets and no TIME_WAIT lands on a connecting side, where it would use up the ports
 *   idle, stall,  open COUNT connections, say so, and hold them until stdin ends: silent, or with a download of which
 *   pace, drain   nothing is read, 200 Mbit/s, or all that comes
 *
 * The window of SECONDS opens once every connection has been served and a warm-up is over. The CPU time of the PIDs is
 * read by this process at both ends of the window, not by a script that may wake up late. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic.h"

#define OPENING_AT_ONCE 64
#define OPENING_DEADLINE_NS 20000000000
#define WARM_UP_NS 400000000
#define OVERDUE_NS 500000000 /* a request this old when the window closes counts as an error */
#define TOLERATED_ERRORS 1000
#define BULK_TURNS 8
#define PACE_BYTES_PER_MS 25000
#define PACE_MS 4

enum kind { UP, DOWN, REQUESTS, CONNECTIONS, IDLE, STALL, PACE, DRAIN, KINDS };
static const char *const kind_names[KINDS] = {"up", "down", "requests", "connections",
                                             "idle", "stall", "pace", "drain"};
static const char *const greetings[KINDS] = {"U", "D", REQUEST_KEEP, REQUEST_CLOSE, "I", "D", "D", "D"};

struct visitor {
    int fd;
    bool greeted, served;
    int64_t asked_at;
    uint64_t position; /* bulk bytes sent or received */
    size_t received;   /* of an answer, or of a running total */
    uint64_t total;    /* of an upload, as the backend last said */
    uint64_t total_being_read;
};

static enum kind kind;
static uint16_t port;
static int epoll_fd, visitor_count, opened, served, tracked_count;
static char **tracked;
static struct visitor *visitors;
static uint8_t *pattern, scratch[BLOCK];

static bool in_window;
static uint64_t bytes, answers, errors;
static uint32_t *latencies; /* nanoseconds, every one of the window: exact percentiles, no buckets */
static size_t latency_count, latency_room;

static _Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static double cpu_seconds(void) {
    unsigned long long ticks = 0, user, system;
    for (int i = 0; i < tracked_count; i++) {
        char path[64], text[1024];
        snprintf(path, sizeof path, "/proc/%s/stat", tracked[i]);
        FILE *file = fopen(path, "r");
        if (!file) fail("process %s of the tunnel is gone", tracked[i]);
        size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = 0;
        char *after_name = strrchr(text, ')'); /* the name may hold spaces; fields 14 and 15 are counted from its end */
        if (after_name && sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                                 &user, &system) == 2) ticks += user + system;
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void record_latency(int64_t nanoseconds) {
    if (latency_count == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 1 << 16;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (!latencies) fail("out of memory");
    }
    latencies[latency_count++] = nanoseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)nanoseconds;
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(double share) {
    return latency_count ? latencies[(size_t)(share * (double)(latency_count - 1))] / 1000.0 : 0;
}

static void watch(struct visitor *visitor, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = visitor};
    if (epoll_ctl(epoll_fd, operation, visitor->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

static void ask(struct visitor *visitor) {
    const char *greeting = greetings[kind];
    visitor->received = 0;
    if (kind != CONNECTIONS) visitor->asked_at = now_ns();
    if (send(visitor->fd, greeting, strlen(greeting), MSG_NOSIGNAL) < 0) {
        if (errno == EAGAIN) return; /* still connecting: epoll tells */
        if (kind != CONNECTIONS) fail("send: %s", strerror(errno));
    }
    if (!visitor->greeted) watch(visitor, kind == UP ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    visitor->greeted = true;
}

static void open_visitor(struct visitor *visitor) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    visitor->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (visitor->fd < 0) fail("socket: %s", strerror(errno));
    visitor->greeted = false;
    visitor->asked_at = now_ns();
    setsockopt(visitor->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(visitor->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    watch(visitor, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    ask(visitor); /* on loopback the handshake is usually over already: saves a wakeup per connection */
}

static void mark_served(struct visitor *visitor) {
    if (visitor->served) return;
    visitor->served = true;
    served++;
    if (opened < visitor_count) open_visitor(&visitors[opened++]);
}

/* One connection of CONNECTIONS is over: count it and start the next in its place. */
static void renew(struct visitor *visitor, bool complete) {
    int64_t now = now_ns();
    if (in_window && complete) { answers++; record_latency(now - visitor->asked_at); }
    if (!complete && ++errors > TOLERATED_ERRORS) fail("more than %d connections failed", TOLERATED_ERRORS);
    if (complete) mark_served(visitor);
    close(visitor->fd);
    open_visitor(visitor);
}

static void take_answer(struct visitor *visitor, size_t length) {
    visitor->received += length;
    if (visitor->received > RESPONSE_LENGTH) fail("an answer is longer than it was sent");
    if (kind == CONNECTIONS || visitor->received < RESPONSE_LENGTH) return;
    if (in_window) { answers++; record_latency(now_ns() - visitor->asked_at); }
    mark_served(visitor);
    ask(visitor);
}

static void take_totals(struct visitor *visitor, const uint8_t *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        ((uint8_t *)&visitor->total_being_read)[visitor->received++] = text[i];
        if (visitor->received < sizeof visitor->total_being_read) continue;
        visitor->received = 0;
        if (in_window) bytes += visitor->total_being_read - visitor->total;
        visitor->total = visitor->total_being_read;
        mark_served(visitor);
    }
}

static void take_download(struct visitor *visitor, size_t length) {
    if (!pattern_holds(scratch, length, visitor->position))
        fail("wrong bytes at %llu of a download", (unsigned long long)visitor->position);
    visitor->position += length;
    if (in_window) bytes += length;
    mark_served(visitor);
}

static void readable(struct visitor *visitor) {
    if (kind == STALL || kind == PACE) { /* served, and from now on read by hold() or not at all */
        watch(visitor, 0, EPOLL_CTL_DEL);
        mark_served(visitor);
        return;
    }
    for (int turn = 0; turn < (kind == DOWN || kind == DRAIN ? BULK_TURNS : 1); turn++) {
        ssize_t length = recv(visitor->fd, scratch, sizeof scratch, 0);
        if (length < 0 && errno == EAGAIN) return;
        if (kind == CONNECTIONS && length <= 0) {
            renew(visitor, length == 0 && visitor->received == RESPONSE_LENGTH);
            return;
        }
        if (length < 0) fail("a connection failed: %s", strerror(errno));
        if (length == 0) fail("a connection was closed by the tunnel");
        if (kind == REQUESTS || kind == CONNECTIONS) take_answer(visitor, (size_t)length);
        else if (kind == UP) take_totals(visitor, scratch, (size_t)length);
        else if (kind == DOWN || kind == DRAIN) take_download(visitor, (size_t)length);
        else mark_served(visitor);
    }
}

static void writable(struct visitor *visitor) {
    if (!visitor->greeted) { ask(visitor); return; }
    if (kind != UP) return;
    for (int turn = 0; turn < BULK_TURNS; turn++) {
        ssize_t sent = send(visitor->fd, pattern + visitor->position % PATTERN_PERIOD, BLOCK, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) fail("send: %s", strerror(errno));
        if (sent < 0) return;
        visitor->position += (uint64_t)sent;
    }
}

static void turn(void) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll_fd, events, 256, 10);
    for (int i = 0; i < count; i++) {
        struct visitor *visitor = events[i].data.ptr;
        int fd = visitor->fd;
        if (events[i].events & ~(uint32_t)EPOLLOUT) readable(visitor);
        if (visitor->fd == fd && (events[i].events & EPOLLOUT)) writable(visitor);
    }
}

static void run_until(int64_t end) {
    while (now_ns() < end) turn();
}

static void count_overdue(void) {
    if (kind != REQUESTS && kind != CONNECTIONS) return;
    int64_t now = now_ns();
    for (int i = 0; i < visitor_count; i++) {
        if (now - visitors[i].asked_at < OVERDUE_NS) continue;
        errors++;
        record_latency(now - visitors[i].asked_at);
    }
}

static void read_paced(void) {
    for (int i = 0; i < visitor_count; i++) {
        ssize_t length = recv(visitors[i].fd, scratch, PACE_MS * PACE_BYTES_PER_MS, 0);
        if (length > 0) take_download(&visitors[i], (size_t)length);
        else if (length == 0 || errno != EAGAIN) fail("a connection was closed by the tunnel");
    }
}

static void hold(void) {
    printf("{\"held\": %d}\n", served);
    fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, kind == PACE ? PACE_MS : 0) == 0) {
        if (kind == PACE) read_paced();
        else turn(); /* a held connection that the tunnel closes fails in readable() */
    }
}

static void measure(double seconds) {
    run_until(now_ns() + WARM_UP_NS);
    int64_t begin = now_ns();
    double cpu = cpu_seconds();
    in_window = true;
    run_until(begin + (int64_t)(seconds * 1e9));
    in_window = false;
    cpu = cpu_seconds() - cpu;
    double elapsed = (double)(now_ns() - begin) / 1e9;
    count_overdue();
    if (bytes + answers == 0) fail("nothing arrived within the window");
    if (latency_count) qsort(latencies, latency_count, sizeof *latencies, by_value);
    printf("{\"seconds\": %.6f, \"bytes\": %llu, \"answers\": %llu, \"errors\": %llu, \"cpu_seconds\": %.3f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f}\n", elapsed, (unsigned long long)bytes, (unsigned long long)answers,
           (unsigned long long)errors, cpu, percentile_us(0.50), percentile_us(0.99));
}

int main(int argc, char **argv) {
    if (argc < 5) fail("usage: load up|down|requests|connections|idle|stall|pace|drain PORT COUNT SECONDS [PID ...]");
    while (kind < KINDS && strcmp(argv[1], kind_names[kind]) != 0) kind++;
    if (kind == KINDS) fail("load: unknown kind '%s'", argv[1]);
    port = (uint16_t)atoi(argv[2]);
    visitor_count = atoi(argv[3]);
    tracked = argv + 5;
    tracked_count = argc - 5;
    visitors = calloc((size_t)visitor_count, sizeof *visitors);
    pattern = pattern_new();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    int64_t deadline = now_ns() + OPENING_DEADLINE_NS;
    while (opened < visitor_count && opened < OPENING_AT_ONCE) open_visitor(&visitors[opened++]);
    while (served < visitor_count) {
        if (now_ns() > deadline) fail("only %d of %d connections were served in time", served, visitor_count);
        turn();
    }
    if (kind >= IDLE) hold();
    else measure(atof(argv[4]));
    return 0;
}
