#define _GNU_SOURCE
#include "CWMProxyShims.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

_Static_assert(wmps_readable == EPOLLIN && wmps_urgent == EPOLLPRI && wmps_writable == EPOLLOUT &&
                   wmps_failed == EPOLLERR && wmps_hangup == EPOLLHUP && wmps_half_closed == EPOLLRDHUP,
               "epoll's numbers");

int wmps_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int add(int epoll, int fd, uint64_t token, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int wmps_epoll_add(int epoll, int fd, uint64_t token) {
    return add(epoll, fd, token, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
}

int wmps_epoll_add_level(int epoll, int fd, uint64_t token) { return add(epoll, fd, token, EPOLLIN); }

int wmps_epoll_remove(int epoll, int fd) { return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

int wmps_epoll_wait(int epoll, wmps_event *events, int capacity, int timeout) {
    struct epoll_event raw[256];
    int count = epoll_wait(epoll, raw, capacity < 256 ? capacity : 256, timeout);
    for (int i = 0; i < count; i++) {
        events[i].token = raw[i].data.u64;
        events[i].events = raw[i].events;
    }
    return count;
}

int wmps_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int wmps_accept(int fd, struct sockaddr *peer, socklen_t *length) {
    return accept4(fd, peer, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

const char *wmps_error_text(int code) {
    const char *text = strerrordesc_np(code);
    return text ? text : "unknown error";
}

struct wmps_monitor {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

wmps_monitor *wmps_monitor_create(void) {
    wmps_monitor *monitor = malloc(sizeof *monitor);
    if (!monitor) return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&monitor->mutex, NULL);
    pthread_cond_init(&monitor->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return monitor;
}

/* All taken around a fork; none of them is ever taken inside another. */
static wmps_monitor *static_monitors[16];
static int static_count;
static pthread_mutex_t static_mutex = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void) {
    pthread_mutex_lock(&static_mutex);
    for (int i = 0; i < static_count; i++) pthread_mutex_lock(&static_monitors[i]->mutex);
}

static void after_fork(void) {
    for (int i = static_count; i-- > 0;) pthread_mutex_unlock(&static_monitors[i]->mutex);
    pthread_mutex_unlock(&static_mutex);
}

wmps_monitor *wmps_monitor_create_static(void) {
    wmps_monitor *monitor = wmps_monitor_create();
    pthread_mutex_lock(&static_mutex);
    if (static_count == 0) pthread_atfork(before_fork, after_fork, after_fork);
    if (monitor && static_count < 16) static_monitors[static_count++] = monitor;
    pthread_mutex_unlock(&static_mutex);
    return monitor;
}

void wmps_monitor_destroy(wmps_monitor *monitor) {
    pthread_cond_destroy(&monitor->condition);
    pthread_mutex_destroy(&monitor->mutex);
    free(monitor);
}

void wmps_monitor_lock(wmps_monitor *monitor) { pthread_mutex_lock(&monitor->mutex); }
void wmps_monitor_unlock(wmps_monitor *monitor) { pthread_mutex_unlock(&monitor->mutex); }
void wmps_monitor_signal(wmps_monitor *monitor) { pthread_cond_broadcast(&monitor->condition); }

int wmps_monitor_wait(wmps_monitor *monitor, int64_t deadline) {
    if (deadline < 0) return pthread_cond_wait(&monitor->condition, &monitor->mutex);
    struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    return pthread_cond_timedwait(&monitor->condition, &monitor->mutex, &until);
}

struct wmps_thread {
    pthread_t id;
    void (*body)(void *);
    void *context;
    wmps_monitor *monitor;
    int has_ended, is_detached;
};

static void thread_free(wmps_thread *thread) {
    wmps_monitor_destroy(thread->monitor);
    free(thread);
}

static void *run(void *argument) {
    wmps_thread *thread = argument;
    thread->body(thread->context);
    wmps_monitor_lock(thread->monitor);
    thread->has_ended = 1;
    int is_detached = thread->is_detached;
    wmps_monitor_signal(thread->monitor);
    wmps_monitor_unlock(thread->monitor);
    if (is_detached) thread_free(thread);
    return NULL;
}

int wmps_thread_start(const char *name, void (*body)(void *), void *context, wmps_thread **out) {
    wmps_thread *thread = calloc(1, sizeof *thread);
    if (!thread) return ENOMEM;
    thread->body = body;
    thread->context = context;
    thread->monitor = wmps_monitor_create();

    pthread_attr_t attributes;
    int error = thread->monitor ? pthread_attr_init(&attributes) : ENOMEM;
    if (error) {
        if (thread->monitor) wmps_monitor_destroy(thread->monitor);
        free(thread);
        return error;
    }
    pthread_attr_setstacksize(&attributes, 512 * 1024);

    /* The mask is inherited: blocked around the creation, no signal of the host ever lands on an engine thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread->id, &attributes, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) {
        thread_free(thread);
        return error;
    }
    pthread_setname_np(thread->id, name);
    *out = thread;
    return 0;
}

int wmps_thread_join(wmps_thread *thread, int timeout_ms) {
    if (wmps_thread_is_current(thread)) return EDEADLK;
    int64_t deadline = wmps_monotonic_ns() + timeout_ms * 1000000LL;
    int error = 0;
    wmps_monitor_lock(thread->monitor);
    while (!thread->has_ended && !error) error = wmps_monitor_wait(thread->monitor, deadline);
    if (thread->has_ended) error = 0;
    wmps_monitor_unlock(thread->monitor);
    if (error) return error;
    pthread_join(thread->id, NULL);
    thread_free(thread);
    return 0;
}

void wmps_thread_detach(wmps_thread *thread) {
    wmps_monitor_lock(thread->monitor);
    pthread_detach(thread->id);
    thread->is_detached = 1;
    int has_ended = thread->has_ended;
    wmps_monitor_unlock(thread->monitor);
    if (has_ended) thread_free(thread);
}

static _Thread_local const void *mark;

void wmps_set_mark(const void *new_mark) { mark = new_mark; }
const void *wmps_mark(void) { return mark; }

int wmps_thread_is_current(const wmps_thread *thread) { return pthread_equal(pthread_self(), thread->id); }

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int wmps_scarce_descriptor(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
    return (int)(limit.rlim_cur - limit.rlim_cur / 4);
}

int wmps_unacknowledged(int fd) {
    int count = 0;
    return ioctl(fd, TIOCOUTQ, &count) == 0 && count > 0 ? count : 0;
}

void wmps_trim_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

int64_t wmps_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t wmps_unix_ms(void) { return clock_ns(CLOCK_REALTIME) / 1000000; }

int wmps_errno(void) { return errno; }
void wmps_set_errno(int code) { errno = code; }
int wmps_open(const char *path, int flags) { return open(path, flags); }

static _Thread_local char message[1024];

void wmps_set_message(const char *text) {
    strncpy(message, text, sizeof message - 1);
    message[sizeof message - 1] = 0;
}

const char *wmps_message(void) { return message; }

int wmps_at_exit(void (*body)(void)) { return atexit(body); }
