/* Two servers in one process, one on the default engine and one on an engine of its own, do not know each other. */
#include "host.h"

struct site {
    wmp_server *server;
    wmp_client *client;
    char tcp[WMP_ADDRESS_SIZE];
    char http[WMP_ADDRESS_SIZE];
};

static void answer(void *argument, const char *text) {
    int connection = (int)(intptr_t)argument;
    char head[256];

    if (recv(connection, head, sizeof head, 0) > 0)
        send_all(connection, text, strlen(text));
    close(connection);
}

static void *first(void *connection) {
    answer(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfirst");
    return NULL;
}

static void *second(void *connection) {
    answer(connection, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecond");
    return NULL;
}

static void start(struct site *site, wmp_engine *engine, const char *token, void *(*serve)(void *)) {
    char config[1024], tunnel[WMP_ADDRESS_SIZE], service[32];

    start_service(serve, service, sizeof service);
    snprintf(config, sizeof config, "{bind_addr: '127.0.0.1:0', map_tcp_bind: '127.0.0.1:0', "
                                    "map_http_bind: '127.0.0.1:0', tc: true, token: %s}", token);
    EXPECT(WMP_OK, wmp_server_start(engine, config, &site->server));
    EXPECT(WMP_OK, wmp_server_address(site->server, "bind_addr", tunnel, sizeof tunnel));
    EXPECT(WMP_OK, wmp_server_address(site->server, "map_tcp_bind", site->tcp, sizeof site->tcp));
    EXPECT(WMP_OK, wmp_server_address(site->server, "map_http_bind", site->http, sizeof site->http));

    /* The same names on both: each server has its own. */
    snprintf(config, sizeof config, "{server: '%s', ts: true, token: %s, mappings: [{name: raw, mode: tcp, local_addr: "
             "'%s'}, {name: web, mode: http, domain: same.test, local_addr: '%s'}]}", tunnel, token, service, service);
    EXPECT(WMP_OK, wmp_client_start(engine, config, &site->client));
    EXPECT(WMP_OK, wmp_client_wait_ready(site->client, DEADLINE_MS));
}

static void expect_answer(const struct site *site, const char *text) {
    const char request[] = "GET / HTTP/1.1\r\nHost: same.test\r\nConnection: close\r\n\r\n";
    const char *edges[] = {site->tcp, site->http};

    for (int i = 0; i < 2; i++) {
        char reply[4096] = "";
        ask(edges[i], request, sizeof request - 1, reply, sizeof reply - 1);
        CHECK(strstr(reply, "\r\n\r\n") != NULL);
        CHECK(strcmp(strstr(reply, "\r\n\r\n") + 4, text) == 0);
    }
}

int main(void) {
    struct site one, other;
    wmp_engine *engine;

    EXPECT(WMP_OK, wmp_engine_create("threads: 1", &engine));
    start(&one, NULL, "secret-of-one", first);
    start(&other, engine, "secret-of-other", second);
    expect_answer(&one, "first");
    expect_answer(&other, "second");

    EXPECT(WMP_ESTATE, wmp_engine_destroy(engine));
    EXPECT(WMP_OK, wmp_client_stop(one.client, 1000));
    EXPECT(WMP_OK, wmp_server_stop(one.server, 1000));
    expect_answer(&other, "second");
    EXPECT(WMP_OK, wmp_server_stop(other.server, 1000));
    EXPECT(WMP_OK, wmp_client_stop(other.client, 1000));
    EXPECT(WMP_OK, wmp_engine_destroy(engine));
    EXPECT(WMP_EHANDLE, wmp_engine_destroy(engine));
    return 0;
}
