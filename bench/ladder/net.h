/*
 * What echo.c and relay.c have in common: listening on loopback, accepting, and a byte buffer that grows to a bound.
 *
 * Both programs are one thread and one epoll set. Connections are registered once, edge-triggered, for everything, so that
 * neither a blocked write nor its end costs an epoll_ctl. Two consequences, honoured by whoever includes this:
 *   - a read that filled its buffer may have left bytes behind without a further edge: net_rearm() asks for one;
 *   - a write that was refused (EAGAIN) is followed by an edge, one that was short is tried again until it is refused.
 */
#ifndef LADDER_NET_H
#define LADDER_NET_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NET_EVENTS = 512, NET_ACCEPTS_PER_TURN = 128, NET_RECEIVE_BYTES = 64 * 1024 };

#define NET_CONNECTION_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define NET_END_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* Bytes [begin, end) of data are waiting. Grows by doubling, up to what the caller allows; kept for the connection's life. */
struct buffer {
    uint8_t *data;
    size_t begin, end, capacity;
};

static inline size_t buffer_count(const struct buffer *b)
{
    return b->end - b->begin;
}

static inline void buffer_free(struct buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* Room for count more bytes at data + end; the caller advances end by what it wrote. */
static inline uint8_t *buffer_room(struct buffer *b, size_t count)
{
    if (b->capacity - b->end < count) {
        size_t waiting = buffer_count(b);
        if (b->begin != 0) {
            memmove(b->data, b->data + b->begin, waiting);
            b->begin = 0;
            b->end = waiting;
        }
        if (b->capacity - b->end < count) {
            size_t capacity = b->capacity ? b->capacity : 4096;
            while (capacity - b->end < count) capacity *= 2;
            b->data = realloc(b->data, capacity);
            if (!b->data) fail("realloc");
            b->capacity = capacity;
        }
    }
    return b->data + b->end;
}

static inline void buffer_append(struct buffer *b, const void *bytes, size_t count)
{
    memcpy(buffer_room(b, count), bytes, count);
    b->end += count;
}

/* Writes until the buffer is empty (1), the kernel takes no more now (0), or the connection is broken (-1). */
static inline int buffer_send(struct buffer *b, int fd)
{
    while (b->begin < b->end) {
        ssize_t sent = send(fd, b->data + b->begin, b->end - b->begin, MSG_NOSIGNAL);
        if (sent > 0) b->begin += (size_t)sent;
        else if (errno == EAGAIN) return 0;
        else if (errno != EINTR) return -1;
    }
    b->begin = b->end = 0;
    return 1;
}

static void net_watch(int epoll, int operation, int fd, uint32_t events, void *tag)
{
    struct epoll_event event = { .events = events, .data.ptr = tag };
    if (epoll_ctl(epoll, operation, fd, &event) < 0) fail("epoll_ctl");
}

/* Asks for an edge although nothing new may have come. */
static inline void net_rearm(int epoll, int fd, void *tag)
{
    net_watch(epoll, EPOLL_CTL_MOD, fd, NET_CONNECTION_EVENTS, tag);
}

/* A connection of this listener, non-blocking and without Nagle's delay; -1 when none waits (or none can be had now). */
static inline int net_accept(int listener)
{
    int fd;
    do fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        if (errno != EAGAIN && errno != EMFILE && errno != ENFILE) fail("accept4");
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    return fd;
}

static volatile sig_atomic_t net_stopped;

static void net_on_signal(int number)
{
    (void)number;
    net_stopped = 1;
}

/* Listens on 127.0.0.1:port (0: a free one), says "listening PORT", and registers the listener, level-triggered, with tag NULL. */
static int net_listen(int epoll, uint16_t port)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct sigaction action = { .sa_handler = net_on_signal };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(listener, 4096) < 0) fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
    net_watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    printf("listening %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* The value behind an option, as in --port 0; NULL when it is not there. */
static const char *option(int count, char **arguments, const char *name)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(arguments[i], name) == 0) return arguments[i + 1];
    return NULL;
}

static uint16_t option_port(int count, char **arguments)
{
    const char *text = option(count, arguments, "--port");
    char *end;
    unsigned long port = text ? strtoul(text, &end, 10) : 0;
    if (text && (*text == 0 || *end != 0 || port > 65535)) {
        fprintf(stderr, "--port: '%s' is no port\n", text);
        exit(2);
    }
    return (uint16_t)port;
}

#endif
