/*
 * The ladder's measure: what a good C programmer gets out of the gateway's frames without its promises. It logs devices in and
 * relays send → accepted + deliver, acknowledge → receipt, in the bytes of PROTOCOL.md. One thread, edge-triggered epoll; what
 * a turn has to say to a connection goes out in one send at the turn's end.
 *
 *   relay --secret FILE [--port N]       says "listening PORT"; SIGTERM ends it
 *
 * What it leaves out, and the gateway does:
 *   - durability: nothing is written anywhere; a message for a device that is not connected is refused for now (NodeFull),
 *     and what a device has not acknowledged when its connection ends is forgotten;
 *   - the device's proof is not looked at (the node's is computed, since devices check it), keys have no epochs, and each
 *     login gets a new incarnation;
 *   - send windows, so a resend is delivered again;
 *   - credit, redelivery, timeouts, reject, read receipts, ephemeral frames, error frames: a frame it does not know, or a
 *     malformed one, closes the connection without a word.
 * What it keeps, because a relay that did not would not be one: every frame's length and type are checked, addresses are looked
 * up, a mailbox has one rising sequence and each entry names the one before, unacknowledged messages are remembered (their
 * origin, not their body) so that an acknowledge can be turned into receipts, a second login takes the first one's place, and
 * nothing grows without bound: a slow reader is not read from, and messages to it are refused for now, after which a session's
 * later ones (to anybody, which is stricter than it needs to be) are held back until the first comes again.
 */
#include "net.h"
#include "sha256.h"

#include <endian.h>
#include <sys/random.h>
#include <time.h>

enum {
    HEADER = 4,
    MAX_BODY = 65536,
    MAX_PAYLOAD = MAX_BODY + 44,
    MAX_UNSENT = 1 << 20,
    MAX_UNACKNOWLEDGED = 1024,
    MAX_MAILBOXES = 1 << 20,
    MAX_RECEIPT_NUMBERS = 64,
    IDLE_TIMEOUT_MS = 300000,
};

enum frame {
    HELLO = 0x01, CHALLENGE = 0x02, AUTHENTICATE = 0x03, WELCOME = 0x04,
    SEND = 0x10, ACCEPTED = 0x11, REFUSED = 0x12, DELIVER = 0x13, ACKNOWLEDGE = 0x14, RECEIPT = 0x16,
    PING = 0x20, PONG = 0x21, CREDIT = 0x22,
};

enum { REASON_NODE_FULL = 1, REASON_HELD_FOR_ORDER = 2, REASON_BODY_TOO_LARGE = 259, REASON_UNSUPPORTED_KIND = 260, RECEIPT_DELIVERED = 1 };

enum phase { AWAIT_HELLO, AWAIT_AUTHENTICATE, ESTABLISHED, CLOSED };

/* A message that was delivered and not acknowledged: whom to tell. */
struct entry {
    uint64_t sequence, number;
    struct mailbox *sender;
    uint32_t incarnation;
};

/* entries: a ring of a power of two; first and next count up for ever, the difference is what is unacknowledged. */
struct mailbox {
    uint64_t address, sequence;
    struct connection *connection;
    struct entry *entries;
    uint32_t first, next, capacity, incarnation, session;
};

struct connection {
    int fd;
    enum phase phase;
    bool dirty, blocked, paused;
    struct mailbox *mailbox;
    uint64_t held_from; /* the lowest number refused for now that has not come again; 0: none */
    struct connection *next_closed;
    struct buffer partial, unsent;
    uint8_t nonces[32];
};

static int epoll;
static uint8_t secret[SHA256_BYTES];
static struct timespec now;

/* A partial frame is put in front of what follows it, so that every frame is parsed where it lies, in one piece. */
static uint8_t received[HEADER + MAX_PAYLOAD + NET_RECEIVE_BYTES];

/* What has something to say at the turn's end. Grown with the connections, so it always has room for each of them once. */
static struct connection **dirty;
static size_t dirty_count, dirty_capacity, open_count;

/* Freed at the turn's end: an event of this turn may still name them. */
static struct connection *closed;

/* Little-endian fields at any alignment; compilers make single moves of these. */
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return le64toh(v); }
static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return le32toh(v); }
static void put64(uint8_t *p, uint64_t v) { v = htole64(v); memcpy(p, &v, 8); }
static void put32(uint8_t *p, uint32_t v) { v = htole32(v); memcpy(p, &v, 4); }

/* ---- mailboxes: open addressing, never removed from ---- */

static struct mailbox **slots;
static uint32_t slot_mask, mailbox_count;

static uint32_t slot_of(uint64_t address)
{
    return (uint32_t)((address * 0x9E3779B97F4A7C15u) >> 32) & slot_mask;
}

