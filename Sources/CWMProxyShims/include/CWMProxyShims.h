/* What Swift cannot import, or not without a cast per call: variadic functions, macros, epoll's packed struct,
   threads. */
#ifndef CWMPROXY_SHIMS_H
#define CWMPROXY_SHIMS_H

#include <stdint.h>
#include <sys/socket.h>

/* epoll: events carry a 64-bit token. */
typedef struct wmps_event {
    uint64_t token;
    uint32_t events;
} wmps_event;

int wmps_epoll_create(void);
/* Edge-triggered, both directions and the peer's half-close. */
int wmps_epoll_add(int epoll, int fd, uint64_t token);
/* Level-triggered, readable only. */
int wmps_epoll_add_level(int epoll, int fd, uint64_t token);
int wmps_epoll_remove(int epoll, int fd);
/* Fills at most `capacity` events; timeout in milliseconds, -1 forever. */
int wmps_epoll_wait(int epoll, wmps_event *events, int capacity, int timeout);

/* EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, as numbers that the Swift compiler sees: a variable
   would be looked up, once-guarded, at each use. */
enum {
    wmps_readable = 0x1,
    wmps_urgent = 0x2,
    wmps_writable = 0x4,
    wmps_failed = 0x8,
    wmps_hangup = 0x10,
    wmps_half_closed = 0x2000
};

int wmps_eventfd(void);
/* accept4, close-on-exec and non-blocking. */
int wmps_accept(int fd, struct sockaddr *peer, socklen_t *length);
/* "Connection refused"; never translated, valid forever. */
const char *wmps_error_text(int code);

/* A mutex with a condition on the monotonic clock. */
typedef struct wmps_monitor wmps_monitor;
wmps_monitor *wmps_monitor_create(void);
/* For one that lives as long as the process: a fork waits until it is free, so that the child finds it free. */
wmps_monitor *wmps_monitor_create_static(void);
void wmps_monitor_destroy(wmps_monitor *monitor);
void wmps_monitor_lock(wmps_monitor *monitor);
void wmps_monitor_unlock(wmps_monitor *monitor);
void wmps_monitor_signal(wmps_monitor *monitor);
/* Called with the lock held. `deadline`: CLOCK_MONOTONIC nanoseconds, negative for none. 0, or ETIMEDOUT. */
int wmps_monitor_wait(wmps_monitor *monitor, int64_t deadline);

/* A thread that can be awaited for a limited time. */
typedef struct wmps_thread wmps_thread;
/* Starts a thread with every signal blocked, a name and a small stack. 0 or an errno. To be ended by exactly one of
   wmps_thread_join and wmps_thread_detach. */
int wmps_thread_start(const char *name, void (*body)(void *), void *context, wmps_thread **thread);
/* Waits for its end, at most `timeout_ms`, and frees it. 0; ETIMEDOUT: it goes on, and may be joined again;
   EDEADLK: called on the thread itself. */
int wmps_thread_join(wmps_thread *thread, int timeout_ms);
/* Lets it go: it frees itself when it ends. */
void wmps_thread_detach(wmps_thread *thread);
int wmps_thread_is_current(const wmps_thread *thread);
/* A mark that a thread puts on itself, to be told by others' objects which it is; NULL at first. */
void wmps_set_mark(const void *mark);
const void *wmps_mark(void);

int64_t wmps_monotonic_ns(void);

/* The number from which on descriptors are the last quarter of what the process may have. */
int wmps_scarce_descriptor(void);
/* Bytes that a TCP socket has taken and the peer has not acknowledged; 0 if it cannot tell. */
int wmps_unacknowledged(int fd);

/* Gives the allocator's free memory back to the system. */
void wmps_trim_memory(void);
int64_t wmps_unix_ms(void);

/* errno, and open(2) with two arguments: through Swift's overlay they cost a newer glibc. */
int wmps_errno(void);
void wmps_set_errno(int code);
int wmps_open(const char *path, int flags);

/* This thread's last error message; cut to 1,023 bytes. Never NULL. */
void wmps_set_message(const char *text);
const char *wmps_message(void);

/* Called once at exit(3), before what was registered earlier. */
int wmps_at_exit(void (*body)(void));

#endif
