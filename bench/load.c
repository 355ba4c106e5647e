/* load: the load generator of the comparison benchmark, cheap enough to share a core with
 * the stub upstream.
 *
 *   requests   closed loop of POST /v1/chat/completions (400-byte body) on --connections;
 *              with --rate R an open loop of R per second over them; with --count N exactly
 *              N requests, unmeasured (for instruction counts)
 *   streams    --connections streams; each is started again when it ends; --count N ends
 *              after N finished streams
 *   idle       opens --connections, one request on each, holds them for --duration
 *
 * Prints `{"measuring":true}` when the warm-up is over (every stream has had its first
 * event, every idle connection its answer), so that the caller can read the proxy's CPU
 * clock, and one JSON object with the results at the end of the window. Latencies in µs;
 * first-event times are those of all streams, the rest is of the window.
 *
 * usage: load MODE --port N [--connections N] [--warmup-ms N] [--duration-ms N] [--rate N]
 *             [--count N] [--model NAME] [--vary 1]
 *
 * All requests are alike; with --vary each has an id of its own in its head (as traced
 * requests have) and a prompt of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNS_MAX = 20000, READ_MAX = 65536, HEAD_MAX = 2048, BODY_BYTES = 400 };
enum mode { REQUESTS, STREAMS, IDLE };

struct conn {
    int fd, busy, in_body, chunked, had_event, closes;
    uint64_t sent_at, left;
    size_t head_len;
    char last;      /* last byte seen, for an event boundary cut in two */
    char tail[7];   /* last bytes of the body, for the last chunk */
    char head[HEAD_MAX];
};

struct histogram { uint64_t n, max, bucket[64 * 64]; };

static enum mode mode;
static struct conn *conns;
static int conn_count = 64, ep, port;
static uint64_t rate, count_max;
static char request[2048];
static size_t request_len;
/* Where a request's number goes, ten digits each; null without --vary. */
static char *vary_id, *vary_prompt;
static uint64_t started;
static char in[READ_MAX];

static int measuring;
static uint64_t answers, finished, events, bytes_in, errors, reconnects, ready, behind;
static struct histogram latency, first_event, event_age;
static int *idle_stack, idle_len;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Log-linear: 64 steps for each power of two, so a value is off by less than 1.6 %. */
static void note(struct histogram *h, uint64_t v) {
    int e = v < 64 ? 0 : 63 - __builtin_clzll(v) - 5;
    h->bucket[e * 64 + (int)(v >> e)]++;
    h->n++;
    if (v > h->max) h->max = v;
}

static double quantile_us(const struct histogram *h, double q) {
    uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;
    for (int i = 0; i < 64 * 64; i++) {
        seen += h->bucket[i];
        if (h->bucket[i] && seen > want)
            return (double)((uint64_t)(i % 64) << (i / 64)) / 1000.0;
    }
    return (double)h->max / 1000.0;
}

static void print_histogram(const char *name, const struct histogram *h) {
    if (!h->n) return;
    printf(",\"%s\":{\"n\":%llu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
           (unsigned long long)h->n, quantile_us(h, .5), quantile_us(h, .9),
           quantile_us(h, .99), (double)h->max / 1000.0);
}

static int connect_one(struct conn *c) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    memset(c, 0, sizeof *c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a)) {
        fprintf(stderr, "load: connect to port %d: %s\n", port, strerror(errno));
        return -1;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)(c - conns) };
    return epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

static void start(struct conn *c, uint64_t at) {
    c->busy = 1;
    c->in_body = c->had_event = 0;
    c->head_len = 0;
    c->last = 0;
    c->sent_at = at;
    if (vary_id) {
        char digits[11];
        snprintf(digits, sizeof digits, "%010llu", (unsigned long long)(started++ % 10000000000u));
        memcpy(vary_id, digits, 10);
        memcpy(vary_prompt, digits, 10);
    }
    ssize_t n = send(c->fd, request, request_len, MSG_NOSIGNAL);
    if (n != (ssize_t)request_len) errors++; /* the read side notices and reconnects */
}

static void reconnect(struct conn *c) {
    close(c->fd);
    reconnects++;
    if (errors > 1000 || connect_one(c) < 0) {
        fprintf(stderr, "load: too many errors\n");
        exit(1);
    }
}

static void answered(struct conn *c) {
    uint64_t now = now_ns();
    if (measuring) {
        answers++;
        if (mode == REQUESTS) note(&latency, now - c->sent_at);
    }
    finished++;
    c->busy = 0;
    if (c->closes) reconnect(c);
    if (mode == IDLE) { ready++; return; }
    if (rate) { idle_stack[idle_len++] = (int)(c - conns); return; }
    if (count_max && finished + (uint64_t)conn_count > count_max) return;
    start(c, now);
}

