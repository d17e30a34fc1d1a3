/*
 * Starting and stopping a server and a client a hundred times leaves no descriptor and no thread behind, and signals as
 * they were. `start_stop TURNS` does it so often, and prints how many KiB of memory that has left behind.
 */
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

/* How many there are when those have gone that are only listed still: the fewest within a moment. */
static int settled_entries(const char *directory) {
    struct timespec start, now;
    int fewest = count_entries(directory), found;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        if ((found = count_entries(directory)) < fewest)
            fewest = found;
        sched_yield();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 200000000L);
    return fewest;
}

/* The line of a file of /proc/self that begins so. */
static void line_of(const char *path, const char *key, char *line, int size) {
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    do
        if (fgets(line, size, file) == NULL)
            FAIL("%s has no %s", path, key);
    while (strncmp(line, key, strlen(key)) != 0);
    fclose(file);
}

/* What is blocked here, ignored and handled. */
static void signals_of_process(char lines[3][80]) {
    line_of("/proc/self/status", "SigBlk:", lines[0], 80);
    line_of("/proc/self/status", "SigIgn:", lines[1], 80);
    line_of("/proc/self/status", "SigCgt:", lines[2], 80);
}

static long memory_kib(void) {
    char line[80];
    line_of("/proc/self/smaps_rollup", "Rss:", line, sizeof line);
    return atol(line + strlen("Rss:"));
}

static void *nothing(void *argument) {
    return argument;
}

int main(int argc, char **argv) {
    int threads, descriptors, turns = argc > 1 ? atoi(argv[1]) : 100;
    char signals[3][80], signals_after[3][80];
    long memory = 0;
    wmp_engine *engine;
    pthread_t first; /* with which a sanitizer starts a thread of its own */

    CHECK(pthread_create(&first, NULL, nothing, NULL) == 0 && pthread_join(first, NULL) == 0);
    threads = settled_entries("/proc/self/task");
    descriptors = count_entries("/proc/self/fd");
    signals_of_process(signals);

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
    threads = settled_entries("/proc/self/task");
    descriptors = count_entries("/proc/self/fd");
    for (int i = 0; i < turns; i++) {
        if (i == turns / 10)
            memory = memory_kib();
        once(NULL);
        half_way(NULL);
    }
    expect_entries("/proc/self/task", threads);
    expect_entries("/proc/self/fd", descriptors);
    signals_of_process(signals_after);
    for (int i = 0; i < 3; i++)
        CHECK(strcmp(signals[i], signals_after[i]) == 0);
    if (argc > 1)
        printf("%ld\n", memory_kib() - memory);
    return 0;
}
