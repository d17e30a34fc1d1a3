/*
 * Exposes a local service through a wmproxy server, until Enter is pressed.
 *
 *     cc expose.c $(pkg-config --cflags --libs wmproxy) -o expose
 *     ./expose client.yaml
 */
#include <stdio.h>
#include <string.h>
#include <wmproxy.h>

static void log_line(wmp_log_level level, const char *message, void *user) {
    (void)level;
    (void)user;
    fprintf(stderr, "%s\n", message);
}

static int fail(wmp_client *client) {
    fprintf(stderr, "expose: %s\n", wmp_last_error());
    wmp_client_stop(client, 0);
    return 1;
}

int main(int argc, char **argv) {
    wmp_event event;
    wmp_client *client = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: expose CLIENT.yaml\n");
        return 2;
    }
    wmp_set_log_callback(WMP_LOG_WARNING, log_line, NULL);
    if (wmp_client_start_file(NULL, argv[1], &client) < 0)
        return fail(client);
    if (wmp_client_wait_ready(client, 10000) < 0) /* it would go on trying: here we give up */
        return fail(client);

    /* What has happened so far, without waiting for more. */
    memset(&event, 0, sizeof event);
    event.struct_size = sizeof event;
    while (wmp_client_next_event(client, &event, 0) == WMP_OK)
        if (event.kind == WMP_EVENT_MAPPING_UP)
            printf("%s is at %s\n", event.name, event.address);

    printf("Press Enter to stop.\n");
    fflush(stdout);
    getchar();
    return wmp_client_stop(client, 5000) < 0 ? fail(client) : 0;
}
