/*
 * What the C hosts share: checks that end the program, sockets on the loopback with port 0, and local services to be
 * exposed. Nothing here waits for a time to pass: all waiting has a deadline of DEADLINE_MS and fails there.
 */
#ifndef HOST_H
#define HOST_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wmproxy.h>

#define DEADLINE_MS 10000
#define MIB (1024 * 1024)

#define FAIL(...) \
    (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))
#define CHECK(truth) do { if (!(truth)) FAIL("not so: %s", #truth); } while (0)
#define CHECK_NUMBER(wanted, number) do { \
        long long got_ = (long long)(number); \
        if (got_ != (wanted)) FAIL("%s is %lld instead of %lld", #number, got_, (long long)(wanted)); \
    } while (0)
/* The call returns that status. */
#define EXPECT(wanted, call) do { \
        wmp_status got_ = (call); \
        if (got_ != (wanted)) \
            FAIL("%s: %s instead of %s (%s)", #call, wmp_status_name(got_), #wanted, wmp_last_error()); \
    } while (0)
/* The call fails with that status, and the message has that text in it. */
#define EXPECT_ERROR(wanted, text, call) do { \
        EXPECT(wanted, call); \
        if (strstr(wmp_last_error(), text) == NULL) \
            FAIL("%s: the message has no '%s': %s", #call, text, wmp_last_error()); \
    } while (0)

static inline int listen_local(char *address, size_t size) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&name, length) == 0 && listen(listener, 64) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &length) == 0);
    snprintf(address, size, "127.0.0.1:%d", ntohs(name.sin_port));
    return listener;
}

/* Connects to "127.0.0.1:port". */
static inline int connect_to(const char *address) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = DEADLINE_MS / 1000};
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(strchr(address, ':') != NULL);
    name.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
    if (connect(connection, (struct sockaddr *)&name, sizeof name) != 0)
        FAIL("connect to %s: %s", address, strerror(errno));
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return connection;
}

static inline void send_all(int connection, const char *bytes, size_t count) {
    for (ssize_t sent; count > 0; bytes += sent, count -= (size_t)sent)
        if ((sent = send(connection, bytes, count, MSG_NOSIGNAL)) <= 0)
            FAIL("send: %s", strerror(errno));
}

/* Sends a request, and nothing after it, while it reads the answer to its end. Returns the answer's length. */
static inline size_t ask(const char *address, const char *request, size_t count, char *answer, size_t size) {
    int connection = connect_to(address);
    size_t sent = 0, got = 0;
    for (;;) {
        struct pollfd ready = {.fd = connection, .events = (short)(sent < count ? POLLIN | POLLOUT : POLLIN)};
        if (poll(&ready, 1, DEADLINE_MS) <= 0)
            FAIL("no answer from %s after %zu of %zu bytes sent, %zu received", address, sent, count, got);
        if (ready.revents & POLLOUT) {
            ssize_t n = send(connection, request + sent, count - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += n > 0 ? (size_t)n : 0;
            if (sent == count)
                shutdown(connection, SHUT_WR);
        }
        if (ready.revents & (POLLIN | POLLHUP | POLLERR)) {
            ssize_t n = recv(connection, answer + got, size - got, MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN)
                FAIL("recv from %s: %s", address, strerror(errno));
            if (n == 0)
                break;
            got += n > 0 ? (size_t)n : 0;
        }
    }
    close(connection);
    return got;
}

/* A local service: `serve` gets each connection, in a thread of its own, and closes it. It lasts as long as we do. */
struct service {
    int listener;
    void *(*serve)(void *connection);
};

static inline void *service_loop(void *argument) {
    struct service *service = argument;
    pthread_t thread;
    for (int connection; (connection = accept4(service->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        if (pthread_create(&thread, NULL, service->serve, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
    return NULL;
}

static inline void start_service(void *(*serve)(void *), char *address, size_t size) {
    struct service *service = malloc(sizeof *service);
    pthread_t thread;

    *service = (struct service){.listener = listen_local(address, size), .serve = serve};
    CHECK(pthread_create(&thread, NULL, service_loop, service) == 0);
    pthread_detach(thread);
}

/* A service that sends back what it gets, and ends when the visitor does, or leaves. */
static inline void *echo(void *argument) {
    int connection = (int)(intptr_t)argument;
    char bytes[65536];
    for (ssize_t n; (n = recv(connection, bytes, sizeof bytes, 0)) > 0;)
        for (ssize_t sent = 0, m; sent < n; sent += m)
            if ((m = send(connection, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL)) <= 0)
                return (void)close(connection), NULL;
    close(connection);
    return NULL;
}

static inline int count_entries(const char *directory) {
    DIR *entries = opendir(directory);
    int count = 0;
    while (readdir(entries) != NULL)
        count++;
    closedir(entries);
    return count; /* more than there are, by a constant: good to compare */
}

#endif
