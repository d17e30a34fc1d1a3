/*
 * wmproxy.h - a reverse tunnel as a library
 *
 * A *server* runs where visitors can reach it. A *client* runs where the service is, connects out to the server, and
 * registers *mappings*: "visitors who ask for this domain, or come to this port, go to that local address". Both are
 * made with this header, in one process or in many:
 *
 *     wmp_server *server = NULL;
 *     if (wmp_server_start(NULL, "{bind_addr: '0.0.0.0:8091', map_http_bind: '0.0.0.0:80', tc: true}", &server) < 0)
 *         fprintf(stderr, "%s\n", wmp_last_error());
 *
 *     wmp_client *client = NULL;
 *     if (wmp_client_start_file(NULL, "client.yaml", &client) < 0 || wmp_client_wait_ready(client, 10000) < 0)
 *         fprintf(stderr, "%s\n", wmp_last_error());
 *
 * What holds for every function here, unless it says otherwise:
 *
 * Status     It returns a wmp_status: WMP_OK (0) or WMP_AGAIN (1) when nothing went wrong, a negative code when
 *            something did. wmp_last_error() then has the whole sentence: what, where, and what to do.
 * Threads    It may be called from any thread at any time, on the same handle too. The library starts its own
 *            threads, with all signals blocked; their number does not depend on the number of connections.
 * Callbacks  They run on one thread of the process, the notifier, one after another, and hold no lock: they may
 *            block for a while without slowing the traffic, and may call any function here except wmp_server_stop,
 *            wmp_client_stop and wmp_engine_destroy, which return WMP_EDEADLOCK there. A callback must return
 *            normally: no longjmp and no C++ exception may leave it.
 * Ownership  Texts given to the library are copied before it returns. Texts that come back are copied into the
 *            caller's buffer. What a callback receives is valid until the callback returns. A handle is freed by the
 *            function that stops or destroys it, and by nothing else.
 * Handles    They are looked up in a table of the live ones: a stale or a foreign one, or one of another type, is
 *            WMP_EHANDLE and does nothing.
 * NULL       No NULL crashes. An engine that is NULL means the default engine of the process; any other NULL is
 *            WMP_EHANDLE for a handle and WMP_EINVAL for the rest, where the function does not give it a meaning. An
 *            `out` parameter is set to NULL on every failure.
 * Texts      UTF-8, ending in NUL. A configuration is one text in YAML or JSON with the keys of docs/CONFIG.md,
 *            flat or under a top-level `proxy:` key; that is how options grow while this header stays as it is.
 * Buffers    Like snprintf: if `len` is too small, the text is cut, ends in NUL (where len > 0), and the function
 *            returns WMP_EBUFFER.
 * Times      `timeout_ms`, `drain_ms`, `interval_ms` are milliseconds on the monotonic clock. A negative timeout
 *            means no limit. A timeout of 0 does not wait: what is not done yet is WMP_AGAIN. A positive one that
 *            runs out is WMP_ETIMEOUT.
 * fork       In the child of a fork every function that is given a handle of the parent returns WMP_EFORKED at
 *            once. The child may make engines, servers and clients of its own; its default engine is a new one.
 * The host   The library installs no signal handler, never writes to stdout or stderr, does not exit or abort, and
 *            leaves signal masks, SIGPIPE, locale, umask and the working directory alone. Every descriptor is
 *            close-on-exec. exit() with running tunnels is fine.
 * Errors     Besides those listed with it, any function may return WMP_EFORKED, WMP_ENOMEM and WMP_EINTERNAL.
 *
 * What is not in this header is not part of the interface. Everything here is since 0.1.0, unless noted.
 */
#ifndef WMPROXY_H
#define WMPROXY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------ Version -- */

/* The version of this header. Compare with wmp_version(), which is the version of the library in use. */
#define WMP_VERSION_MAJOR 0
#define WMP_VERSION_MINOR 1
#define WMP_VERSION_PATCH 0
#define WMP_VERSION_STRING "0.1.0"

/* One number per version, greater for a later one: major << 16 | minor << 8 | patch. */
#define WMP_VERSION ((WMP_VERSION_MAJOR << 16) | (WMP_VERSION_MINOR << 8) | WMP_VERSION_PATCH)

