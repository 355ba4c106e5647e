/* stub: the upstream of the comparison benchmark.
 *
 * One thread, one epoll, a handful of system calls per request, so that the proxy under
 * test is always the dearer side. It answers
 *
 *   POST, body without "stream":true   a fixed 600-byte JSON completion
 *   POST, body with "stream":true      chunked server-sent events of about 220 bytes: the
 *                                      first at once, then one every --interval-us from a
 *                                      random phase (0 = as fast as the peer reads), then
 *                                      `data: [DONE]` after --events (0 = never)
 *   GET /v1/models /metrics /version   what a gateway asks of a vLLM replica
 *   GET anything else                  200, empty
 *
 * Each event carries CLOCK_MONOTONIC at its writing (19 digits, ns) as content, so that the
 * load generator on the same machine can tell how long it was under way.
 *
 * usage: stub --listen PORT [--listen PORT]... [--interval-us N] [--events N] [--batch N]
 * Prints one line when it listens; ends on SIGTERM.
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
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536, IN_MAX = 16384, BATCH_MAX = 64, EVENT_MAX = 320 };

enum body { BODY_HEAD, BODY_LENGTH, BODY_CHUNK_SIZE, BODY_CHUNK_DATA, BODY_CHUNK_END,
            BODY_TRAILER };

struct conn {
    int fd, listener, streaming, wants_stream, is_get, blocked, due_slot;
    enum body body;
    uint64_t left;             /* bytes left of the body or of the chunk */
    uint64_t due, sent_events; /* of the stream */
    size_t in_len, out_len, out_off;
    char path[64];
    char in[IN_MAX];
    char out[BATCH_MAX * EVENT_MAX + 256];
};

static struct conn *conns[FDS_MAX];
static int ep;
static uint64_t interval_ns, events_max;
static int batch = 1;
static volatile sig_atomic_t stopping;

/* A heap of streams by their next due time. */
static struct conn *heap[FDS_MAX];
static int heap_len;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void heap_set(int i, struct conn *c) { heap[i] = c; c->due_slot = i; }

static void heap_up(int i) {
    struct conn *c = heap[i];
    while (i > 0 && heap[(i - 1) / 2]->due > c->due) {
        heap_set(i, heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(i, c);
}

static void heap_down(int i) {
    struct conn *c = heap[i];
    for (;;) {
        int k = 2 * i + 1;
        if (k >= heap_len) break;
        if (k + 1 < heap_len && heap[k + 1]->due < heap[k]->due) k++;
        if (heap[k]->due >= c->due) break;
        heap_set(i, heap[k]);
        i = k;
    }
    heap_set(i, c);
}

static void heap_push(struct conn *c) { heap_set(heap_len, c); heap_up(heap_len++); }

static void heap_remove(struct conn *c) {
    int i = c->due_slot;
    if (i < 0) return;
    c->due_slot = -1;
    struct conn *last = heap[--heap_len];
    if (last == c) return;
    heap_set(i, last);
    heap_up(i);
    heap_down(last->due_slot);
}

static void drop(struct conn *c) {
    heap_remove(c);
    close(c->fd);
    conns[c->fd] = NULL;
    free(c);
}

/* Writes what is left of the output. Returns -1 when the peer is gone. */
static int flush_out(struct conn *c) {
    while (c->out_off < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) { c->blocked = 1; return 0; }
            if (errno == EINTR) continue;
            return -1;
        }
        c->out_off += (size_t)n;
    }
    c->out_len = c->out_off = 0;
    c->blocked = 0;
    return 0;
}

static void put(struct conn *c, const char *bytes, size_t n) {
    if (c->out_len + n > sizeof c->out) abort(); /* sized for the largest batch */
    memcpy(c->out + c->out_len, bytes, n);
    c->out_len += n;
}

static void put_answer(struct conn *c, const char *type, const char *body, size_t n) {
    char head[160];
    int h = snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\nserver: stub\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n",
        type, n);
    put(c, head, (size_t)h);
    put(c, body, n);
}

static char answer[601];

static void make_answer(void) {
    int n = snprintf(answer, sizeof answer,
        "{\"id\":\"chatcmpl-0000000000000000\",\"object\":\"chat.completion\","
        "\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":"
        "{\"role\":\"assistant\",\"content\":\"");
    static const char tail[] =
        "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":60,"
        "\"total_tokens\":160,\"completion_tokens\":100}}";
    memset(answer + n, 'x', 600 - (size_t)n - (sizeof tail - 1));
    memcpy(answer + 600 - (sizeof tail - 1), tail, sizeof tail - 1);
}