/* Counts event ends ("\n\n"; chunk framing has none) and reads the stamps. */
static void scan_events(struct conn *c, const char *p, size_t n) {
    uint64_t now = 0;
    const char *stop = p + n, *q = p;
    while (q < stop && (q = memchr(q, '\n', (size_t)(stop - q)))) {
        char before = q > p ? q[-1] : c->last;
        q++;
        if (before != '\n') continue;
        if (!now) now = now_ns();
        if (measuring) events++;
        if (!c->had_event) {
            c->had_event = 1;
            ready++;
            note(&first_event, now - c->sent_at);
        }
    }
    if (measuring && now) {
        const char *s = memmem(p, n, "\"content\":\"", 11);
        if (s && stop - s > 30) {
            uint64_t t = strtoull(s + 11, NULL, 10);
            if (t && t < now) note(&event_age, now - t);
        }
    }
    if (n) c->last = stop[-1];
}

static int took_body(struct conn *c, const char *p, size_t n) {
    if (mode == STREAMS) scan_events(c, p, n);
    if (!c->chunked) {
        c->left -= n < c->left ? n : c->left;
        return c->left == 0;
    }
    size_t k = n < 7 ? n : 7;
    memmove(c->tail, c->tail + k, 7 - k);
    memcpy(c->tail + 7 - k, p + n - k, k);
    return !memcmp(c->tail, "\r\n0\r\n\r\n", 7);
}

/* Returns -1 when the connection broke or the answer is not what was asked for. */
static int took(struct conn *c, const char *p, size_t n) {
    if (measuring) bytes_in += n;
    if (!c->busy) return -1;
    if (!c->in_body) {
        if (n > HEAD_MAX - c->head_len - 1) {
            /* Head and body may come in one large read: only the head has to fit. */
            char *e = memmem(p, n, "\r\n\r\n", 4);
            if (!e || (size_t)(e + 4 - p) > HEAD_MAX - c->head_len - 1) return -1;
            size_t h = (size_t)(e + 4 - p);
            return took(c, p, h) < 0 ? -1 : n > h ? took(c, p + h, n - h) : 0;
        }
        size_t had = c->head_len;
        memcpy(c->head + had, p, n);
        c->head_len += n;
        c->head[c->head_len] = 0;
        char *e = memmem(c->head, c->head_len, "\r\n\r\n", 4);
        if (!e) return 0;
        if (memcmp(c->head + 8, " 200", 4)) {
            if (errors < 3) fprintf(stderr, "load: answer was %.40s\n", c->head);
            return -1;
        }
        char *cl = strcasestr(c->head, "\r\ncontent-length:");
        c->chunked = !(cl && cl < e);
        char *ends = strcasestr(c->head, "\r\nconnection: close");
        c->closes = ends && ends < e;
        c->left = c->chunked ? 0 : strtoull(cl + 17, NULL, 10);
        memset(c->tail, 0, sizeof c->tail);
        memcpy(c->tail + 5, "\r\n", 2);
        c->in_body = 1;
        size_t used = (size_t)(e + 4 - c->head) - had;
        p += used;
        n -= used;
        if (n == 0 && (c->chunked || c->left)) return 0;
    }
    if (took_body(c, p, n)) answered(c);
    return 0;
}

static void readable(struct conn *c) {
    ssize_t n = recv(c->fd, in, READ_MAX, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0 && took(c, in, (size_t)n) == 0) return;
    /* Closed: between requests that is the peer's right, in one it is an error. */
    if (c->busy) errors++;
    int was_busy = c->busy;
    reconnect(c);
    if (was_busy) start(c, now_ns());
}

static void make_request(const char *model, int varies) {
    char body[BODY_BYTES + 1];
    int n = snprintf(body, sizeof body, "{\"model\":\"%s\",\"stream\":%s,\"max_tokens\":100,"
        "\"messages\":[{\"role\":\"user\",\"content\":\"", model,
        mode == STREAMS ? "true" : "false");
    memset(body + n, 'x', BODY_BYTES - (size_t)n - 4);
    memcpy(body + BODY_BYTES - 4, "\"}]}", 5);
    request_len = (size_t)snprintf(request, sizeof request,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        "Content-Type: application/json\r\nAccept: application/json\r\n"
        "User-Agent: bench/1.0\r\nAuthorization: Bearer sk-0123456789abcdef\r\n%s"
        "Content-Length: %d\r\n\r\n%s", port, varies ? "X-Request-Id: bench-0000000000\r\n" : "",
        BODY_BYTES, body);
    if (!varies) return;
    vary_id = strstr(request, "bench-0") + 6;
    vary_prompt = request + request_len - BODY_BYTES + n;
}