/*
 * The version of the binary interface, and the number in the library's name, libwmproxy.so.0. A program built for one
 * number runs with every library of that number that is not older. While it is 0, a minor version may change it.
 */
#define WMP_ABI_VERSION 0

/* The version of the library, made up like WMP_VERSION. Cannot fail. */
uint32_t wmp_version(void);

/* The version of the library as a text, "0.1.0". Static, never NULL. Cannot fail. */
const char *wmp_version_string(void);

/* The library's WMP_ABI_VERSION. Where the library is loaded at run time, compare it first. Cannot fail. */
uint32_t wmp_abi_version(void);

/* ------------------------------------------------------------------------------------------------------- Status -- */

/* What a function returns: one of the codes below. New codes may come, within the range of their kind. */
typedef int wmp_status;

enum {
    WMP_OK = 0,    /* done */
    WMP_AGAIN = 1, /* nothing failed, but it is not done, or there is nothing, yet */

    /* -1 … -19: the call is wrong. Change the program. */
    WMP_EINVAL = -1,    /* an argument is NULL or out of range */
    WMP_EHANDLE = -2,   /* not a live handle of this type */
    WMP_ESTATE = -3,    /* not possible in the present state; the message says why */
    WMP_EDEADLOCK = -4, /* called from a callback, where it would wait for itself */
    WMP_EFORKED = -5,   /* the handle belongs to the parent of a fork */
    WMP_EBUFFER = -6,   /* the buffer is too small; the text in it is cut */
    WMP_ENOTFOUND = -7, /* no mapping or listener of that name */
    WMP_EEXIST = -8,    /* the name, the domain or the port is taken by another mapping */

    /* -20 … -39: the configuration is wrong. The message names file, line and column, or the file. */
    WMP_ECONFIG = -20,      /* unknown or ill-typed key, a value out of range, keys that exclude each other */
    WMP_EFILE = -21,        /* a file is missing or cannot be read */
    WMP_ECERTIFICATE = -22, /* a certificate or key does not parse, or the two do not belong together */

    /* -40 … -59: this machine says no. */
    WMP_EADDRINUSE = -40,    /* the port is taken; retryable */
    WMP_EADDRNOTAVAIL = -41, /* no such address on this machine */
    WMP_EACCES = -42,        /* not permitted, for example a port below 1024 */
    WMP_ERESOLVE = -43,      /* a host name was not found; retryable */
    WMP_EUNREACHABLE = -44,  /* the connection was refused or there is no way there; retryable */
    WMP_ENOFILES = -45,      /* out of file descriptors; retryable */
    WMP_ESYSTEM = -46,       /* another system call failed; the message names it and its errno */

    /* -60 … -69: the other end says no. */
    WMP_EAUTH = -60,     /* the login was refused: wrong secret, unknown user, or the server did not prove itself */
    WMP_EPROTOCOL = -61, /* the peer does not speak this protocol, or broke it */
    WMP_EVERSION = -62,  /* the peer speaks no version that this library speaks */
    WMP_ETLS = -63,      /* the TLS handshake failed: version, or no TLS on the other side; certificates: see -70 */
    WMP_EREFUSED = -64,  /* the server does not allow it, or a limit is reached */
    WMP_ECLOSED = -65,   /* the connection was lost, or the handle is being stopped; retryable */

    /* -70 … -79: it does so, or we do, for the sake of a certificate. Whose it is stands in the message. */
    WMP_ECERTEXPIRED = -70,     /* its time is over */
    WMP_ECERTNOTYETVALID = -71, /* its time has not begun, or a clock is wrong */
    WMP_ECERTHOST = -72,        /* it is for another host */
    WMP_ECERTAUTHORITY = -73,   /* no authority that is trusted has signed it */
    WMP_ECERTFINGERPRINT = -74, /* its key is not the pinned one */
    WMP_ECERTREQUIRED = -75,    /* the server wants one of the client, who showed none */

    /* -80 … -99: time. */
    WMP_ETIMEOUT = -80, /* not done within the time given; retryable */

