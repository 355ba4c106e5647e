#ifndef SLUICE_CLINUX_H
#define SLUICE_CLINUX_H

// What Swift's Glibc module leaves out of Linux: epoll with a plain 64-bit token, accept4, eventfd,
// timerfd, signalfd, TCP_INFO, CPU affinity. Each function is one system call (or a handful of
// setsockopt) and returns what the call returns; errno is left for the caller.

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

/// epoll_create1(2) with EPOLL_CLOEXEC.
int sluice_epoll_create(void);
/// epoll_ctl(2), EPOLL_CTL_ADD / MOD / DEL.
int sluice_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int sluice_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token);
int sluice_epoll_remove(int epoll, int fd);

static inline uint64_t sluice_event_token(const struct epoll_event *event) { return event->data.u64; }
static inline uint32_t sluice_event_bits(const struct epoll_event *event) { return event->events; }

/// epoll_wait(2), recv(2) and send(2) without being points where pthread_cancel(3) acts: nobody
/// cancels a thread here, and the C library's two locked instructions around each such call are
/// a third of its cost in user mode.
int sluice_epoll_wait(int epoll, struct epoll_event *events, int max, int milliseconds);
ssize_t sluice_receive(int fd, void *bytes, size_t count, int flags);
ssize_t sluice_send(int fd, const void *bytes, size_t count, int flags);

/// accept4(2) with SOCK_NONBLOCK | SOCK_CLOEXEC.
int sluice_accept(int listener, struct sockaddr_storage *peer, socklen_t *length);
/// socket(2), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC.
int sluice_stream_socket(int family);
/// eventfd(2), non-blocking, close-on-exec.
int sluice_eventfd(void);
/// timerfd_create(2) of CLOCK_MONOTONIC, non-blocking, close-on-exec.
int sluice_timerfd(void);
/// timerfd_settime(2): fires once, at this time of CLOCK_MONOTONIC.
int sluice_timerfd_set(int fd, int64_t nanoseconds);
/// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 in the calling thread (and those it starts),
/// ignores SIGPIPE, and returns a signalfd(2) that delivers them.
int sluice_signalfd(void);
/// The next signal's number from a signalfd, 0 when there is none.
int sluice_signalfd_read(int fd);

/// What TCP_INFO says that Sluice uses; all zero when the call fails.
struct sluice_tcp_info {
    uint64_t bytes_acked;
    uint64_t bytes_received;
    uint32_t rtt_microseconds;
    uint32_t unacked_segments;
    uint32_t not_sent_bytes;
    uint8_t state;
};
/// getsockopt(2) TCP_INFO; 0 on success. Source: tcp(7), linux/tcp.h.
int sluice_stream_info(int fd, struct sluice_tcp_info *info);

/// TCP_NODELAY, SO_KEEPALIVE (15 s, 3 probes 5 s apart), TCP_USER_TIMEOUT.
void sluice_tune_stream(int fd, unsigned user_timeout_ms);
/// TCP_NOTSENT_LOWAT: how much unsent data the kernel takes before the socket reads as full.
void sluice_not_sent_low_water(int fd, unsigned bytes);
/// SO_ERROR of a socket, 0 when none; -1 when getsockopt(2) fails.
int sluice_socket_error(int fd);
/// SO_LINGER with zero: close(2) then sends a reset.
void sluice_reset_on_close(int fd);

/// Names the calling thread: pthread_setname_np(3).
void sluice_name_thread(const char *name);
/// Joins a thread that ends within the limit, detaches it otherwise; returns
/// pthread_timedjoin_np(3)'s code, 0 or ETIMEDOUT.
int sluice_join_thread(pthread_t thread, int64_t limit_ns);

/// Raises RLIMIT_NOFILE to `wanted` as far as the hard limit goes, and never lowers it; returns what
/// is in force. Source: getrlimit(2).
long sluice_raise_descriptor_limit(long wanted);
/// Makes the kernel's table large enough for `count` descriptors, with the help of one open one.
/// fcntl(2), F_DUPFD_CLOEXEC.
void sluice_grow_descriptor_table(int fd, int count);

/// From `bytes` on malloc(3) gets memory from the kernel and gives it back when it is freed:
/// mallopt(3), M_MMAP_THRESHOLD.
void sluice_map_large_allocations(int bytes);

/// CPUs this process may run on: sched_getaffinity(2).
int sluice_cpu_count(void);
/// Pins the calling thread to its n-th allowed CPU; 0 on success.
int sluice_pin_to_cpu(int n);

/// User and system time of this process in microseconds: getrusage(2).
void sluice_cpu_time(uint64_t *user, uint64_t *system);
/// CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds.
int64_t sluice_monotonic_nanoseconds(void);
int64_t sluice_realtime_nanoseconds(void);

#endif