static struct mailbox *find_mailbox(uint64_t address)
{
    for (uint32_t i = slot_of(address);; i = (i + 1) & slot_mask)
        if (!slots[i] || slots[i]->address == address) return slots[i];
}

static void put_mailbox(struct mailbox *m)
{
    uint32_t i = slot_of(m->address);
    while (slots[i]) i = (i + 1) & slot_mask;
    slots[i] = m;
}

static void make_slots(uint32_t count)
{
    struct mailbox **old = slots;
    uint32_t old_count = old ? slot_mask + 1 : 0;
    slots = calloc(count, sizeof *slots);
    if (!slots) fail("calloc");
    slot_mask = count - 1;
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i]) put_mailbox(old[i]);
    free(old);
}

/* NULL: there are too many. */
static struct mailbox *find_or_add_mailbox(uint64_t address)
{
    struct mailbox *m = find_mailbox(address);
    if (m || mailbox_count == MAX_MAILBOXES) return m;
    if (2 * ++mailbox_count > slot_mask) make_slots(2 * (slot_mask + 1));
    m = calloc(1, sizeof *m);
    if (!m) fail("calloc");
    m->address = address;
    /* As the gateway's: of a clock, so that a relay started anew goes on above the old one. */
    m->sequence = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    put_mailbox(m);
    return m;
}

static bool remember(struct mailbox *m, struct entry e)
{
    if (m->next - m->first == m->capacity) {
        if (m->capacity == MAX_UNACKNOWLEDGED) return false;
        uint32_t capacity = m->capacity ? 2 * m->capacity : 16;
        struct entry *entries = malloc(capacity * sizeof *entries);
        if (!entries) fail("malloc");
        for (uint32_t i = m->first; i != m->next; i++) entries[i & (capacity - 1)] = m->entries[i & (m->capacity - 1)];
        free(m->entries);
        m->entries = entries;
        m->capacity = capacity;
    }
    m->entries[m->next++ & (m->capacity - 1)] = e;
    return true;
}

/* ---- connections ---- */

/* Room for a frame of this type and payload; the payload is returned, to be filled in at once. */
static uint8_t *write_frame(struct connection *c, enum frame type, uint32_t payload_bytes)
{
    uint8_t *frame = buffer_room(&c->unsent, HEADER + payload_bytes);
    c->unsent.end += HEADER + payload_bytes;
    put32(frame, payload_bytes | (uint32_t)type << 24);
    if (!c->dirty) {
        c->dirty = true;
        dirty[dirty_count++] = c;
    }
    return frame + HEADER;
}

static void drop(struct connection *c)
{
    if (c->phase == CLOSED) return;
    c->phase = CLOSED;
    if (c->mailbox) {
        c->mailbox->connection = NULL;
        c->mailbox->first = c->mailbox->next;
    }
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->next_closed = closed;
    closed = c;
}

static void free_closed(void)
{
    while (closed) {
        struct connection *c = closed;
        closed = c->next_closed;
        close(c->fd);
        buffer_free(&c->partial);
        buffer_free(&c->unsent);
        free(c);
        open_count--;
    }
}

static void on_accept(int listener)
{
    for (int i = 0; i < NET_ACCEPTS_PER_TURN; i++) {
        int fd = net_accept(listener);
        if (fd < 0) return;
        if (++open_count > dirty_capacity) {
            dirty_capacity = dirty_capacity ? 2 * dirty_capacity : 1024;
            dirty = realloc(dirty, dirty_capacity * sizeof *dirty);
            if (!dirty) fail("realloc");
        }
        struct connection *c = calloc(1, sizeof *c);
        if (!c) fail("calloc");
        c->fd = fd;
        net_watch(epoll, EPOLL_CTL_ADD, fd, NET_CONNECTION_EVENTS, c);
    }
}

/* ---- frames; each answers whether the connection may stay ---- */

static bool on_hello(struct connection *c, const uint8_t *p, uint32_t count)
{
    if (count != 28 || memcmp(p, "GWY1", 4) != 0 || p[4] > 1 || p[5] < 1) return false;
    memcpy(c->nonces, p + 12, 16);
    if (getrandom(c->nonces + 16, 16, 0) != 16) fail("getrandom");
    uint8_t *w = write_frame(c, CHALLENGE, 24);
    put32(w, 1);
    put32(w + 4, 0);
    memcpy(w + 8, c->nonces + 16, 16);
    c->phase = AWAIT_AUTHENTICATE;
    return true;
}

static void device_key(uint64_t address, uint32_t epoch, uint8_t key[SHA256_BYTES])
{
    uint8_t message[21 + 8 + 4];
    memcpy(message, "gateway device key v1", 21);
    put64(message + 21, address);
    put32(message + 29, epoch);
    hmac_sha256(secret, message, sizeof message, key);
}