    /* -100 … -119: the library itself. */
    WMP_ENOMEM = -100,   /* out of memory, or a memory budget is spent; retryable */
    WMP_EINTERNAL = -101 /* a defect in the library: please report it, with the message */
};

/*
 * The name of a code, "WMP_EAUTH". For a number that is not a code, "WMP_UNKNOWN". Static, never NULL. Cannot fail.
 */
const char *wmp_status_name(wmp_status status);

/*
 * The message of the last call on this thread that failed, in one sentence without a line end, such as
 * "server.yaml:4:1: unknown key 'bind_adr', did you mean 'bind_addr'?". A call that succeeds leaves it as it is.
 * Empty before the first failure, never NULL. Valid until the next call of a function of this library on this thread.
 * Cannot fail.
 */
const char *wmp_last_error(void);

/*
 * 1 if the same call may succeed later with nothing changed by the caller (the codes marked retryable above, and
 * WMP_AGAIN), otherwise 0. A client reconnects by itself: this is for what the caller would do again. Cannot fail.
 */
int wmp_status_is_retryable(wmp_status status);

/*
 * Salts a password for the `users` of a server's configuration: `buf` receives a text in its place, of at most
 * WMP_PASSWORD_SIZE bytes with its NUL, by which a login can be checked and nobody can log in. It is in the form in
 * which PostgreSQL keeps it (RFC 5802, RFC 7677), with a salt of its own each time. Takes some milliseconds.
 *
 * Errors: WMP_EINVAL (password is NULL, empty or longer than 1,024 bytes, or buf is NULL), WMP_EBUFFER, WMP_ESYSTEM.
 */
wmp_status wmp_hash_password(const char *password, char *buf, size_t len);

/* A buffer of this size holds what wmp_hash_password writes. */
#define WMP_PASSWORD_SIZE 160

/* ---------------------------------------------------------------------------------------------------------- Log -- */

/* How much to hear: a level and everything more important than it. */
typedef int wmp_log_level;

enum {
    WMP_LOG_ERROR = 1,   /* something does not work until somebody acts */
    WMP_LOG_WARNING = 2, /* something is not as it should be, and was dealt with */
    WMP_LOG_INFO = 3,    /* listeners, sessions and mappings coming and going */
    WMP_LOG_DEBUG = 4    /* single connections */
};

/* Receives one message: one line, without a line end. `user` is what was given with the callback. */
typedef void (*wmp_log_fn)(wmp_log_level level, const char *message, void *user);

/*
 * Sets the log callback of the process, in place of the one before. `level` is the least important level to hear;
 * `fn` NULL turns logging off, which is how it starts. A program with several engines hears all of them.
 *
 * When this returns, the callback before is not running and will not be called again, and what was logged until now
 * has been delivered to it: its `user` may be freed. (Set from inside a log callback, that holds once the callback
 * has returned.) So do not call this while holding a lock that the callback takes. Messages that arrive faster than
 * the callback takes them are counted and dropped, and the count is logged.
 *
 * Errors: WMP_EINVAL if level is not one of the above (with fn NULL it is ignored).
 */
wmp_status wmp_set_log_callback(wmp_log_level level, wmp_log_fn fn, void *user);

/* ------------------------------------------------------------------------------------------------------- Engine -- */

/* Threads that carry servers and clients. Most programs need none of their own: NULL is the default engine. */
typedef struct wmp_engine wmp_engine;

/*
 * Makes an engine and starts its threads. `config` has the engine's options (`threads`: number of loops; by default
 * one per processor, at most 4); NULL or an empty text means the defaults. `out` receives the handle, to be freed
 * with wmp_engine_destroy.
 *
 * The default engine, which NULL stands for, is made when the first server or client needs it and ends with the last.
 *
 * Errors: WMP_EINVAL (out is NULL), WMP_ECONFIG, WMP_ENOFILES, WMP_ESYSTEM.
 */
wmp_status wmp_engine_create(const char *config, wmp_engine **out);

