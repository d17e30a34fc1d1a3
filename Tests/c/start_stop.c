/* Starting and stopping a server and a client a hundred times leaves no descriptor and no thread behind. */
#include "host.h"

#include <sched.h>
#include <time.h>

static void once(wmp_engine *engine) {
    char config[512], tunnel[WMP_ADDRESS_SIZE];
    wmp_server *server;
    wmp_client *client;

    EXPECT(WMP_OK, wmp_server_start(engine, "{bind_addr: '127.0.0.1:0', map_http_bind: '127.0.0.1:0', map_https_bind: "
                                            "'127.0.0.1:0', tc: true, token: secret}", &server));
    EXPECT(WMP_OK, wmp_server_address(server, "bind_addr", tunnel, sizeof tunnel));
    snprintf(config, sizeof config, "{server: '%s', ts: true, token: secret, mappings: [{name: web, mode: http, "
                                    "domain: a.test, local_addr: '127.0.0.1:1'}]}", tunnel);
    EXPECT(WMP_OK, wmp_client_start(engine, config, &client));
    EXPECT(WMP_OK, wmp_client_wait_ready(client, DEADLINE_MS));
    EXPECT(WMP_OK, wmp_client_stop(client, 1000));
    EXPECT(WMP_OK, wmp_server_stop(server, 1000));
    EXPECT(WMP_EHANDLE, wmp_server_stop(server, 0));
}

/* A client that is stopped while it is still connecting, and a server that nobody ever came to. */
static void half_way(wmp_engine *engine) {
    wmp_server *server;
    wmp_client *client;

    EXPECT(WMP_OK, wmp_server_start(engine, "{bind_addr: '127.0.0.1:0', tc: true, token: secret}", &server));
    EXPECT(WMP_OK, wmp_client_start(engine, "{server: '127.0.0.1:1', ts: true, token: secret}", &client));
    EXPECT(WMP_OK, wmp_server_stop(server, 0));
    EXPECT(WMP_OK, wmp_client_stop(client, 0));
}

/* The kernel may list a thread for a moment after it has been joined. */
static void expect_entries(const char *directory, int wanted) {
    struct timespec start, now;
    int found;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        if ((found = count_entries(directory)) == wanted)
            return;
        sched_yield();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 2);
    FAIL("%s has %d entries instead of %d", directory, found, wanted);
}

static void *nothing(void *argument) {
    return argument;
}

int main(void) {
    int threads, descriptors;
    wmp_engine *engine;
    pthread_t first; /* with which a sanitizer starts a thread of its own */

    CHECK(pthread_create(&first, NULL, nothing, NULL) == 0 && pthread_join(first, NULL) == 0);
    threads = count_entries("/proc/self/task");
    descriptors = count_entries("/proc/self/fd");

    /* An engine of its own gives everything back, the first time too, but what OpenSSL opens once. */
    EXPECT(WMP_OK, wmp_engine_create(NULL, &engine));
    once(engine);
    EXPECT(WMP_OK, wmp_engine_destroy(engine));
    expect_entries("/proc/self/task", threads);
    CHECK(count_entries("/proc/self/fd") <= descriptors + 1);
    descriptors = count_entries("/proc/self/fd");

    for (int i = 0; i < 10; i++) {
        EXPECT(WMP_OK, wmp_engine_create("{threads: 2}", &engine));
        once(engine);
        half_way(engine);
        EXPECT(WMP_OK, wmp_engine_destroy(engine));
    }
    expect_entries("/proc/self/task", threads);
    expect_entries("/proc/self/fd", descriptors);

    /* The default engine stays, and does not grow. */
    once(NULL);
    threads = count_entries("/proc/self/task");
    descriptors = count_entries("/proc/self/fd");
    for (int i = 0; i < 100; i++) {
        once(NULL);
        half_way(NULL);
    }
    expect_entries("/proc/self/task", threads);
    expect_entries("/proc/self/fd", descriptors);
    return 0;
}