static bool on_authenticate(struct connection *c, const uint8_t *p, uint32_t count)
{
    if (count != 64) return false;
    struct mailbox *m = find_or_add_mailbox(get64(p));
    if (!m) return false;
    if (m->connection) {
        struct connection *older = m->connection;
        drop(older);
        older->mailbox = NULL;
    }
    m->connection = c;
    m->incarnation++;
    c->mailbox = m;
    c->phase = ESTABLISHED;

    uint8_t key[SHA256_BYTES], proof[SHA256_BYTES], message[21 + 32 + 48];
    uint8_t *w = write_frame(c, WELCOME, 80);
    put32(w, ++m->session);
    put32(w + 4, m->incarnation);
    put64(w + 8, 1);
    put64(w + 16, 0);
    put64(w + 24, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    put32(w + 32, 1);
    put32(w + 36, MAX_BODY);
    put32(w + 40, IDLE_TIMEOUT_MS);
    put32(w + 44, 0);
    memcpy(message, "gateway node proof v1", 21);
    memcpy(message + 21, c->nonces, 32);
    memcpy(message + 53, w, 48);
    device_key(m->address, get32(p + 8), key);
    hmac_sha256(key, message, sizeof message, proof);
    memcpy(w + 48, proof, sizeof proof);
    return true;
}

static bool refuse(struct connection *c, uint64_t number, uint32_t reason, uint32_t retry_after_ms)
{
    uint8_t *w = write_frame(c, REFUSED, 16);
    put64(w, number);
    put32(w + 8, reason);
    put32(w + 12, retry_after_ms);
    return true;
}

static bool on_send(struct connection *c, const uint8_t *p, uint32_t count)
{
    if (count < 32) return false;
    uint64_t number = get64(p + 8);
    uint32_t body_bytes = count - 32;
    if (number == 0) return false;
    if (body_bytes > MAX_BODY) return refuse(c, number, REASON_BODY_TOO_LARGE, 0);
    if (p[28] != 0) return refuse(c, number, REASON_UNSUPPORTED_KIND, 0);

    if (c->held_from != 0) {
        /* Come again, or given up: the lowest number its sender still waits for lies above it. */
        if (number == c->held_from || get64(p + 16) > c->held_from) c->held_from = 0;
        else if (number > c->held_from) return refuse(c, number, REASON_HELD_FOR_ORDER, 0);
    }
    struct mailbox *to = find_mailbox(get64(p));
    struct connection *reader = to ? to->connection : NULL;
    struct entry e = { .sequence = to ? to->sequence + 1 : 0, .number = number, .sender = c->mailbox, .incarnation = c->mailbox->incarnation };
    if (!reader || buffer_count(&reader->unsent) > MAX_UNSENT || !remember(to, e)) {
        c->held_from = number;
        return refuse(c, number, REASON_NODE_FULL, 10);
    }

    put64(write_frame(c, ACCEPTED, 8), number);
    uint8_t *w = write_frame(reader, DELIVER, 44 + body_bytes);
    put64(w, e.sequence);
    put64(w + 8, to->sequence);
    put64(w + 16, c->mailbox->address);
    put64(w + 24, number);
    put32(w + 32, e.incarnation);
    put32(w + 36, (uint32_t)now.tv_sec);
    put32(w + 40, 0);
    memcpy(w + 44, p + 32, body_bytes);
    to->sequence = e.sequence;
    return true;
}

/* Tells the sender of entries [from, to), which are all of one incarnation of it; a sender that has left is not told. */
static void tell(struct mailbox *m, uint32_t from, uint32_t to)
{
    const struct entry *e = &m->entries[from & (m->capacity - 1)];
    struct mailbox *sender = e->sender;
    if (!sender->connection) return;
    uint8_t *w = write_frame(sender->connection, RECEIPT, 32 + 8 * (to - from));
    put64(w, sender->sequence + 1);
    put64(w + 8, sender->sequence);
    put64(w + 16, m->address);
    put32(w + 24, e->incarnation);
    put32(w + 28, RECEIPT_DELIVERED);
    for (uint32_t i = from; i != to; i++) put64(w + 32 + 8 * (i - from), m->entries[i & (m->capacity - 1)].number);
    sender->sequence++;
}

/* Cumulative. Receipts are entries too, and are only passed over: nobody is told of them. */
static bool on_acknowledge(struct connection *c, const uint8_t *p, uint32_t count)
{
    if (count != 8) return false;
    struct mailbox *m = c->mailbox;
    uint64_t sequence = get64(p);
    if (sequence > m->sequence) return false;
    uint32_t from = m->first;
    while (m->first != m->next) {
        const struct entry *e = &m->entries[m->first & (m->capacity - 1)], *f = &m->entries[from & (m->capacity - 1)];
        if (e->sequence > sequence) break;
        if (e->sender != f->sender || e->incarnation != f->incarnation || m->first - from == MAX_RECEIPT_NUMBERS) {
            tell(m, from, m->first);
            from = m->first;
        }
        m->first++;
    }
    if (m->first != from) tell(m, from, m->first);
    return true;
}

static bool on_ping(struct connection *c, const uint8_t *p, uint32_t count)
{
    if (count != 8) return false;
    memcpy(write_frame(c, PONG, 8), p, 8);
    return true;
}

static bool on_frame(struct connection *c, enum frame type, const uint8_t *payload, uint32_t count)
{
    switch (c->phase) {
    case AWAIT_HELLO: return type == HELLO && on_hello(c, payload, count);
    case AWAIT_AUTHENTICATE: return type == AUTHENTICATE && on_authenticate(c, payload, count);
    case CLOSED: return false;
    case ESTABLISHED: break;
    }
    switch (type) {
    case SEND: return on_send(c, payload, count);
    case ACKNOWLEDGE: return on_acknowledge(c, payload, count);
    case PING: return on_ping(c, payload, count);
    case PONG:
    case CREDIT: return count == 8;
    default: return false;
    }
}

/* Handles the whole frames in [received, received + count) and keeps the rest. */
static void on_bytes(struct connection *c, size_t count)
{
    const uint8_t *at = received, *end = received + count;
    while (end - at >= HEADER) {
        uint32_t header = get32(at), payload_bytes = header & 0xFFFFFF;
        if (payload_bytes > MAX_PAYLOAD) {
            drop(c);
            return;
        }
        if ((size_t)(end - at) < HEADER + payload_bytes) break;
        if (!on_frame(c, header >> 24, at + HEADER, payload_bytes)) {
            drop(c);
            return;
        }
        at += HEADER + payload_bytes;
    }
    if (at != end) buffer_append(&c->partial, at, (size_t)(end - at));
}

/* ---- the turn ---- */

static void receive(struct connection *c, uint32_t events)
{
    ssize_t count;
    do {
        if (c->phase == CLOSED) return;
        /* Who does not read is not read from; a flush that empties its output asks for the edge that is passed over here. */
        if (buffer_count(&c->unsent) > MAX_UNSENT) {
            c->paused = true;
            return;
        }
        size_t kept = buffer_count(&c->partial);
        count = recv(c->fd, received + kept, NET_RECEIVE_BYTES, 0);
        if (count > 0) {
            if (kept > 0) {
                memcpy(received, c->partial.data + c->partial.begin, kept);
                c->partial.begin = c->partial.end = 0;
            }
            on_bytes(c, kept + (size_t)count);
        } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            drop(c);
        }
        /* The peer's end makes no second edge, so it is read up to at once. */
    } while ((count > 0 && (events & NET_END_EVENTS)) || (count < 0 && errno == EINTR));
    if (count == NET_RECEIVE_BYTES && c->phase != CLOSED) net_rearm(epoll, c->fd, c);
}