/*
 * Ends the engine's threads and frees it. Returns when they have ended; no callback runs after that.
 *
 * Errors: WMP_EHANDLE (also for NULL: the default engine cannot be destroyed), WMP_ESTATE (servers or clients still
 * run on it; nothing has changed), WMP_EDEADLOCK.
 */
wmp_status wmp_engine_destroy(wmp_engine *engine);

/* ------------------------------------------------------------------------------------------------ Configuration -- */

/* What a configuration describes. */
typedef int wmp_role;

enum {
    WMP_ROLE_SERVER = 1,
    WMP_ROLE_CLIENT = 2
};

/*
 * Validates a configuration as a start would, and starts nothing: opens no port, connects nowhere. `role` receives
 * what it describes and may be NULL. `report` receives what it would do, in lines for a reader, warnings included,
 * and may be NULL if len is 0. Certificate and key files named in it are read.
 *
 * Errors: WMP_EINVAL (config is NULL, or report is NULL while len is not 0), WMP_ECONFIG, WMP_EFILE,
 * WMP_ECERTIFICATE; WMP_EBUFFER (the configuration is valid, but the report was cut; role is set). On every other
 * error role is set to 0 and report is empty.
 */
wmp_status wmp_config_check(const char *config, wmp_role *role, char *report, size_t len);

/* The same for the file at `path`. Errors as above; WMP_EFILE if it cannot be read. */
wmp_status wmp_config_check_file(const char *path, wmp_role *role, char *report, size_t len);

/* ------------------------------------------------------------------------------------------- Statistics, events -- */

/*
 * Counters of a server or a client. They only grow, except those marked "now", which return to 0. Fields are only
 * ever added at the end: a caller sets struct_size to sizeof(wmp_stats) before it asks, and the library writes that
 * much and no more (fields it does not know become 0). In a callback, struct_size is the library's size.
 */
typedef struct wmp_stats {
    size_t struct_size;      /* bytes of this struct that are there */
    uint64_t sessions;       /* now: clients logged in; for a client 1 while it is logged in, otherwise 0 */
    uint64_t sessions_total; /* logins that succeeded */
    uint64_t mappings;       /* now: mappings registered */
    uint64_t streams;        /* now: streams inside the tunnel */
    uint64_t streams_total;  /* streams opened */
    uint64_t visitors;       /* now: visitors' connections; for a client, its connections to the local services */
    uint64_t visitors_total; /* connections taken, or made */
    uint64_t bytes_in;       /* payload bytes from visitors to the services */
    uint64_t bytes_out;      /* payload bytes from the services to visitors */
    uint64_t refused;        /* visitors or streams turned away: unknown name, no client, a limit, service not there */
    uint64_t login_failures; /* logins that failed */
    uint64_t handshakes;     /* TLS handshakes completed */
    uint64_t reconnects;     /* sessions that replaced a lost one */
    uint64_t http_requests;  /* requests taken by the HTTP and HTTPS edges */
    uint64_t http_errors;    /* error pages that the edges wrote themselves */
    uint64_t queued_bytes;   /* now: payload bytes held in memory because a reader is slow */
    uint64_t lanes;             /* now: tunnel connections of the sessions */
    uint64_t connections;       /* server, now: connections of clients and visitors together */
    uint64_t logins;            /* server, now: tunnel connections that have not logged in yet */
    uint64_t ports;             /* server, now: public ports that mappings have for themselves */
    uint64_t vacant_names;      /* server, now: names kept for clients that are away */
    uint64_t udp_visitors;      /* now: visitors of UDP mappings */
    uint64_t shed;              /* visitors or services cut off because too much waited for them in memory */
    uint64_t datagrams_dropped; /* UDP datagrams that found no room */
} wmp_stats;

/* Receives the counters. `stats` is valid until the callback returns. */
typedef void (*wmp_stats_fn)(const wmp_stats *stats, void *user);

