/*
 * wmproxy - the program: runs one server or one client from a configuration file, in the foreground.
 *
 * It is written on the public header alone, and so is also the first example of a host. It owns what a library must
 * leave alone: signals, the log's place and form, the exit code.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "wmproxy.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define DRAIN_MS 5000 /* how long visitors may finish after the first signal */

struct options {
    const char *config;
    int check;
    int stats_seconds;
};

/* ---------------------------------------------------------------------------------------------------- Messages -- */

static wmp_log_level least = WMP_LOG_INFO; /* what the library logs, and what we do */

/* One line on stderr, with the time in UTC. stderr is unbuffered, and glibc sends one fprintf in one write. */
static void log_line(wmp_log_level level, const char *message, void *user) {
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    const char *name = level >= WMP_LOG_ERROR && level <= WMP_LOG_DEBUG ? names[level] : "log";
    struct timespec now;
    struct tm utc;
    char stamp[32] = "";

    (void)user;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) != NULL)
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr, "%s.%03ldZ %-7s %s\n", stamp, now.tv_nsec / 1000000, name, message);
}

static void say(const char *message) {
    if (least >= WMP_LOG_INFO)
        log_line(WMP_LOG_INFO, message, NULL);
}

static void log_stats(const wmp_stats *stats, void *user) {
    char line[768];

    snprintf(line, sizeof line,
             "stats: sessions=%" PRIu64 " mappings=%" PRIu64 " lanes=%" PRIu64 " streams=%" PRIu64
             " visitors=%" PRIu64 " visitors_total=%" PRIu64 " refused=%" PRIu64
             " bytes_in=%" PRIu64 " bytes_out=%" PRIu64 " queued_bytes=%" PRIu64
             " http_requests=%" PRIu64 " http_errors=%" PRIu64 " reconnects=%" PRIu64 " connections=%" PRIu64
             " ports=%" PRIu64 " udp_visitors=%" PRIu64 " datagrams_dropped=%" PRIu64 " shed=%" PRIu64,
             stats->sessions, stats->mappings, stats->lanes, stats->streams, stats->visitors, stats->visitors_total,
             stats->refused, stats->bytes_in, stats->bytes_out, stats->queued_bytes, stats->http_requests,
             stats->http_errors, stats->reconnects, stats->connections, stats->ports, stats->udp_visitors,
             stats->datagrams_dropped, stats->shed);
    log_line(WMP_LOG_INFO, line, user);
}