static void put_event(struct conn *c) {
    char data[EVENT_MAX], chunk[EVENT_MAX + 16];
    int n;
    if (events_max && c->sent_events == events_max) {
        n = snprintf(data, sizeof data, "data: [DONE]\n\n");
    } else {
        n = snprintf(data, sizeof data,
            "data: {\"id\":\"chatcmpl-0000000000000000\",\"object\":\"chat.completion.chunk\","
            "\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":"
            "{\"content\":\"%019llu\"},\"logprobs\":null,\"finish_reason\":null,"
            "\"token_ids\":null}]}\n\n", (unsigned long long)now_ns());
    }
    int k = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", n, data);
    put(c, chunk, (size_t)k);
    if (events_max && c->sent_events == events_max) {
        put(c, "0\r\n\r\n", 5);
        c->streaming = 0;
    }
    c->sent_events++;
}

/* One write of a flooded stream, then the other streams' turn: as an engine does, whose
 * every step has an event for each running request. Many writes in a row to one stream would
 * instead measure how the scheduler cuts time: from one run to the next the same proxy would
 * read 1 event at a time or 10. */
static int flood(struct conn *c) {
    if (flush_out(c) < 0) return -1;
    if (c->blocked || !c->streaming) return 0;
    for (int i = 0; i < batch && c->streaming; i++) put_event(c);
    if (flush_out(c) < 0) return -1;
    if (!c->blocked && c->streaming && c->due_slot < 0) {
        c->due = now_ns();
        heap_push(c);
    }
    return 0;
}

static int respond(struct conn *c) {
    if (c->is_get) {
        static const char models[] =
            "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\","
            "\"created\":1700000000,\"owned_by\":\"stub\",\"root\":\"bench\",\"parent\":null,"
            "\"max_model_len\":4096}]}";
        static const char metrics[] =
            "# TYPE vllm:num_requests_running gauge\n"
            "vllm:num_requests_running{engine=\"0\",model_name=\"bench\"} 1.0\n"
            "# TYPE vllm:num_requests_waiting gauge\n"
            "vllm:num_requests_waiting{engine=\"0\",model_name=\"bench\"} 0.0\n"
            "# TYPE vllm:kv_cache_usage_perc gauge\n"
            "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"bench\"} 0.1\n";
        if (!strcmp(c->path, "/v1/models"))
            put_answer(c, "application/json", models, sizeof models - 1);
        else if (!strcmp(c->path, "/metrics"))
            put_answer(c, "text/plain; version=0.0.4", metrics, sizeof metrics - 1);
        else if (!strcmp(c->path, "/version"))
            put_answer(c, "application/json", "{\"version\":\"0.23.0\"}", 20);
        else
            put_answer(c, "application/json", "", 0);
        return flush_out(c);
    }
    if (!c->wants_stream) {
        put_answer(c, "application/json", answer, 600);
        return flush_out(c);
    }
    static const char head[] =
        "HTTP/1.1 200 OK\r\nserver: stub\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        "transfer-encoding: chunked\r\n\r\n";
    put(c, head, sizeof head - 1);
    c->streaming = 1;
    c->sent_events = 0;
    put_event(c);
    if (flush_out(c) < 0) return -1;
    if (!interval_ns) return flood(c);
    if (c->streaming) {
        c->due = now_ns() + (uint64_t)rand() % interval_ns;
        heap_push(c);
    }
    return 0;
}

static int field_is(const char *line, const char *name, size_t n) {
    return !strncasecmp(line, name, n);
}

/* Reads the head in c->in[0, end). */
static void read_head(struct conn *c, size_t end) {
    c->is_get = !memcmp(c->in, "GET ", 4) || !memcmp(c->in, "HEAD", 4);
    c->wants_stream = 0;
    c->left = 0;
    c->body = BODY_LENGTH;
    const char *p = memchr(c->in, ' ', end), *stop = c->in + end;
    size_t k = 0;
    for (p = p ? p + 1 : stop; p < stop && *p != ' ' && *p != '?' && k < sizeof c->path - 1; p++)
        c->path[k++] = *p;
    c->path[k] = 0;
    for (p = c->in; (p = memchr(p, '\n', (size_t)(stop - p))) && ++p < stop;) {
        if (field_is(p, "content-length:", 15)) c->left = strtoull(p + 15, NULL, 10);
        if (field_is(p, "transfer-encoding:", 18)) c->body = BODY_CHUNK_SIZE;
    }
}