/* What happened. More kinds may come: ignore those you do not know. */
enum {
    WMP_EVENT_LISTENING = 1,       /* server: a listener is open. name: "map_http_bind" …; address */
    WMP_EVENT_SESSION_UP = 2,      /* a client has logged in. client_id; address: the other end */
    WMP_EVENT_SESSION_DOWN = 3,    /* a session has ended. client_id; status and reason: why */
    WMP_EVENT_MAPPING_UP = 4,      /* a mapping is registered. client_id; name; address: where visitors reach it */
    WMP_EVENT_MAPPING_REFUSED = 5, /* the server did not take a mapping. client_id; name; status and reason: why */
    WMP_EVENT_MAPPING_DOWN = 6,    /* a mapping is gone. client_id; name; status and reason: why */
    WMP_EVENT_CONNECT_FAILED = 7,  /* client: could not connect or log in, and will try again. status and reason: why */
    WMP_EVENT_STOPPED = 8,         /* the server or client is being stopped; no other event follows */
    WMP_EVENT_EVENTS_LOST = 9,     /* the queue was full, and the oldest were dropped. reason: how many */
    WMP_EVENT_LOGIN_FAILED = 10    /* server: who came to bind_addr did not get in; of many, some a second. address: the
                                    * other end; status and reason: why */
};

/*
 * One event. Texts that an event does not use are empty, texts that do not fit are cut; all end in NUL. Fields are
 * only ever added at the end: see wmp_stats for struct_size.
 */
typedef struct wmp_event {
    size_t struct_size; /* bytes of this struct that are there; set by the caller */
    int32_t kind;       /* WMP_EVENT_… */
    wmp_status status;  /* why, or WMP_OK */
    int64_t time_ms;    /* when: milliseconds since 1970-01-01 00:00 UTC */
    char client_id[80]; /* the client */
    char name[80];      /* the mapping, or the listener */
    char address[80];   /* an address, as the kind says */
    char reason[256];   /* why, in words */
} wmp_event;

/* ------------------------------------------------------------------------------------------------------- Server -- */

/* A buffer of this size holds any address or URL that the library writes. */
#define WMP_ADDRESS_SIZE 320

/* Takes visitors in, and clients that serve them. */
typedef struct wmp_server wmp_server;

/*
 * Starts a server. When it returns WMP_OK every port is open. On failure nothing is left running. `engine` may be
 * NULL. `out` receives the handle, to be freed with wmp_server_stop.
 *
 * Errors: WMP_EINVAL (config or out is NULL), WMP_EHANDLE (engine), WMP_ECONFIG (also: it describes a client),
 * WMP_EFILE, WMP_ECERTIFICATE, WMP_EADDRINUSE, WMP_EADDRNOTAVAIL, WMP_EACCES, WMP_ERESOLVE, WMP_ENOFILES,
 * WMP_ESYSTEM.
 */
wmp_status wmp_server_start(wmp_engine *engine, const char *config, wmp_server **out);

/* The same with the configuration in the file at `path`. Errors as above; WMP_EFILE if it cannot be read. */
wmp_status wmp_server_start_file(wmp_engine *engine, const char *path, wmp_server **out);

/*
 * Writes the address on which a listener is open, with the port that a configured 0 became: "127.0.0.1:8091", or
 * "[::1]:8091". `listener` is the key that configures it: "bind_addr" (clients), "map_http_bind", "map_https_bind",
 * "map_tcp_bind" (visitors). WMP_ADDRESS_SIZE bytes always suffice.
 *
 * Errors: WMP_EHANDLE, WMP_EINVAL (listener or buf is NULL), WMP_ENOTFOUND (no such listener, or this server has
 * none), WMP_EBUFFER.
 */
wmp_status wmp_server_address(wmp_server *server, const char *listener, char *buf, size_t len);

/*
 * Copies the counters of this moment. Set stats->struct_size first.
 *
 * Errors: WMP_EHANDLE, WMP_EINVAL (stats is NULL, or its struct_size is less than that of version 0.1.0).
 */
wmp_status wmp_server_stats(wmp_server *server, wmp_stats *stats);

/*
 * Has `fn` called with the counters every `interval_ms` (at least 10), in place of the callback before. fn NULL or
 * interval_ms 0 ends it. When this returns, the callback before is not running and will not be called again (from
 * inside it: once it has returned), so do not call this while holding a lock that it takes.
 *
 * Errors: WMP_EHANDLE, WMP_EINVAL (interval_ms is negative, or 1 to 9).
 */
