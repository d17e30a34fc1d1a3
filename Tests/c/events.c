/* Events come in order through a descriptor that can be polled; statistics and log lines through callbacks. */
#include "host.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stats_calls, log_lines;
static wmp_status stop_in_callback, stats_in_callback;
static wmp_server *server;

static void on_stats(const wmp_stats *stats, void *user) {
    wmp_stats now = {.struct_size = sizeof now};

    CHECK(stats->struct_size >= sizeof *stats && user == &stats_calls);
    pthread_mutex_lock(&lock);
    stats_calls++;
    stop_in_callback = wmp_server_stop(server, 0);
    stats_in_callback = wmp_server_stats(server, &now);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_log(wmp_log_level level, const char *message, void *user) {
    CHECK(level >= WMP_LOG_ERROR && level <= WMP_LOG_INFO);
    CHECK(message[0] != '\0' && strchr(message, '\n') == NULL && user == &log_lines);
    pthread_mutex_lock(&lock);
    log_lines++;
    pthread_mutex_unlock(&lock);
}

/* Polls the descriptor, then takes one event: the descriptor and the queue agree. */
static wmp_event next(int descriptor, wmp_status (*take)(void *, wmp_event *, int), void *handle, int kind) {
    wmp_event event = {.struct_size = sizeof event};
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};

    if (poll(&ready, 1, DEADLINE_MS) != 1)
        FAIL("no event, expected kind %d", kind);
    EXPECT(WMP_OK, take(handle, &event, 0));
    if (event.kind != kind)
        FAIL("event %d instead of %d (%s: %s)", (int)event.kind, kind, event.name, event.reason);
    CHECK(event.time_ms > 1700000000000);
    return event;
}

static wmp_status take_server(void *handle, wmp_event *event, int timeout_ms) {
    return wmp_server_next_event(handle, event, timeout_ms);
}

static wmp_status take_client(void *handle, wmp_event *event, int timeout_ms) {
    return wmp_client_next_event(handle, event, timeout_ms);
}

/* Waits in another thread while the server is stopped. */
static void *until_stopped(void *unused) {
    wmp_event event = {.struct_size = sizeof event};
    wmp_status status;
    int last = 0;

    (void)unused;
    while ((status = wmp_server_next_event(server, &event, DEADLINE_MS)) == WMP_OK)
        last = event.kind;
    CHECK(status == WMP_ECLOSED || status == WMP_EHANDLE);
    CHECK(last == WMP_EVENT_STOPPED);
    return NULL;
}

int main(void) {
    char config[512], tunnel[WMP_ADDRESS_SIZE], tcp[WMP_ADDRESS_SIZE];
    wmp_event event = {.struct_size = sizeof event};
    wmp_client *client;
    pthread_t waiter;
    int from_server, from_client;

    EXPECT(WMP_OK, wmp_set_log_callback(WMP_LOG_INFO, on_log, &log_lines));
    EXPECT(WMP_OK, wmp_server_start(NULL, "{bind_addr: '127.0.0.1:0', map_tcp_bind: '127.0.0.1:0', tc: true, token: s}",
                                    &server));
    from_server = wmp_server_event_fd(server);
    CHECK(from_server >= 0 && from_server == wmp_server_event_fd(server));
    EXPECT(WMP_OK, wmp_server_address(server, "bind_addr", tunnel, sizeof tunnel));
    EXPECT(WMP_OK, wmp_server_address(server, "map_tcp_bind", tcp, sizeof tcp));

    event = next(from_server, take_server, server, WMP_EVENT_LISTENING);
    CHECK(strcmp(event.name, "bind_addr") == 0 && strcmp(event.address, tunnel) == 0);
    event = next(from_server, take_server, server, WMP_EVENT_LISTENING);
    CHECK(strcmp(event.name, "map_tcp_bind") == 0 && strcmp(event.address, tcp) == 0);
    event.struct_size = sizeof event;
    EXPECT(WMP_AGAIN, wmp_server_next_event(server, &event, 0));
    EXPECT(WMP_AGAIN, wmp_server_next_event(server, &event, 20));
    CHECK(poll(&(struct pollfd){.fd = from_server, .events = POLLIN}, 1, 0) == 0);

    snprintf(config, sizeof config, "{server: '%s', ts: true, token: s, client_id: alpha, mappings: [{name: raw, mode: "
                                    "tcp, local_addr: '127.0.0.1:1'}]}", tunnel);
    EXPECT(WMP_OK, wmp_client_start(NULL, config, &client));
    from_client = wmp_client_event_fd(client);
    event = next(from_client, take_client, client, WMP_EVENT_SESSION_UP);
    CHECK(strcmp(event.client_id, "alpha") == 0);
    event = next(from_client, take_client, client, WMP_EVENT_MAPPING_UP);
    CHECK(strcmp(event.name, "raw") == 0 && strcmp(event.address, tcp) == 0);
    event = next(from_server, take_server, server, WMP_EVENT_SESSION_UP);
    CHECK(strcmp(event.client_id, "alpha") == 0 && strncmp(event.address, "127.0.0.1:", 10) == 0);
    event = next(from_server, take_server, server, WMP_EVENT_MAPPING_UP);
    CHECK(strcmp(event.client_id, "alpha") == 0 && strcmp(event.name, "raw") == 0);

    EXPECT(WMP_OK, wmp_server_set_stats_callback(server, 10, on_stats, &stats_calls));
    pthread_mutex_lock(&lock);
    while (stats_calls < 3)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    EXPECT(WMP_OK, wmp_server_set_stats_callback(server, 0, NULL, NULL));
    int calls = stats_calls; /* no lock: it is not running any more */
    EXPECT(WMP_AGAIN, wmp_server_next_event(server, &event, 50));
    CHECK(stats_calls == calls);
    CHECK(stop_in_callback == WMP_EDEADLOCK && stats_in_callback == WMP_OK);

    EXPECT(WMP_EEXIST, wmp_client_add_mapping(client, "{name: raw, mode: tcp, local_addr: '127.0.0.1:1'}", -1));
    EXPECT(WMP_OK, wmp_client_remove_mapping(client, "raw", DEADLINE_MS));
    event = next(from_server, take_server, server, WMP_EVENT_MAPPING_DOWN);
    CHECK(strcmp(event.name, "raw") == 0);
    EXPECT(WMP_OK, wmp_client_stop(client, 0));
    event = next(from_server, take_server, server, WMP_EVENT_SESSION_DOWN);
    CHECK(strcmp(event.client_id, "alpha") == 0 && event.reason[0] != '\0');

    CHECK(pthread_create(&waiter, NULL, until_stopped, NULL) == 0);
    EXPECT(WMP_OK, wmp_server_stop(server, 0));
    pthread_join(waiter, NULL);
    EXPECT(WMP_OK, wmp_set_log_callback(WMP_LOG_INFO, NULL, NULL));
    CHECK(log_lines > 0);
    return 0;
}