/* Consumes requests from the input. Returns -1 when the connection must end. */
static int consume(struct conn *c) {
    size_t at = 0;
    for (;;) {
        char *p = c->in + at;
        size_t n = c->in_len - at;
        int done = 0;
        if (n == 0 && !(c->body == BODY_LENGTH && c->left == 0)) break;
        switch (c->body) {
        case BODY_HEAD: {
            char *e = memmem(p, n, "\r\n\r\n", 4);
            if (!e) goto more;
            if (at) { memmove(c->in, p, n); c->in_len = n; e -= at; at = 0; }
            size_t end = (size_t)(e + 4 - c->in);
            read_head(c, end);
            at = end;
            continue;
        }
        case BODY_LENGTH:
        case BODY_CHUNK_DATA: {
            size_t take = n < c->left ? n : (size_t)c->left;
            if (memmem(p, take, "\"stream\":true", 13) || memmem(p, take, "\"stream\": true", 14))
                c->wants_stream = 1;
            c->left -= take;
            at += take;
            if (c->left) goto more;
            if (c->body == BODY_LENGTH) done = 1; else c->body = BODY_CHUNK_END;
            break;
        }
        case BODY_CHUNK_END:
        case BODY_CHUNK_SIZE:
        case BODY_TRAILER: {
            char *e = memchr(p, '\n', n);
            if (!e) goto more;
            size_t line = (size_t)(e + 1 - p);
            at += line;
            if (c->body == BODY_CHUNK_END) c->body = BODY_CHUNK_SIZE;
            else if (c->body == BODY_TRAILER) done = line <= 2;
            else {
                c->left = strtoull(p, NULL, 16);
                c->body = c->left ? BODY_CHUNK_DATA : BODY_TRAILER;
            }
            break;
        }
        }
        if (done) {
            c->body = BODY_HEAD;
            if (respond(c) < 0) return -1;
        }
    }
more:
    if (at) { memmove(c->in, c->in + at, c->in_len - at); c->in_len -= at; }
    return c->in_len == IN_MAX ? -1 : 0;
}

static int readable(struct conn *c) {
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->in_len, IN_MAX - c->in_len, 0);
        if (n == 0) return -1;
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? 0 : -1;
        }
        size_t room = IN_MAX - c->in_len;
        c->in_len += (size_t)n;
        if (consume(c) < 0) return -1;
        if ((size_t)n < room) return 0;
    }
}

static void accept_all(int listener) {
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (fd >= FDS_MAX) { close(fd); continue; }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c) abort();
        c->fd = fd;
        c->due_slot = -1;
        conns[fd] = c;
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd };
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}

/* Sends what is due; returns the nanoseconds until the next, or -1. */
static int64_t run_due(void) {
    uint64_t now = now_ns();
    while (heap_len && heap[0]->due <= now) {
        struct conn *c = heap[0];
        heap_remove(c);
        if (!interval_ns) {
            if (flood(c) < 0) drop(c);
            if (heap_len && heap[0]->due > now) break;
            continue;
        }
        c->due += interval_ns;
        if (!c->blocked) put_event(c); /* a reader that lags loses events, not memory */
        if (flush_out(c) < 0) { drop(c); continue; }
        if (c->streaming) heap_push(c);
    }
    if (!heap_len) return -1;
    now = now_ns();
    return heap[0]->due <= now ? 0 : (int64_t)(heap[0]->due - now);
}

static void on_term(int s) { (void)s; stopping = 1; }

int main(int argc, char **argv) {
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    prctl(PR_SET_TIMERSLACK, 1UL);
    signal(SIGTERM, on_term);
    signal(SIGINT, on_term);
    make_answer();
    ep = epoll_create1(EPOLL_CLOEXEC);
    int listeners = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        long v = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--interval-us")) interval_ns = (uint64_t)v * 1000;
        else if (!strcmp(argv[i], "--events")) events_max = (uint64_t)v;
        else if (!strcmp(argv[i], "--batch")) batch = v < 1 ? 1 : v > BATCH_MAX ? BATCH_MAX : (int)v;
        else if (!strcmp(argv[i], "--listen")) {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
            struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)v),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
            if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) {
                fprintf(stderr, "stub: port %ld: %s\n", v, strerror(errno));
                return 1;
            }
            struct conn *c = calloc(1, sizeof *c);
            if (!c) abort();
            c->fd = fd;
            c->listener = 1;
            c->due_slot = -1;
            conns[fd] = c;
            struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
            epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
            listeners++;
        } else { fprintf(stderr, "stub: unknown flag %s\n", argv[i]); return 2; }
    }
    if (!listeners) { fprintf(stderr, "usage: stub --listen PORT ...\n"); return 2; }
    printf("stub ready\n");
    fflush(stdout);
    struct epoll_event events[256];
    while (!stopping) {
        int64_t wait = run_due();
        struct timespec t = { .tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000 };
        int n = epoll_pwait2(ep, events, 256, wait < 0 ? NULL : &t, NULL);
        for (int i = 0; i < n; i++) {
            struct conn *c = conns[events[i].data.fd];
            if (!c) continue;
            if (c->listener) { accept_all(c->fd); continue; }
            int gone = 0;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) gone = readable(c) < 0;
            if (!gone && c->blocked && (events[i].events & EPOLLOUT)) {
                if (c->streaming && !interval_ns && c->due_slot < 0) gone = flood(c) < 0;
                else gone = flush_out(c) < 0;
            }
            if (gone) drop(c);
        }
    }
    return 0;
}