wmp_status wmp_server_set_stats_callback(wmp_server *server, int interval_ms, wmp_stats_fn fn, void *user);

/*
 * A descriptor that is readable while events are waiting: poll it for POLLIN, then call wmp_server_next_event until
 * WMP_AGAIN. It belongs to the server: do not read, write or close it, and take it out of your loop before the stop.
 *
 * Returns the descriptor (0 or more), always the same for one server; or, being negative, WMP_EHANDLE.
 */
int wmp_server_event_fd(wmp_server *server);

/*
 * Takes the oldest event out of the queue, waiting for one for `timeout_ms` at most. Set event->struct_size first.
 * The queue holds 1,024 events from the start on; if nobody takes them, the oldest make room. Of several threads that
 * wait, one gets each event.
 *
 * Returns WMP_OK, or WMP_AGAIN if none came in time (this function does not return WMP_ETIMEOUT).
 * Errors: WMP_EHANDLE, WMP_EINVAL (event is NULL, or its struct_size is less than that of version 0.1.0), WMP_ECLOSED
 * (the server is being stopped and WMP_EVENT_STOPPED has been taken).
 */
wmp_status wmp_server_next_event(wmp_server *server, wmp_event *event, int timeout_ms);

/*
 * Has the server go by another configuration, without losing a connection: certificates (their files are read again),
 * users and their grants, limits and timeouts. A session whose user, secret or grant is another now is ended at once,
 * with all that is under way in it; who was let in before and may still come in goes on. When it returns, every new
 * connection is met by the new configuration.
 *
 * The listeners, `tc`, `threads`, `lanes`, `server_id` and `max_queued` cannot change while the server runs.
 *
 * Errors: WMP_EHANDLE, WMP_EINVAL (config is NULL), WMP_ECONFIG (also: a key differs that cannot change; the message
 * names it), WMP_EFILE, WMP_ECERTIFICATE, WMP_ECLOSED. After an error the server goes on as before.
 */
wmp_status wmp_server_reload(wmp_server *server, const char *config);

/* The same with the configuration in the file at `path`. */
wmp_status wmp_server_reload_file(wmp_server *server, const char *path);

/*
 * Stops the server and frees it. It closes the ports at once, lets visitors who are there finish for `drain_ms` at
 * most (0: not at all; negative: no limit), then ends all connections. It returns as soon as all is done; no callback
 * of this server runs after that, and the handle is gone. Until then other threads may still ask for statistics
 * and events.
 *
 * Errors: WMP_EHANDLE, WMP_EDEADLOCK, WMP_ESTATE (another thread is stopping it), WMP_ETIMEOUT (it did not end
 * within 5 s of its time). After an error the handle is as before.
 */
wmp_status wmp_server_stop(wmp_server *server, int drain_ms);

/* ------------------------------------------------------------------------------------------------------- Client -- */

/* Connects to a server, registers mappings with it, and carries their visitors to local services. */
typedef struct wmp_client wmp_client;

/*
 * Starts a client. It returns once the configuration is found good; connecting goes on in the background, again and
 * again with growing pauses, for as long as the client runs: when the server is not up yet, when it goes away, when
 * it refuses the login. `engine` may be NULL. `out` receives the handle, to be freed with wmp_client_stop.
 *
 * Errors: WMP_EINVAL (config or out is NULL), WMP_EHANDLE (engine), WMP_ECONFIG (also: it describes a server, or it
 * gives no way to know the server from an impostor), WMP_EFILE, WMP_ECERTIFICATE, WMP_ENOFILES, WMP_ESYSTEM.
 */
wmp_status wmp_client_start(wmp_engine *engine, const char *config, wmp_client **out);

/* The same with the configuration in the file at `path`. Errors as above; WMP_EFILE if it cannot be read. */
wmp_status wmp_client_start_file(wmp_engine *engine, const char *path, wmp_client **out);

