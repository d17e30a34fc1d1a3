/* After a fork the child's calls on the parent's handles say so at once, and the child can have tunnels of its own. */
#include "host.h"

#include <sys/wait.h>

#define SERVER "{bind_addr: '127.0.0.1:0', tc: true, token: secret}"

/* LeakSanitizer asks this. What the parent's threads hold is lost in a child, which has none of them. */
static int is_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return is_child; }

/* Calls from two threads at once: a lock that knows its owner by a thread id from before the fork would fail here. */
static void *ask_often(void *server) {
    wmp_stats stats = {.struct_size = sizeof stats};
    for (int i = 0; i < 20000; i++)
        EXPECT(WMP_OK, wmp_server_stats(server, &stats));
    return NULL;
}

static void child(wmp_engine *engine, wmp_server *server) {
    wmp_event event = {.struct_size = sizeof event};
    wmp_stats stats = {.struct_size = sizeof stats};
    char config[512], address[WMP_ADDRESS_SIZE];
    wmp_server *own;
    wmp_client *client;
    pthread_t other;

    EXPECT(WMP_EFORKED, wmp_server_stats(server, &stats));
    EXPECT(WMP_EFORKED, wmp_server_next_event(server, &event, -1));
    EXPECT(WMP_EFORKED, wmp_server_address(server, "bind_addr", address, sizeof address));
    EXPECT(WMP_EFORKED, wmp_server_stop(server, -1));
    EXPECT(WMP_EFORKED, wmp_engine_destroy(engine));
    EXPECT(WMP_EFORKED, wmp_server_start(engine, SERVER, &own));

    EXPECT(WMP_OK, wmp_server_start(NULL, SERVER, &own));
    EXPECT(WMP_OK, wmp_server_address(own, "bind_addr", address, sizeof address));
    snprintf(config, sizeof config, "{server: '%s', ts: true, token: secret}", address);
    EXPECT(WMP_OK, wmp_client_start(NULL, config, &client));
    EXPECT(WMP_OK, wmp_client_wait_ready(client, DEADLINE_MS));
    CHECK(pthread_create(&other, NULL, ask_often, own) == 0);
    ask_often(own);
    pthread_join(other, NULL);
    EXPECT(WMP_OK, wmp_client_stop(client, 0));
    EXPECT(WMP_OK, wmp_server_stop(own, 0));
}

int main(void) {
    wmp_stats stats = {.struct_size = sizeof stats};
    wmp_engine *engine;
    wmp_server *on_default, *on_engine;
    int status;

    EXPECT(WMP_OK, wmp_engine_create(NULL, &engine));
    EXPECT(WMP_OK, wmp_server_start(NULL, SERVER, &on_default));
    EXPECT(WMP_OK, wmp_server_start(engine, SERVER, &on_engine));
    for (int i = 0; i < 10; i++) {
        pid_t process = fork();
        CHECK(process >= 0);
        if (process == 0) {
            is_child = 1;
            child(engine, i % 2 == 0 ? on_default : on_engine);
            exit(0);
        }
        CHECK(waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT(WMP_OK, wmp_server_stats(on_default, &stats));
    EXPECT(WMP_OK, wmp_server_stop(on_default, 0));
    EXPECT(WMP_OK, wmp_server_stop(on_engine, 0));
    EXPECT(WMP_OK, wmp_engine_destroy(engine));
    return 0;
}
