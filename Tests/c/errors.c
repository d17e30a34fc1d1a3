/* Everything that can be misused has its own status: NULLs, handles of the wrong kind, sizes, names. */
#include "host.h"

#define GOOD_SERVER "{bind_addr: '127.0.0.1:0', tc: true, token: secret}"
#define GOOD_CLIENT "{server: '127.0.0.1:1', ts: true, token: secret}"

static void codes(void) {
    CHECK(strcmp(wmp_status_name(WMP_OK), "WMP_OK") == 0);
    CHECK(strcmp(wmp_status_name(WMP_ECERTIFICATE), "WMP_ECERTIFICATE") == 0);
    CHECK(strcmp(wmp_status_name(12345), "WMP_UNKNOWN") == 0 && strcmp(wmp_status_name(-19), "WMP_UNKNOWN") == 0);
    CHECK(wmp_status_is_retryable(WMP_AGAIN) && wmp_status_is_retryable(WMP_EADDRINUSE));
    CHECK(!wmp_status_is_retryable(WMP_OK) && !wmp_status_is_retryable(WMP_ECONFIG) && !wmp_status_is_retryable(12345));
    CHECK(wmp_version() == WMP_VERSION && wmp_abi_version() == WMP_ABI_VERSION);
    CHECK(strcmp(wmp_version_string(), WMP_VERSION_STRING) == 0);
    CHECK(wmp_last_error() != NULL && wmp_last_error()[0] == '\0');
}

static void nulls(wmp_server *server, wmp_client *client) {
    char text[8];

    EXPECT(WMP_EINVAL, wmp_engine_create(NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_engine_destroy(NULL));
    EXPECT(WMP_EINVAL, wmp_config_check(NULL, NULL, NULL, 0));
    EXPECT(WMP_EINVAL, wmp_config_check_file(NULL, NULL, NULL, 0));
    EXPECT(WMP_EINVAL, wmp_config_check(GOOD_SERVER, NULL, NULL, 1));
    EXPECT(WMP_EINVAL, wmp_server_start(NULL, NULL, &server));
    CHECK(server == NULL);
    EXPECT(WMP_EINVAL, wmp_server_start(NULL, GOOD_SERVER, NULL));
    EXPECT(WMP_EINVAL, wmp_server_start_file(NULL, NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_server_address(NULL, "bind_addr", text, sizeof text));
    EXPECT(WMP_EHANDLE, wmp_server_stats(NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_server_set_stats_callback(NULL, 0, NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_server_event_fd(NULL));
    EXPECT(WMP_EHANDLE, wmp_server_next_event(NULL, NULL, 0));
    EXPECT(WMP_EHANDLE, wmp_server_stop(NULL, 0));
    EXPECT(WMP_EINVAL, wmp_client_start(NULL, NULL, NULL));
    EXPECT(WMP_EINVAL, wmp_client_start_file(NULL, NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_client_wait_ready(NULL, 0));
    EXPECT(WMP_EHANDLE, wmp_client_add_mapping(NULL, NULL, 0));
    EXPECT(WMP_EHANDLE, wmp_client_remove_mapping(NULL, NULL, 0));
    EXPECT(WMP_EHANDLE, wmp_client_mapping_address(NULL, NULL, NULL, 0));
    EXPECT(WMP_EHANDLE, wmp_client_stats(NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_client_set_stats_callback(NULL, 0, NULL, NULL));
    EXPECT(WMP_EHANDLE, wmp_client_event_fd(NULL));
    EXPECT(WMP_EHANDLE, wmp_client_next_event(NULL, NULL, 0));
    EXPECT(WMP_EHANDLE, wmp_client_stop(NULL, 0));
    EXPECT(WMP_EINVAL, wmp_client_add_mapping(client, NULL, 0));
    EXPECT(WMP_EINVAL, wmp_client_remove_mapping(client, NULL, 0));
    EXPECT(WMP_EINVAL, wmp_client_mapping_address(client, NULL, text, sizeof text));
    EXPECT(WMP_EINVAL, wmp_client_stats(client, NULL));
    EXPECT(WMP_EINVAL, wmp_client_next_event(client, NULL, 0));
    EXPECT(WMP_OK, wmp_set_log_callback(0, NULL, NULL));
}

static void wrong_arguments(wmp_server *server, wmp_client *client) {
    wmp_stats stats = {.struct_size = 8};
    wmp_event event = {.struct_size = 8};
    char text[8];
    int number = 0;

    EXPECT(WMP_EHANDLE, wmp_server_stop((wmp_server *)(void *)client, 0));
    EXPECT(WMP_EHANDLE, wmp_client_stop((wmp_client *)(void *)&number, 0));
    EXPECT(WMP_EHANDLE, wmp_server_start((wmp_engine *)(void *)server, GOOD_SERVER, &(wmp_server *){NULL}));
    EXPECT(WMP_EINVAL, wmp_server_stats(server, &stats));
    EXPECT(WMP_EINVAL, wmp_client_next_event(client, &event, 0));
    EXPECT(WMP_EINVAL, wmp_server_set_stats_callback(server, -1, NULL, NULL));
    EXPECT(WMP_EINVAL, wmp_server_address(server, NULL, text, sizeof text));
    EXPECT(WMP_EINVAL, wmp_server_address(server, "bind_addr", NULL, 0));
    EXPECT_ERROR(WMP_ENOTFOUND, "bind_adr", wmp_server_address(server, "bind_adr", text, sizeof text));
    EXPECT(WMP_ENOTFOUND, wmp_server_address(server, "map_http_bind", text, sizeof text));
    EXPECT(WMP_EBUFFER, wmp_server_address(server, "bind_addr", text, sizeof text));
    CHECK(strcmp(text, "127.0.0") == 0);
    EXPECT_ERROR(WMP_ENOTFOUND, "web", wmp_client_remove_mapping(client, "web", 0));
    EXPECT_ERROR(WMP_ENOTFOUND, "web", wmp_client_mapping_address(client, "web", text, sizeof text));
}

int main(void) {
    wmp_server *server;
    wmp_client *client;

    codes();
    EXPECT(WMP_OK, wmp_server_start(NULL, GOOD_SERVER, &server));
    EXPECT(WMP_OK, wmp_client_start(NULL, GOOD_CLIENT, &client));
    nulls(server, client);
    wrong_arguments(server, client);
    EXPECT(WMP_OK, wmp_client_stop(client, 0));
    EXPECT(WMP_OK, wmp_server_stop(server, 0));
    EXPECT(WMP_EHANDLE, wmp_client_stop(client, 0));
    EXPECT(WMP_EHANDLE, wmp_server_event_fd(server));
    return 0;
}