/*
 * Waits until the client is logged in and the server has answered for every mapping it has. Being logged in again
 * after a loss counts as well; nothing is remembered from before.
 *
 * Returns WMP_OK, or WMP_AGAIN if timeout_ms is 0 and it is not ready.
 * Errors: WMP_EHANDLE; WMP_ETIMEOUT (the message has the reason of the last attempt); WMP_ECLOSED (it is being
 * stopped); at once, where waiting is of no use: WMP_EAUTH, WMP_EPROTOCOL, WMP_EVERSION, WMP_ETLS or a code of a
 * certificate (the last attempt), WMP_EREFUSED, WMP_EEXIST, WMP_EADDRINUSE, WMP_EADDRNOTAVAIL, WMP_EACCES (the server
 * did not take a mapping; the message says which and why, the others are up). In each case the client goes on trying.
 */
wmp_status wmp_client_wait_ready(wmp_client *client, int timeout_ms);

/*
 * Adds one mapping, a text such as "{name: web, mode: http, domain: localhost, local_addr: '127.0.0.1:8080'}", and
 * waits for the server's answer. It is kept for sessions to come, like those of the configuration.
 *
 * Returns WMP_OK (visitors are served from now on), or WMP_AGAIN if timeout_ms is 0: it is added, and an event will
 * tell what the server said.
 * Errors: WMP_EHANDLE, WMP_EINVAL (mapping is NULL), WMP_ECONFIG; the server's answer: WMP_EEXIST (name, domain or
 * port is taken; a name taken by this client as well), WMP_EREFUSED, WMP_EADDRINUSE, WMP_EADDRNOTAVAIL, WMP_EACCES;
 * WMP_ECLOSED (the client is being stopped). After these it is not added. WMP_ETIMEOUT: no answer yet, but it is
 * added and will be registered when the server is there; remove it if that is not wanted.
 */
wmp_status wmp_client_add_mapping(wmp_client *client, const char *mapping, int timeout_ms);

/*
 * Removes the mapping `name`, and waits until the server takes no more visitors for it. Visitors who are there stay.
 *
 * Returns WMP_OK, also when the client is not logged in; or WMP_AGAIN if timeout_ms is 0 and the server has yet to
 * answer.
 * Errors: WMP_EHANDLE, WMP_EINVAL (name is NULL), WMP_ENOTFOUND, WMP_ETIMEOUT (it is removed here, and the server was
 * told).
 */
wmp_status wmp_client_remove_mapping(wmp_client *client, const char *name, int timeout_ms);

/*
 * Writes where visitors reach the mapping `name`: "203.0.113.7:5432" for tcp, a URL such as "http://localhost:8001"
 * for http and https (the HTTPS edge if the server has no other). WMP_ADDRESS_SIZE bytes always suffice.
 *
 * Errors: WMP_EHANDLE, WMP_EINVAL (name or buf is NULL), WMP_ENOTFOUND (no such mapping), WMP_ESTATE (it is not
 * registered at the moment), WMP_EBUFFER.
 */
wmp_status wmp_client_mapping_address(wmp_client *client, const char *name, char *buf, size_t len);

/* As wmp_server_stats, for a client. */
wmp_status wmp_client_stats(wmp_client *client, wmp_stats *stats);

/* As wmp_server_set_stats_callback, for a client. */
wmp_status wmp_client_set_stats_callback(wmp_client *client, int interval_ms, wmp_stats_fn fn, void *user);

/* As wmp_server_event_fd, for a client. */
int wmp_client_event_fd(wmp_client *client);

/* As wmp_server_next_event, for a client. */
wmp_status wmp_client_next_event(wmp_client *client, wmp_event *event, int timeout_ms);

/*
 * Stops the client and frees it. It tells the server to send no more visitors, lets those who are there finish for
 * `drain_ms` at most (0: not at all; negative: no limit), then ends all connections. The rest is as with
 * wmp_server_stop.
 *
 * Errors: WMP_EHANDLE, WMP_EDEADLOCK, WMP_ESTATE (another thread is stopping it), WMP_ETIMEOUT (it did not end
 * within 5 s of its time). After an error the handle is as before.
 */
wmp_status wmp_client_stop(wmp_client *client, int drain_ms);

#ifdef __cplusplus
}
#endif

#endif /* WMPROXY_H */
