/* The library leaves its host as it was: signals, mask, descriptors, directory, umask, errno; and exit() just works. */
#include "host.h"

#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct manners {
    struct sigaction actions[65];
    sigset_t mask;
    mode_t umask;
    char directory[4096];
    char locale[256];
};

static void observe(struct manners *seen) {
    memset(seen, 0, sizeof *seen);
    for (int number = 1; number < 65; number++)
        sigaction(number, NULL, &seen->actions[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    umask(seen->umask = umask(0));
    CHECK(getcwd(seen->directory, sizeof seen->directory) != NULL);
    snprintf(seen->locale, sizeof seen->locale, "%s", setlocale(LC_ALL, NULL));
}

static int count_inherited(void) {
    int count = 0;
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);
        count += flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    return count;
}

static void start(wmp_server **server, wmp_client **client) {
    char config[512], address[WMP_ADDRESS_SIZE], service[32];

    start_service(echo, service, sizeof service);
    EXPECT(WMP_OK, wmp_server_start(NULL, "{bind_addr: '127.0.0.1:0', map_tcp_bind: '127.0.0.1:0', map_https_bind: "
                                          "'127.0.0.1:0', tc: true, token: secret}", server));
    EXPECT(WMP_OK, wmp_server_address(*server, "bind_addr", address, sizeof address));
    snprintf(config, sizeof config, "{server: '%s', ts: true, token: secret, mappings: [{name: raw, mode: tcp, "
                                    "local_addr: '%s'}]}", address, service);
    EXPECT(WMP_OK, wmp_client_start(NULL, config, client));
    EXPECT(WMP_OK, wmp_client_wait_ready(*client, DEADLINE_MS));
}

/* A visitor who leaves in the middle, with data on the way to it: where SIGPIPE would come from. */
static void visit_and_leave(wmp_server *server) {
    static const char bytes[MIB] = {1};
    struct linger at_once = {.l_onoff = 1};
    char address[WMP_ADDRESS_SIZE];
    int visitor;

    EXPECT(WMP_OK, wmp_server_address(server, "map_tcp_bind", address, sizeof address));
    visitor = connect_to(address);
    send_all(visitor, bytes, sizeof bytes);
    setsockopt(visitor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(visitor);
}

/* Ends a child with live tunnels and a visitor, as main's return does. */
static void exit_with_tunnels(void) {
    struct timespec begin, end;
    int status;
    pid_t process;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    CHECK((process = fork()) >= 0);
    if (process == 0) {
        wmp_server *server;
        wmp_client *client;
        start(&server, &client);
        visit_and_leave(server);
        exit(7);
    }
    CHECK(waitpid(process, &status, 0) == process);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
        FAIL("exit() with tunnels: wait status %#x", status);
    CHECK(end.tv_sec - begin.tv_sec < 5);
}

int main(void) {
    static struct manners before, after;
    wmp_server *server;
    wmp_client *client;
    int inherited;

    for (int i = 0; i < 20; i++)
        exit_with_tunnels();

    inherited = count_inherited(); /* the standard ones, and what the caller left open */
    observe(&before);
    start(&server, &client);
    for (int i = 0; i < 20; i++)
        visit_and_leave(server);
    CHECK_NUMBER(inherited, count_inherited());
    errno = 123;
    EXPECT(WMP_EHANDLE, wmp_server_stop(NULL, 0));
    CHECK(errno == 123);
    EXPECT(WMP_OK, wmp_client_stop(client, 0));
    EXPECT(WMP_OK, wmp_server_stop(server, 0));
    observe(&after);
    for (int number = 1; number < 65; number++)
        CHECK(before.actions[number].sa_handler == after.actions[number].sa_handler);
    CHECK(memcmp(&before.mask, &after.mask, sizeof before.mask) == 0 && before.umask == after.umask);
    CHECK(strcmp(before.directory, after.directory) == 0 && strcmp(before.locale, after.locale) == 0);
    return 0;
}