static void on_event(struct connection *c, uint32_t events)
{
    if (c->phase == CLOSED) return;
    if (c->blocked && (events & EPOLLOUT)) {
        c->blocked = false;
        if (!c->dirty) {
            c->dirty = true;
            dirty[dirty_count++] = c;
        }
    }
    if (events & (EPOLLIN | NET_END_EVENTS)) receive(c, events);
}

static void flush(void)
{
    for (size_t i = 0; i < dirty_count; i++) {
        struct connection *c = dirty[i];
        c->dirty = false;
        if (c->phase == CLOSED || c->blocked) continue;
        int result = buffer_send(&c->unsent, c->fd);
        if (result < 0) {
            drop(c);
        } else if (result == 0) {
            c->blocked = true;
        } else if (c->paused) {
            c->paused = false;
            net_rearm(epoll, c->fd, c);
        }
    }
    dirty_count = 0;
}

static void read_secret(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    for (int i = 0; i < SHA256_BYTES; i++) {
        unsigned value;
        if (fscanf(file, "%2x", &value) != 1) {
            fprintf(stderr, "%s: not 64 hex digits\n", path);
            exit(2);
        }
        secret[i] = (uint8_t)value;
    }
    fclose(file);
}

int main(int count, char **arguments)
{
    const char *path = option(count, arguments, "--secret");
    if (!path) {
        fprintf(stderr, "relay --secret FILE [--port N]\n");
        return 2;
    }
    read_secret(path);
    make_slots(1024);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail("epoll_create1");
    int listener = net_listen(epoll, option_port(count, arguments));
    struct epoll_event events[NET_EVENTS];
    while (!net_stopped) {
        int ready = epoll_wait(epoll, events, NET_EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        clock_gettime(CLOCK_REALTIME, &now);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events);
            else on_accept(listener);
        }
        flush();
        free_closed();
    }
    return 0;
}
