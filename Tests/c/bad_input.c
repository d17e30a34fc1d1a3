/* A configuration, a file, a port or a peer that is wrong: the right status, and a message that says where. */
#include "host.h"

#define GOOD_SERVER "{bind_addr: '127.0.0.1:0', tc: true, token: secret}"
#define GOOD_CLIENT "{server: '127.0.0.1:1', ts: true, token: secret}"

static void configurations(wmp_server *running) {
    char address[WMP_ADDRESS_SIZE], config[512], report[4096] = "";
    char path[] = "/tmp/wmproxy-test-XXXXXX";
    int file = mkstemp(path);
    wmp_server *server = running;
    wmp_client *client;
    wmp_role role = 0;

    EXPECT_ERROR(WMP_ECONFIG, "bind_addr", wmp_server_start(NULL, "bind_adr: '127.0.0.1:0'\n", &server));
    CHECK(server == NULL);
    EXPECT_ERROR(WMP_ECONFIG, "line 2", wmp_server_start(NULL, "tc: true\nbind_addr: ]\n", &server));
    EXPECT(WMP_ECONFIG, wmp_server_start(NULL, "", &server));
    EXPECT(WMP_ECONFIG, wmp_server_start(NULL, "\xff\xfe", &server));
    EXPECT(WMP_ECONFIG, wmp_server_start(NULL, GOOD_CLIENT, &server));
    EXPECT(WMP_ECONFIG, wmp_client_start(NULL, GOOD_SERVER, &client));
    EXPECT_ERROR(WMP_ECONFIG, "fingerprint", wmp_client_start(NULL, "{server: '192.0.2.1:1', ts: true}", &client));
    EXPECT(WMP_ECONFIG, wmp_engine_create("threads: many", &(wmp_engine *){NULL}));
    EXPECT_ERROR(WMP_EFILE, "/no/such.yaml", wmp_server_start_file(NULL, "/no/such.yaml", &server));
    EXPECT_ERROR(WMP_EFILE, "/no/such.pem", wmp_server_start(NULL, "{bind_addr: '127.0.0.1:0', map_https_bind: "
                 "'127.0.0.1:0', map_cert: /no/such.pem, map_key: /no/such.pem, tc: true, token: s}", &server));

    CHECK(file >= 0 && write(file, "not a certificate\n", 18) == 18 && close(file) == 0);
    snprintf(config, sizeof config, "{bind_addr: '127.0.0.1:0', map_https_bind: '127.0.0.1:0', map_cert: '%s', "
                                    "map_key: '%s', tc: true, token: s}", path, path);
    EXPECT_ERROR(WMP_ECERTIFICATE, path, wmp_server_start(NULL, config, &server));
    unlink(path);

    EXPECT(WMP_OK, wmp_server_address(running, "bind_addr", address, sizeof address));
    snprintf(config, sizeof config, "{bind_addr: '127.0.0.1:0', map_http_bind: '%s', tc: true, token: s}", address);
    EXPECT_ERROR(WMP_EADDRINUSE, address, wmp_server_start(NULL, config, &server));
    EXPECT(WMP_EADDRNOTAVAIL, wmp_server_start(NULL, "{bind_addr: '192.0.2.1:0', tc: true, token: s}", &server));

    EXPECT(WMP_OK, wmp_config_check(GOOD_CLIENT, &role, report, sizeof report));
    CHECK(role == WMP_ROLE_CLIENT && strstr(report, "127.0.0.1:1") != NULL);
    EXPECT(WMP_EBUFFER, wmp_config_check(GOOD_SERVER, &role, report, 2));
    CHECK(role == WMP_ROLE_SERVER && strlen(report) == 1);
    EXPECT(WMP_ECONFIG, wmp_config_check("a: [", &role, report, sizeof report));
    CHECK(role == 0 && report[0] == '\0');
}

static void peers(wmp_server *server) {
    char address[WMP_ADDRESS_SIZE], config[512];
    wmp_event event = {.struct_size = sizeof event};
    wmp_client *client;

    /* Nobody listens on port 1, and the client goes on trying. */
    EXPECT(WMP_OK, wmp_client_start(NULL, GOOD_CLIENT, &client));
    EXPECT_ERROR(WMP_ETIMEOUT, "127.0.0.1:1", wmp_client_wait_ready(client, 200));
    EXPECT(WMP_AGAIN, wmp_client_wait_ready(client, 0));
    EXPECT(WMP_OK, wmp_client_next_event(client, &event, DEADLINE_MS));
    CHECK(event.kind == WMP_EVENT_CONNECT_FAILED && event.status == WMP_EUNREACHABLE && event.reason[0] != '\0');
    EXPECT(WMP_OK, wmp_client_stop(client, 0));

    EXPECT(WMP_OK, wmp_server_address(server, "bind_addr", address, sizeof address));
    snprintf(config, sizeof config, "{server: '%s', ts: true, token: not-the-secret}", address);
    EXPECT(WMP_OK, wmp_client_start(NULL, config, &client));
    EXPECT(WMP_EAUTH, wmp_client_wait_ready(client, DEADLINE_MS));
    EXPECT(WMP_OK, wmp_client_stop(client, 0));

    snprintf(config, sizeof config, "{server: '%s', ts: true, token: secret}", address);
    EXPECT(WMP_OK, wmp_client_start(NULL, config, &client));
    EXPECT(WMP_OK, wmp_client_wait_ready(client, DEADLINE_MS));
    /* This server has no edge for visitors. */
    EXPECT(WMP_EREFUSED, wmp_client_add_mapping(client, "{name: web, mode: http, domain: a.test, local_addr: "
                                                        "'127.0.0.1:1'}", DEADLINE_MS));
    EXPECT_ERROR(WMP_ECONFIG, "mode", wmp_client_add_mapping(client, "{name: web, mod: http}", DEADLINE_MS));
    EXPECT(WMP_OK, wmp_client_stop(client, 0));
}

int main(void) {
    wmp_server *server;

    EXPECT(WMP_OK, wmp_server_start(NULL, GOOD_SERVER, &server));
    configurations(server);
    peers(server);
    EXPECT(WMP_OK, wmp_server_stop(server, 0));
    return 0;
}