/* Each visitor is a descriptor: as many as the system lets us have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int failed(void) {
    fprintf(stderr, "wmproxy: %s\n", wmp_last_error());
    return EXIT_FAILED;
}

static int misused(const char *message) {
    fprintf(stderr, "wmproxy: %s\nTry 'wmproxy --help'.\n", message);
    return EXIT_USAGE;
}

static void help(void) {
    puts("Usage: wmproxy -c FILE [OPTION]…\n"
         "Run a reverse tunnel's server or client, as the configuration in FILE says.\n"
         "\n"
         "  -c, --config FILE    the configuration, YAML or JSON\n"
         "      --check          only validate it, and print what it would do\n"
         "      --hash-password  read a password, and print it salted for 'users'\n"
         "      --stats SECONDS  log the counters that often\n"
         "  -v, --verbose        also log single connections\n"
         "  -q, --quiet          log warnings and errors only\n"
         "      --version        print the version\n"
         "  -h, --help           print this\n"
         "\n"
         "It stays in the foreground and logs to stderr. SIGINT and SIGTERM stop it: visitors\n"
         "who are there have 5 seconds to finish, or until a second signal. On SIGHUP a server\n"
         "reads its configuration again.\n"
         "Exit status: 0 stopped by a signal, 1 failed, 2 wrong options.");
}

/* Reads a password, from a terminal without showing it, and prints what a configuration may have in its place. */
static int hash_password(void) {
    char password[1026], salted[WMP_PASSWORD_SIZE];
    struct termios shown, hidden;
    int is_terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    char *line;

    if (is_terminal) {
        fputs("Password: ", stderr);
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    line = fgets(password, sizeof password, stdin);
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    if (line == NULL)
        return misused("--hash-password reads a password from its standard input");
    password[strcspn(password, "\n")] = '\0';
    if (wmp_hash_password(password, salted, sizeof salted) < 0)
        return failed();
    puts(salted);
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

/* ----------------------------------------------------------------------------------------------------- Options -- */

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *options) {
    enum { OPTION_CHECK = 256, OPTION_HASH, OPTION_STATS, OPTION_VERSION };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, OPTION_CHECK},
        {"hash-password", no_argument, NULL, OPTION_HASH},
        {"stats", required_argument, NULL, OPTION_STATS},
        {"verbose", no_argument, NULL, 'v'},
        {"quiet", no_argument, NULL, 'q'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    char *end;
    long seconds;
    int option;

    while ((option = getopt_long(argc, argv, "c:vqh", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            if (options->config != NULL)
                return misused("one configuration file at a time: run one wmproxy for each");
            options->config = optarg;
            break;
        case OPTION_CHECK:
            options->check = 1;
            break;
        case OPTION_HASH:
            return hash_password();
        case OPTION_STATS:
            errno = 0;
            seconds = strtol(optarg, &end, 10);
            if (errno != 0 || end == optarg || *end != '\0' || seconds < 1 || seconds > 86400)
                return misused("--stats takes a number of seconds from 1 to 86400");
            options->stats_seconds = (int)seconds;
            break;
        case 'v':
            least = WMP_LOG_DEBUG;
            break;
        case 'q':
            least = WMP_LOG_WARNING;
            break;
        case OPTION_VERSION:
            printf("wmproxy %s\n", wmp_version_string());
            return 0;
        case 'h':
            help();
            return 0;
        default: /* getopt_long has said what is wrong */
            fputs("Try 'wmproxy --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return misused(options->config == NULL ? "the configuration goes after -c: wmproxy -c FILE"
                                               : "one configuration file, and nothing after the options");
    if (options->config == NULL)
        return misused("no configuration: wmproxy -c FILE");
    return -1;
}

/* --------------------------------------------------------------------------------------------------------- Run -- */

static int check(const struct options *options) {
    static char report[65536];
    wmp_role role = 0;
    wmp_status status = wmp_config_check_file(options->config, &role, report, sizeof report);

    if (status < 0 && status != WMP_EBUFFER)
        return failed();
    printf("%s: a valid %s configuration\n%s", options->config, role == WMP_ROLE_SERVER ? "server" : "client", report);
    if (report[0] != '\0' && report[strlen(report) - 1] != '\n')
        putchar('\n');
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

/* Blocks the signals that stop the program, for all threads to come, so that sigwait gets them. */
static void take_signals(sigset_t *stops) {
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(stops);
    sigaddset(stops, SIGINT);
    sigaddset(stops, SIGTERM);
    sigaddset(stops, SIGHUP);
    pthread_sigmask(SIG_BLOCK, stops, NULL);
}

static int wait_for(const sigset_t *stops) {
    int number = 0;

    while (sigwait(stops, &number) != 0)
        continue;
    return number;
}

/* A server reads its configuration again; what is wrong with it is logged, and it goes on as before. */
static void reload(wmp_server *server, const char *config) {
    if (server == NULL)
        log_line(WMP_LOG_WARNING, "SIGHUP: a client does not read its configuration again", NULL);
    else if (wmp_server_reload_file(server, config) < 0)
        log_line(WMP_LOG_ERROR, wmp_last_error(), NULL);
}

/* The second signal, while the main thread is in a stop that waits for visitors. */
static void *second_signal(void *stops) {
    while (wait_for(stops) == SIGHUP)
        continue;
    say("stopped at once, on a second signal");
    _exit(0);
    return NULL;
}

static int run(const struct options *options) {
    const int interval_ms = options->stats_seconds * 1000;
    wmp_server *server = NULL;
    wmp_client *client = NULL;
    wmp_role role = 0;
    wmp_status status;
    static sigset_t stops; /* the detached thread below may outlive this frame */
    pthread_t waiter;
    int signal_number;

    raise_descriptor_limit();
    if (wmp_config_check_file(options->config, &role, NULL, 0) < 0)
        return failed();
    take_signals(&stops);
    wmp_set_log_callback(least, log_line, NULL);
    if (role == WMP_ROLE_SERVER) {
        status = wmp_server_start_file(NULL, options->config, &server);
        if (status >= 0 && interval_ms > 0)
            status = wmp_server_set_stats_callback(server, interval_ms, log_stats, NULL);
    } else {
        status = wmp_client_start_file(NULL, options->config, &client);
        if (status >= 0 && interval_ms > 0)
            status = wmp_client_set_stats_callback(client, interval_ms, log_stats, NULL);
    }
    if (status < 0)
        return failed();

    while ((signal_number = wait_for(&stops)) == SIGHUP)
        reload(server, options->config);
    say(signal_number == SIGINT ? "stopping, on SIGINT" : "stopping, on SIGTERM");
    if (pthread_create(&waiter, NULL, second_signal, &stops) == 0)
        pthread_detach(waiter);
    status = server != NULL ? wmp_server_stop(server, DRAIN_MS) : wmp_client_stop(client, DRAIN_MS);
    if (status < 0)
        return failed();
    wmp_set_log_callback(WMP_LOG_ERROR, NULL, NULL); /* returns when the last message is out */
    say("stopped");
    return 0;
}

int main(int argc, char **argv) {
    struct options options = {NULL, 0, 0};
    int status = parse_options(argc, argv, &options);

    if (status >= 0)
        return status;
    if (wmp_abi_version() != WMP_ABI_VERSION) {
        fprintf(stderr, "wmproxy: the library is version %s, this program needs %s: install the two together\n",
                wmp_version_string(), WMP_VERSION_STRING);
        return EXIT_FAILED;
    }
    return options.check ? check(&options) : run(&options);
}
