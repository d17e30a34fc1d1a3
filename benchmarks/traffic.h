/* What load.c and backend.c say to each other through the tunnel under test. The first byte of a connection chooses
 * the kind of visit, so that one mapping serves every row and each tunnel is measured as one instance. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum visit_kind {
    VISIT_REQUEST = 'G', /* HTTP/1.1, so that curl and wrk can reach the backend too */
    VISIT_UP = 'U',      /* the visitor sends, the backend answers with running totals */
    VISIT_DOWN = 'D',    /* the backend sends until the visitor closes */
    VISIT_IDLE = 'I',    /* one byte there and back, then silence */
};

#define REQUEST_KEEP "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
#define REQUEST_CLOSE "GET /close HTTP/1.1\r\nHost: bench\r\n\r\n"
#define REQUEST_PATH_AT 5 /* the byte after the first slash tells the two apart */
#define BODY_50 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcd"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" BODY_50 BODY_50
#define RESPONSE_LENGTH (sizeof RESPONSE - 1)

/* Bulk bytes repeat with a prime period, so a byte lost or moved by a tunnel shows at the edges of each read; checking
 * only those edges costs the generator nothing. */
#define PATTERN_PERIOD 251
#define BLOCK (256 * 1024)

static inline uint8_t pattern_byte(uint64_t position) { return (uint8_t)(position % PATTERN_PERIOD); }

static inline uint8_t *pattern_new(void) {
    uint8_t *pattern = malloc(BLOCK + PATTERN_PERIOD);
    for (size_t i = 0; pattern && i < BLOCK + PATTERN_PERIOD; i++) pattern[i] = pattern_byte(i);
    return pattern;
}

static inline int pattern_holds(const uint8_t *bytes, size_t length, uint64_t position) {
    return bytes[0] == pattern_byte(position) && bytes[length - 1] == pattern_byte(position + length - 1);
}

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
