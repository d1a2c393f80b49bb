/*
 * The ladder's lowest rung: every byte back to where it came from. One thread, edge-triggered epoll, one receive and one send
 * a connection and turn. What the kernel does not take is kept (at most one receive), and the connection is not read until it
 * is gone. There is nothing between the socket and the program, so nothing that echoes over epoll can do with less.
 *
 *   echo [--port N]       says "listening PORT"; SIGTERM ends it
 */
#include "net.h"

struct connection {
    int fd;
    struct buffer unsent;
};

static int epoll;
static uint8_t received[NET_RECEIVE_BYTES];

static void drop(struct connection *c)
{
    close(c->fd);
    buffer_free(&c->unsent);
    free(c);
}

static void on_accept(int listener)
{
    for (int i = 0; i < NET_ACCEPTS_PER_TURN; i++) {
        int fd = net_accept(listener);
        if (fd < 0) return;
        struct connection *c = calloc(1, sizeof *c);
        if (!c) fail("calloc");
        c->fd = fd;
        net_watch(epoll, EPOLL_CTL_ADD, fd, NET_CONNECTION_EVENTS, c);
    }
}

/* Sends count bytes and keeps what is not taken. False: the connection is broken. */
static bool send_back(struct connection *c, size_t count)
{
    size_t sent = 0;
    while (sent < count) {
        ssize_t taken = send(c->fd, received + sent, count - sent, MSG_NOSIGNAL);
        if (taken > 0) {
            sent += (size_t)taken;
        } else if (errno == EAGAIN) {
            buffer_append(&c->unsent, received + sent, count - sent);
            return true;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void on_event(struct connection *c, uint32_t events)
{
    if (buffer_count(&c->unsent) > 0) {
        int result = buffer_send(&c->unsent, c->fd);
        if (result < 0) drop(c);
        if (result <= 0) return;
    }

    ssize_t count;
    do {
        count = recv(c->fd, received, sizeof received, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) || (count > 0 && !send_back(c, (size_t)count))) {
            drop(c);
            return;
        }
        /* The peer's end makes no second edge, so it is read up to at once. */
    } while ((count > 0 && (events & NET_END_EVENTS) && buffer_count(&c->unsent) == 0) || (count < 0 && errno == EINTR));
    if (count == (ssize_t)sizeof received) net_rearm(epoll, c->fd, c);
}

int main(int count, char **arguments)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail("epoll_create1");
    int listener = net_listen(epoll, option_port(count, arguments));
    struct epoll_event events[NET_EVENTS];
    while (!net_stopped) {
        int ready = epoll_wait(epoll, events, NET_EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events);
            else on_accept(listener);
        }
    }
    return 0;
}
