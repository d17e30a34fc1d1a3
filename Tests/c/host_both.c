/* One process hosts a server, a client and the local services: real traffic through the TCP and the HTTP edge. */
#include "host.h"

/* Answers every request with the request itself as the body, so that the visitor sees what the service saw. */
static void *mirror(void *argument) {
    int connection = (int)(intptr_t)argument;
    size_t capacity = 2 * MIB, got = 0;
    char *request = calloc(1, capacity + 1), head[128], *end;
    ssize_t n;

    while ((end = strstr(request, "\r\n\r\n")) == NULL && (n = recv(connection, request + got, capacity - got, 0)) > 0)
        got += (size_t)n;
    if (end != NULL) {
        char *field = strcasestr(request, "\r\ncontent-length:");
        size_t wanted = (size_t)(end + 4 - request) + (field != NULL ? strtoul(field + 17, NULL, 10) : 0);
        while (got < wanted && (n = recv(connection, request + got, capacity - got, 0)) > 0)
            got += (size_t)n;
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", got);
        send_all(connection, head, strlen(head));
        send_all(connection, request, got);
    }
    free(request);
    close(connection);
    return NULL;
}

static char *random_bytes(size_t count, unsigned seed) {
    char *bytes = malloc(count);
    printf("seed %u\n", seed);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
    return bytes;
}

static void through_tcp(const char *address, const char *sent) {
    char *received = malloc(2 * MIB);
    size_t count = ask(address, sent, MIB, received, 2 * MIB);
    CHECK(count == MIB);
    CHECK(memcmp(sent, received, MIB) == 0);
    free(received);
}

static void through_http(const char *address, const char *sent) {
    char *request = malloc(2 * MIB), *answer = calloc(1, 3 * MIB);
    int head = sprintf(request, "POST /path?q=1 HTTP/1.1\r\nHost: app.test\r\nContent-Length: %d\r\n"
                                "X-Forwarded-For: 192.0.2.66\r\nConnection: close\r\n\r\n", MIB);
    size_t count;

    memcpy(request + head, sent, MIB);
    count = ask(address, request, (size_t)head + MIB, answer, 3 * MIB - 1);
    CHECK(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
    CHECK(strstr(answer, "POST /path?q=1 HTTP/1.1\r\n") != NULL);
    CHECK(strcasestr(answer, "\r\nhost: app.test\r\n") != NULL);
    CHECK(strcasestr(answer, "\r\nx-forwarded-for: 127.0.0.1\r\n") != NULL);
    CHECK(count > MIB && memcmp(answer + count - MIB, sent, MIB) == 0);

    const char unknown[] = "GET / HTTP/1.1\r\nHost: unknown.test\r\nConnection: close\r\n\r\n";
    memset(answer, 0, 3 * MIB);
    ask(address, unknown, sizeof unknown - 1, answer, 3 * MIB - 1);
    CHECK(strncmp(answer, "HTTP/1.1 404 ", 13) == 0);
    CHECK(strstr(answer, "unknown.test") != NULL);
    free(request);
    free(answer);
}

static void with_tls(const char *tls, const char *bytes) {
    char config[1024], tunnel[WMP_ADDRESS_SIZE], http[WMP_ADDRESS_SIZE], tcp[WMP_ADDRESS_SIZE], url[WMP_ADDRESS_SIZE];
    char echo_address[32], mirror_address[32];
    wmp_stats stats = {.struct_size = sizeof stats};
    wmp_server *server;
    wmp_client *client;

    start_service(echo, echo_address, sizeof echo_address);
    start_service(mirror, mirror_address, sizeof mirror_address);
    snprintf(config, sizeof config, "{bind_addr: '127.0.0.1:0', map_http_bind: '127.0.0.1:0', map_https_bind: "
             "'127.0.0.1:0', map_tcp_bind: '127.0.0.1:0', tc: %s, token: secret}", tls);
    EXPECT(WMP_OK, wmp_server_start(NULL, config, &server));
    EXPECT(WMP_OK, wmp_server_address(server, "bind_addr", tunnel, sizeof tunnel));
    EXPECT(WMP_OK, wmp_server_address(server, "map_http_bind", http, sizeof http));
    EXPECT(WMP_OK, wmp_server_address(server, "map_tcp_bind", tcp, sizeof tcp));

    snprintf(config, sizeof config, "{\"server\": \"%s\", \"ts\": %s, \"token\": \"secret\", \"mappings\": [{\"name\": "
             "\"raw\", \"mode\": \"tcp\", \"local_addr\": \"%s\"}]}", tunnel, tls, echo_address);
    EXPECT(WMP_OK, wmp_client_start(NULL, config, &client));
    EXPECT(WMP_OK, wmp_client_wait_ready(client, DEADLINE_MS));
    snprintf(config, sizeof config, "name: web\nmode: http\ndomain: app.test\nlocal_addr: %s\n", mirror_address);
    EXPECT(WMP_OK, wmp_client_add_mapping(client, config, DEADLINE_MS));

    EXPECT(WMP_OK, wmp_client_mapping_address(client, "raw", url, sizeof url));
    CHECK(strcmp(url, tcp) == 0);
    EXPECT(WMP_OK, wmp_client_mapping_address(client, "web", url, sizeof url));
    snprintf(config, sizeof config, "http://app.test%s", strchr(http, ':'));
    CHECK(strcmp(url, config) == 0);

    through_tcp(tcp, bytes);
    through_http(http, bytes);

    EXPECT(WMP_OK, wmp_server_stats(server, &stats));
    CHECK_NUMBER(1, stats.sessions);
    CHECK_NUMBER(2, stats.mappings);
    CHECK_NUMBER(2, stats.http_requests);
    CHECK_NUMBER(1, stats.http_errors);
    CHECK(stats.bytes_in >= 2 * MIB && stats.bytes_out >= 2 * MIB);
    EXPECT(WMP_OK, wmp_client_remove_mapping(client, "web", DEADLINE_MS));
    EXPECT(WMP_ENOTFOUND, wmp_client_remove_mapping(client, "web", DEADLINE_MS));
    EXPECT(WMP_OK, wmp_client_stop(client, 1000));
    EXPECT(WMP_OK, wmp_server_stop(server, 1000));
}

int main(void) {
    char *bytes = random_bytes(MIB, (unsigned)getpid());
    with_tls("true", bytes);
    with_tls("false", bytes);
    free(bytes);
    return 0;
}