int main(int argc, char **argv) {
    const char *model = "bench";
    uint64_t warmup_ns = 500000000, duration_ns = 4000000000;
    if (argc < 4) { fprintf(stderr, "usage: load requests|streams|idle --port N ...\n"); return 2; }
    int varies = 0;
    mode = !strcmp(argv[1], "streams") ? STREAMS : !strcmp(argv[1], "idle") ? IDLE : REQUESTS;
    for (int i = 2; i + 1 < argc; i += 2) {
        uint64_t v = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--port")) port = (int)v;
        else if (!strcmp(argv[i], "--connections")) conn_count = (int)v;
        else if (!strcmp(argv[i], "--warmup-ms")) warmup_ns = v * 1000000;
        else if (!strcmp(argv[i], "--duration-ms")) duration_ns = v * 1000000;
        else if (!strcmp(argv[i], "--rate")) rate = v;
        else if (!strcmp(argv[i], "--count")) count_max = v;
        else if (!strcmp(argv[i], "--vary")) varies = v != 0;
        else if (!strcmp(argv[i], "--model")) model = argv[i + 1];
        else { fprintf(stderr, "load: unknown flag %s\n", argv[i]); return 2; }
    }
    if (conn_count < 1 || conn_count > CONNS_MAX || !port || strlen(model) > 100) {
        fprintf(stderr, "load: --port is needed, --connections is 1 to %d\n", CONNS_MAX);
        return 2;
    }
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    prctl(PR_SET_TIMERSLACK, 1UL);
    signal(SIGPIPE, SIG_IGN);
    make_request(model, varies);
    conns = calloc((size_t)conn_count, sizeof *conns);
    idle_stack = calloc((size_t)conn_count, sizeof *idle_stack);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (!conns || !idle_stack) abort();

    int opened = 0;
    const uint64_t began = now_ns();
    uint64_t next_due = began, measured_at = 0, opened_at = 0, warm_at = began + warmup_ns;
    struct epoll_event ev[256];
    for (;;) {
        /* Connections are opened some per turn, so that the answers in between are read;
         * streams at 1,000 per second, so that their first-event times mean something. */
        int opens = mode == STREAMS ? now_ns() - opened_at >= 1000000 : 32;
        for (int i = 0; i < opens && opened < conn_count; i++, opened++) {
            if (connect_one(&conns[opened]) < 0) return 1;
            opened_at = now_ns();
            if (rate) idle_stack[idle_len++] = opened;
            else start(&conns[opened], now_ns());
        }
        uint64_t now = now_ns();
        if (count_max) {
            if (finished >= count_max) break;
            if (now - began > 300000000000u) { fprintf(stderr, "load: too slow\n"); return 1; }
        }
        if (!measuring && !count_max && opened == conn_count && now >= warm_at
            && (mode == REQUESTS || ready >= (uint64_t)conn_count)) {
            measuring = 1;
            measured_at = now;
            printf("{\"measuring\":true}\n");
            fflush(stdout);
        }
        if (!measuring && !count_max && now - began > 60000000000u) {
            fprintf(stderr, "load: %llu of %d are up after 60 s\n", (unsigned long long)ready,
                    conn_count);
            return 1;
        }
        if (measuring && now - measured_at >= duration_ns) break;
        int64_t wait = opened == conn_count ? 5000000 : mode == STREAMS ? 200000 : 0;
        if (rate && opened == conn_count) {
            while (next_due <= now && idle_len) {
                /* Behind schedule the wait for a free connection is part of the latency. */
                start(&conns[idle_stack[--idle_len]], now - next_due > 200000 ? next_due : now);
                next_due += 1000000000u / rate;
            }
            if (next_due <= now) behind += (uint64_t)measuring;
            else if ((int64_t)(next_due - now) < wait) wait = (int64_t)(next_due - now);
        } else if (rate) next_due = now;
        struct timespec t = { .tv_sec = 0, .tv_nsec = wait };
        int n = epoll_pwait2(ep, ev, 256, &t, NULL);
        for (int i = 0; i < n; i++) readable(&conns[ev[i].data.u32]);
    }
    double seconds = (double)(now_ns() - (measured_at ? measured_at : began)) / 1e9;
    printf("{\"seconds\":%.3f,\"answers\":%llu,\"finished\":%llu,\"events\":%llu,"
           "\"bytes_in\":%llu,\"errors\":%llu,\"reconnects\":%llu,\"behind\":%llu", seconds,
           (unsigned long long)answers, (unsigned long long)finished, (unsigned long long)events,
           (unsigned long long)bytes_in, (unsigned long long)errors,
           (unsigned long long)reconnects, (unsigned long long)behind);
    print_histogram("latency_us", &latency);
    print_histogram("first_event_us", &first_event);
    print_histogram("event_age_us", &event_age);
    printf("}\n");
    return errors > 0 ? 3 : 0;
}
