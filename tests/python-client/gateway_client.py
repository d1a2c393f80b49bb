"""A client of Gateway's native protocol, version 1, written from PROTOCOL.md alone.

Python 3.11, standard library only. Three layers, each usable without the ones below it in this file:

  values    Address, KeyFile, derive_key, the two proofs
  frames    encode, Decoder: every frame, judged as "Judging a frame" says, for either side
  Client    a device: outbox and inbox in SQLite, window, acknowledgement, resume, reconnect

A Client lives in one asyncio loop and calls its Handler there. Handler methods that take `db` run inside the transaction that also
records the protocol's own state: what they write to `db` happens exactly once. They may run again if that transaction fails.
"""

import asyncio
import hashlib
import hmac
import random
import re
import secrets
import sqlite3
import struct
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

WINDOW = 64
MAX_NUMBERS = 64
MAX_EPHEMERAL = 512
MAX_BODY_CEILING = 524288


class Code(IntEnum):
    MalformedFrame = 1
    FrameTooLarge = 2
    UnknownFrameType = 3
    UnexpectedFrame = 4
    BadMagic = 5
    UnsupportedVersion = 6
    BadAddress = 7
    AuthenticationFailed = 16
    KeyRevoked = 17
    IncarnationFenced = 18
    ResumeAhead = 19
    WindowExceeded = 32
    AcknowledgeAhead = 33
    RejectUnknown = 34
    HandshakeTimeout = 48
    FrameTimeout = 49
    IdleTimeout = 50
    TakenOver = 64
    Kicked = 65
    Overloaded = 66
    ShuttingDown = 67


class Reason(IntEnum):
    NodeFull = 1
    HeldForOrder = 2
    MailboxFull = 3
    RateLimited = 4
    Busy = 5
    OutcomeUnknown = 257
    UnsupportedRecipient = 258
    BodyTooLarge = 259
    UnsupportedKind = 260


FIRST_FINAL_REASON = 256
NEVER_RECONNECT = {Code.BadMagic, Code.UnsupportedVersion, Code.AuthenticationFailed, Code.KeyRevoked, Code.ResumeAhead, Code.TakenOver}
RECONNECT_SLOWLY = {Code.MalformedFrame, Code.FrameTooLarge, Code.UnknownFrameType, Code.UnexpectedFrame, Code.BadAddress,
                    Code.WindowExceeded, Code.AcknowledgeAhead, Code.RejectUnknown, Code.Kicked}


class Fault(Exception):
    """What a receiver finds wrong with a frame; `detail` is the type of the frame at fault, or 0."""

    def __init__(self, code, detail=0, text=""):
        super().__init__(f"{Code(code).name}: {text}" if text else Code(code).name)
        self.code = Code(code)
        self.detail = detail


# Values

_ADDRESS = re.compile(r"(?:(group|service)/)?([0-9]+)(?::([0-9]+))?")


@dataclass(frozen=True, order=True)
class Address:
    USER, GROUP, SERVICE = 1, 2, 3

    kind: int
    number: int
    device: int = 0

    def __post_init__(self):
        if self.kind not in (1, 2, 3) or not 0 < self.number < 1 << 50 or not 0 <= self.device < 1024 \
                or self.kind == self.GROUP and self.device:
            raise ValueError("not an address")

    @classmethod
    def parse(cls, text):
        match = _ADDRESS.fullmatch(text.strip(" "))
        if not match or match[1] == "group" and match[3] is not None:
            raise ValueError("not an address")
        kind = {None: cls.USER, "group": cls.GROUP, "service": cls.SERVICE}[match[1]]
        return cls(kind, int(match[2]), int(match[3] or 0))

    @classmethod
    def of_value(cls, value):
        return cls(value >> 60, value >> 10 & (1 << 50) - 1, value & 1023)

    @property
    def value(self):
        return self.kind << 60 | self.number << 10 | self.device

    @property
    def wire(self):
        return struct.pack("<Q", self.value)

    @property
    def can_log_in(self):
        return self.kind != self.GROUP

    def __str__(self):
        prefix = {1: "", 2: "group/", 3: "service/"}[self.kind]
        return f"{prefix}{self.number}" + (f":{self.device}" if self.device else "")


def parse_node_secret(text):
    digits = text.strip(" \t\r\n")
    if not re.fullmatch("[0-9A-Fa-f]{64}", digits):
        raise ValueError("a node secret is 64 hex digits")
    return bytes.fromhex(digits)


def _mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def derive_key(node_secret, address, epoch):
    return _mac(node_secret, b"gateway device key v1", address.wire, struct.pack("<I", epoch))


def device_proof(key, client_nonce, node_nonce, proven):
    return _mac(key, b"gateway device proof v1", client_nonce, node_nonce, proven)


def node_proof(key, client_nonce, node_nonce, proven):
    return _mac(key, b"gateway node proof v1", client_nonce, node_nonce, proven)


class KeyFileError(ValueError):
    def __init__(self, line, expected):
        where = f"line {line}" if line else "the key file ends too soon"
        super().__init__(f"{where}: expected {expected}")
        self.line = line


@dataclass(frozen=True)
class KeyFile:
    address: Address
    epoch: int
    key: bytes

    @classmethod
    def parse(cls, text):
        lines = [(i, line.strip(" \t\r")) for i, line in enumerate(re.split("[\n;]", text), 1)]
        lines = iter([(i, line) for i, line in lines if line])

        def value(name, pattern):
            at, line = next(lines, (0, ""))
            expected = f"'{name}' and its value"
            match = re.fullmatch(rf"{name}[ \t]+({pattern})", line)
            if not match:
                raise KeyFileError(at, expected)
            return at, match[1]

        at, line = next(lines, (0, ""))
        if line != "gateway-key 1":
            other = re.fullmatch("gateway-key .*", line)
            raise KeyFileError(at, "'gateway-key 1'" + (", this file is of another version" if other else ""))
        at, text = value("address", "[^ \t]+")
        try:
            address = Address.parse(text)
        except ValueError:
            raise KeyFileError(at, "an address") from None
        if not address.can_log_in:
            raise KeyFileError(at, "an address that can log in")
        at, text = value("epoch", "[0-9]+")
        if len(text.lstrip("0")) > 10 or int(text) > 0xFFFFFFFF:
            raise KeyFileError(at, "an epoch from 0 to 4294967295")
        epoch = int(text)
        at, text = value("key", "[0-9A-Fa-f]{64}")
        for at, _ in lines:
            raise KeyFileError(at, "nothing after the key")
        return cls(address, epoch, bytes.fromhex(text))

    @classmethod
    def read(cls, path):
        with open(path, "rb") as file:
            return cls.parse(file.read().decode("utf-8"))

    def __str__(self):
        return f"gateway-key 1\naddress {self.address}\nepoch {self.epoch}\nkey {self.key.hex()}\n"

    def one_line(self):
        return str(self).strip().replace("\n", ";")

    def __repr__(self):
        return f"KeyFile({self.address}, epoch {self.epoch})"


# Frames

AWAIT_HELLO, AWAIT_AUTHENTICATE, AWAIT_WELCOME, ESTABLISHED = "AwaitHello", "AwaitAuthenticate", "AwaitWelcome", "Established"
ANY_PHASE = (AWAIT_HELLO, AWAIT_AUTHENTICATE, AWAIT_WELCOME, ESTABLISHED)


class Frame(dict):
    """A frame's fields by the names of the field tables; `name` is the frame's."""

    def __init__(self, name, /, **fields):
        super().__init__(fields)
        self.name = name

    def __repr__(self):
        return f"{self.name}({dict.__repr__(self)})"


class _Layout:
    _TYPES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "address": "Q"}

    def __init__(self, name, type, fields, client=(), node=(), check=None):
        self.name, self.type, self.check = name, type, check
        self.phases = {"client": client, "node": node}
        self.fields, self.tail, self.max_tail = [], None, 0
        form = "<"
        for field in fields.split():
            field, kind, *limit = field.split(":")
            if kind in ("body", "numbers", "text"):
                self.tail, self.tail_kind = field, kind
                self.max_tail = int(limit[0]) if limit else None
                continue
            self.fields.append((field, kind))
            form += self._TYPES.get(kind) or f"{kind}s"
        self.struct = struct.Struct(form)

    def decode(self, payload):
        def malformed(text):
            return Fault(Code.MalformedFrame, self.type, text)

        size = self.struct.size
        if self.type == 0x01 and len(payload) >= 4 and payload[:4] != b"GWY1":
            raise Fault(Code.BadMagic, self.type)
        if len(payload) < size or self.tail is None and len(payload) > size:
            raise malformed("length")
        if self.max_tail is not None and len(payload) > size + self.max_tail:
            raise malformed("length")
        frame, addresses = Frame(self.name), []
        for (field, kind), value in zip(self.fields, self.struct.unpack_from(payload)):
            if field == "zero":
                if any(value):
                    raise malformed("reserved bytes")
            elif kind == "address":
                frame[field] = value
                addresses.append(field)
            elif field != "magic":
                frame[field] = value
        if self.tail:
            rest = bytes(payload[size:])
            if self.tail_kind == "numbers":
                if len(rest) % 8 or not rest:
                    raise malformed("numbers")
                rest = list(struct.unpack(f"<{len(rest) // 8}Q", rest))
                if 0 in rest:
                    raise malformed("number 0")
            elif self.tail_kind == "text":
                rest = rest.decode("utf-8", "replace")
            frame[self.tail] = rest
        if self.check and not self.check(frame):
            raise malformed("a field is out of its limits")
        if self.type == 0x01 and not frame["minVersion"] <= 1 <= frame["maxVersion"] or self.type == 0x02 and frame["version"] != 1:
            raise Fault(Code.UnsupportedVersion, self.type)
        for field in addresses:
            try:
                frame[field] = Address.of_value(frame[field])
            except ValueError:
                raise Fault(Code.BadAddress, self.type) from None
        if self.type == 0x03 and not frame["address"].can_log_in:
            raise Fault(Code.BadAddress, self.type)
        return frame

    def encode(self, fields):
        values = []
        for field, kind in self.fields:
            value = b"" if field == "zero" else b"GWY1" if field == "magic" else fields[field]
            values.append(value.value if kind == "address" else value)
        payload = self.struct.pack(*values)
        if self.tail:
            rest = fields[self.tail]
            if self.tail_kind == "numbers":
                rest = struct.pack(f"<{len(rest)}Q", *rest)
            elif self.tail_kind == "text":
                rest = rest.encode("utf-8")
            payload += rest
        return payload


def _entry(frame):
    return 0 < frame["sequence"] > frame["previous"]


_E = (ESTABLISHED,)
_LAYOUTS = [
    _Layout("Hello", 0x01, "magic:4 minVersion:u8 maxVersion:u8 zero:2 features:u32 clientNonce:16", client=(AWAIT_HELLO,),
            check=lambda f: f["minVersion"] <= f["maxVersion"]),
    _Layout("Challenge", 0x02, "version:u8 zero:3 features:u32 nodeNonce:16", node=(AWAIT_HELLO,)),
    _Layout("Authenticate", 0x03, "address:address keyEpoch:u32 incarnation:u32 resume:u64 creditMessages:u32 creditBytes:u32 proof:32",
            client=(AWAIT_AUTHENTICATE,)),
    _Layout("Welcome", 0x04, "sessionEpoch:u32 incarnation:u32 windowLow:u64 windowSettled:u64 nodeTime:u64 generation:u32 "
            "maxBodyBytes:u32 idleTimeoutMs:u32 pending:u32 proof:32", node=(AWAIT_WELCOME,),
            check=lambda f: f["incarnation"] and f["windowLow"]),
    _Layout("Send", 0x10, "to:address number:u64 lowestOpen:u64 expirySeconds:u32 kind:u8 zero:3 body:body", client=_E,
            check=lambda f: 0 < f["lowestOpen"] <= f["number"] < 1 << 63),
    _Layout("Accepted", 0x11, "number:u64", node=_E, check=lambda f: f["number"]),
    _Layout("Refused", 0x12, "number:u64 reason:u16 zero:2 retryAfterMs:u32", node=_E, check=lambda f: f["number"] and f["reason"]),
    _Layout("Deliver", 0x13, "sequence:u64 previous:u64 from:address number:u64 incarnation:u32 enqueuedAt:u32 flags:u8 zero:3 body:body",
            node=_E, check=_entry),
    _Layout("Acknowledge", 0x14, "sequence:u64", client=_E, check=lambda f: f["sequence"]),
    _Layout("Reject", 0x15, "sequence:u64 reason:u16 zero:2", client=_E, check=lambda f: f["sequence"]),
    _Layout("Receipt", 0x16, "sequence:u64 previous:u64 peer:address incarnation:u32 kind:u8 flags:u8 reason:u16 numbers:numbers:512",
            node=_E, check=lambda f: _entry(f) and 1 <= f["kind"] <= 5),
    _Layout("Ephemeral", 0x17, f"peer:address kind:u8 zero:3 data:body:{MAX_EPHEMERAL}", client=_E, node=_E, check=lambda f: f["kind"]),
    _Layout("Ping", 0x20, "token:u64", client=_E, node=_E),
    _Layout("Pong", 0x21, "token:u64", client=_E, node=_E),
    _Layout("Credit", 0x22, "messages:u32 bytes:u32", client=_E),
    _Layout("GoAway", 0x2E, "reason:u16 zero:2 reconnectAfterMs:u32", node=ANY_PHASE),
    _Layout("Error", 0x2F, "code:u16 zero:2 detail:u32 text:text:256", node=ANY_PHASE, check=lambda f: f["code"]),
]
_BY_TYPE = {layout.type: layout for layout in _LAYOUTS}
_BY_NAME = {layout.name: layout for layout in _LAYOUTS}
PROVEN = {"Authenticate": 32, "Welcome": 48}


def encode(name, /, **fields):
    layout = _BY_NAME[name]
    payload = layout.encode(fields)
    return struct.pack("<I", len(payload) | layout.type << 24) + payload


def encode_proven(name, prove, /, **fields):
    """Encodes authenticate or welcome; `prove` computes the proof of the payload in front of it."""
    proven = encode(name, **fields, proof=bytes(32))[4:4 + PROVEN[name]]
    return encode(name, **fields, proof=prove(proven))


def longest_payload(reader, phase, max_body):
    if reader == "client":
        return MAX_BODY_CEILING + 44 if phase == ESTABLISHED else 264
    return max_body + 44 if phase == ESTABLISHED else 80


class Decoder:
    """Cuts and judges what `sender` ("client" or "node") sends; `phase` follows the connection."""

    def __init__(self, sender, phase=AWAIT_HELLO, max_body=65536):
        self.sender, self.phase, self.max_body = sender, phase, max_body
        self.proven = b""
        self._buffer, self._at = bytearray(), 0

    def feed(self, data):
        del self._buffer[:self._at]
        self._at = 0
        self._buffer += data

    def next(self):
        """The next frame, or None when more bytes are needed. Raises Fault."""
        if len(self._buffer) - self._at < 4:
            return None
        header = struct.unpack_from("<I", self._buffer, self._at)[0]
        length, type = header & 0xFFFFFF, header >> 24
        reader = "client" if self.sender == "node" else "node"
        if length > longest_payload(reader, self.phase, self.max_body):
            raise Fault(Code.FrameTooLarge, type)
        layout = _BY_TYPE.get(type)
        if not layout:
            raise Fault(Code.UnknownFrameType, type)
        if self.phase not in layout.phases[self.sender]:
            raise Fault(Code.UnexpectedFrame, type)
        if len(self._buffer) - self._at < 4 + length:
            return None
        payload = bytes(self._buffer[self._at + 4:self._at + 4 + length])
        self._at += 4 + length
        frame = layout.decode(payload)
        if layout.name in PROVEN:
            frame.proven = payload[:PROVEN[layout.name]]
        return frame


# Client

class Handler:
    """What an application overrides."""

    def deliver(self, db, message):
        """A message, once. Its effect belongs into db. Returns None, or a reason (0 to 65535) to reject it for good."""

    def status(self, db, id, status, reason):
        """A message that was sent became accepted, delivered, read, rejected, expired, discarded, refused or unknown."""

    def gap(self, db, after, before):
        """Entries between these sequences were in the mailbox and will never come."""

    def restored(self, db, generation, low, settled):
        """The node was restored from a backup. Of this incarnation's messages it knows those below low, and low + i if bit i of settled is set;
        what else it had accepted is lost, unless a receipt says otherwise."""

    def ephemeral(self, frame):
        pass

    def connection(self, state, detail):
        """connecting, challenged, authenticating, established, waiting or stopped."""


class End(Exception):
    """Why a session ended, and what to do: "reconnect", "slowly", "stop", or seconds to wait."""

    def __init__(self, then, why, code=None):
        super().__init__(why)
        self.then, self.code = then, code


class _Held:
    """A mailbox with temporarily refused numbers."""

    def __init__(self):
        self.numbers, self.due, self.tries = set(), 0.0, 0


_SCHEMA = """
create table if not exists gateway_state(
    id integer primary key check (id = 1), address text not null, incarnation integer not null, next integer not null,
    processed text not null, generation integer not null);
create table if not exists gateway_sent(
    id integer primary key autoincrement, incarnation integer not null, number integer not null, recipient text not null,
    kind integer not null, expiry integer not null, body blob, status text not null, reason integer not null default 0,
    heard text, heard_reason integer not null default 0,
    unique (incarnation, number));
create table if not exists gateway_rejecting(sequence text primary key, reason integer not null);
create index if not exists gateway_open on gateway_sent(number) where status = 'open';
"""
_RECEIPTS = {1: "delivered", 2: "read", 3: "rejected", 4: "expired", 5: "discarded"}
_KIND_MESSAGE, _KIND_READ = 0, 1


class Client:
    HANDSHAKE_SECONDS = 30
    PONG_SECONDS = 20
    FINISH_SECONDS = 5

    def __init__(self, host, port, key, path, handler=None, *, credit=(256, 1 << 20), backoff=(0.5, 60.0), slow=(60.0, 120.0), ssl=None):
        self.host, self.port, self.key, self.handler, self.ssl = host, port, key, handler or Handler(), ssl
        self.credit, self.backoff, self.slow = credit, backoff, slow
        self.state, self.end, self.welcome = "closed", None, None
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")
        self.db.executescript(_SCHEMA)
        self.db.execute("insert or ignore into gateway_state values (1, ?, 0, 1, '0', 0)", (str(key.address),))
        self._load()
        if self._address != str(key.address):
            raise ValueError(f"this state belongs to {self._address}")
        self._changed = asyncio.Event()
        self._paused = False
        self._stopping, self._writer, self._task, self._timer = False, None, None, None

    # What the application calls

    def start(self):
        self._task = asyncio.create_task(self.run())
        return self._task

    def pause(self):
        """Takes no further entries, from the very next on; what was taken is acknowledged. For good, until close()."""
        self._paused = True

    async def close(self):
        """Ends the session after the node has read what was sent to it; closes the state."""
        if self._stopping:
            return
        self._stopping = True
        if self.state == "established":
            try:
                await asyncio.wait_for(self.flush(), self.FINISH_SECONDS)
            except (asyncio.TimeoutError, ConnectionError):
                pass
        if self._writer:
            self._writer.close()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.db.close()

    def send(self, to, body, expiry=0):
        """Numbers and stores a message; returns its id. It is sent as soon as the window has room."""
        return self._enqueue(to, _KIND_MESSAGE, bytes(body), expiry)

    def mark_read(self, messages):
        """Tells the senders of these delivered messages that a person has seen them."""
        groups = {}
        for message in messages:
            if message["number"]:
                groups.setdefault((message["from"], message["incarnation"]), []).append(message["number"])
        with self.transaction():
            for (to, incarnation), numbers in groups.items():
                for i in range(0, len(numbers), MAX_NUMBERS):
                    part = numbers[i:i + MAX_NUMBERS]
                    self._enqueue(to, _KIND_READ, struct.pack(f"<II{len(part)}Q", incarnation, 0, *part), 0)

    def abandon(self, id):
        """Gives an open message up. It may still become durable."""
        with self.transaction():
            self.db.execute("update gateway_sent set status = 'abandoned', body = null where id = ? and status = 'open'", (id,))

    def ephemeral(self, to, kind, data=b""):
        if len(data) > MAX_EPHEMERAL or not 0 < kind < 256:
            raise ValueError("not an ephemeral frame")
        if self.state == "established":
            self._write(encode("Ephemeral", peer=to, kind=kind, data=data))

    def set_credit(self, messages, bytes):
        self.credit = messages, bytes
        if self.state == "established":
            self._write(encode("Credit", messages=messages, bytes=bytes))

    async def flush(self):
        """Returns when the node has read everything written so far. ConnectionError if the session ends before."""
        if self.state != "established":
            raise ConnectionError("there is no session")
        pong = asyncio.get_running_loop().create_future()
        self._ping(pong)
        await pong

    async def wait(self, condition, timeout=None):
        """Waits until condition() holds; it is asked after each change."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def status_of(self, id):
        row = self.db.execute("select status, reason from gateway_sent where id = ?", (id,)).fetchone()
        return row and row[0]

    def count(self, *statuses):
        marks = ",".join("?" * len(statuses))
        return self.db.execute(f"select count(*) from gateway_sent where status in ({marks})", statuses).fetchone()[0]

    @contextmanager
    def transaction(self):
        """A transaction on db; inside one, just a part of it."""
        if self.db.in_transaction:
            yield self.db
            return
        self.db.execute("begin immediate")
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            self._load()
            raise
        self.db.execute("commit")
        self._wake()

    # State

    def _load(self):
        row = self.db.execute("select address, incarnation, next, processed, generation from gateway_state").fetchone()
        self._address, self.incarnation, self.next, self.processed, self.generation = row[0], row[1], row[2], int(row[3]), row[4]
        # Decided, but not known to have been read by the node: resume stays below them, or it would say "delivered".
        self._rejecting = {int(sequence): reason for sequence, reason in self.db.execute("select sequence, reason from gateway_rejecting")}

    def _save(self):
        self.db.execute("update gateway_state set incarnation = ?, next = ?, processed = ?, generation = ?",
                        (self.incarnation, self.next, str(self.processed), self.generation))

    def _enqueue(self, to, kind, body, expiry):
        if len(body) > MAX_BODY_CEILING:
            raise ValueError("no node takes so long a body")
        with self.transaction():
            cursor = self.db.execute(
                "insert into gateway_sent(incarnation, number, recipient, kind, expiry, body, status) values (?, ?, ?, ?, ?, ?, 'open')",
                (self.incarnation, self.next, str(to), kind, expiry, body))
            self.next += 1
            self._save()
        return cursor.lastrowid

    def _open(self, limit=-1):
        return self.db.execute("select id, number, recipient, length(body) from gateway_sent where status = 'open' "
                               "order by number limit ?", (limit,)).fetchall()

    def _settle(self, id, status, reason=0):
        self.db.execute("update gateway_sent set status = ?, reason = ?, body = null where id = ?", (status, reason, id))
        self.handler.status(self.db, id, status, reason)

    def _accept(self, id):
        self._settle(id, "accepted")
        heard, reason = self.db.execute("select heard, heard_reason from gateway_sent where id = ?", (id,)).fetchone()
        if heard:
            self._settle(id, heard, reason)

    def _start_afresh(self):
        """The node knows more of this device than its state does: it was cloned or set back. Nothing open is sent again."""
        with self.transaction():
            for id, *_ in self._open():
                self._settle(id, "unknown")
            self.incarnation, self.next = 0, 1
            self._save()

    # Connections

    def _set_state(self, state, detail=""):
        self.state = state
        self.handler.connection(state, detail)
        self._changed.set()

    async def run(self):
        """Connects and reconnects until close() or an end that forbids it, which it returns."""
        attempts = 0
        while not self._stopping:
            self._held_since = None
            try:
                await self._session()
                end = End("reconnect", "the node closed the connection")
            except End as reason:
                end = reason
            except Fault as fault:
                end = End("slowly", f"defect of the node: {fault}", fault.code)
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                end = End("reconnect", str(error) or type(error).__name__)
            finally:
                self._close_session()
            self.end = end
            if end.code == Code.IncarnationFenced:
                self._start_afresh()
            if self._stopping:
                break
            if end.then == "stop":
                self._set_state("stopped", str(end))
                return end
            if self._held_since is not None and time.monotonic() - self._held_since >= 60:
                attempts = 0
            base, cap = self.backoff
            delay = {"reconnect": random.uniform(0, min(cap, base * 2 ** min(attempts, 30))),
                     "slowly": random.uniform(*self.slow)}.get(end.then, end.then)
            attempts += 1
            self._set_state("waiting", f"{end}; again in {delay:.1f} s")
            await asyncio.sleep(delay)
        self._set_state("stopped", "closed")
        return self.end

    def _close_session(self):
        writer, self._writer, self.state = self._writer, None, "closed"
        if writer:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            for _, pong in self._pings.values():
                if pong and not pong.done():
                    pong.set_exception(ConnectionError("the session ended"))
            writer.close()

    async def _session(self):
        self._set_state("connecting")
        async with asyncio.timeout(self.HANDSHAKE_SECONDS):
            reader, self._writer = await asyncio.open_connection(self.host, self.port, ssl=self.ssl)  # sets TCP_NODELAY
            self._pings, self._waiting, self._held = {}, {}, {}
            self._delivered, self._rejected, self._leaving, self._failed = 0, set(), None, None
            decoder = Decoder("node")
            nonce = secrets.token_bytes(16)
            self._write(encode("Hello", minVersion=1, maxVersion=1, features=0, clientNonce=nonce))
            challenge = await self._handshake_frame(reader, decoder)
            if challenge["features"]:
                raise Fault(Code.MalformedFrame, 0x02, "a feature that was not offered")
            decoder.phase = AWAIT_WELCOME
            self._set_state("challenged")
            self._write(encode_proven(
                "Authenticate", lambda proven: device_proof(self.key.key, nonce, challenge["nodeNonce"], proven),
                address=self.key.address, keyEpoch=self.key.epoch, incarnation=self.incarnation, resume=min([self.processed, *(sequence - 1 for sequence in self._rejecting)]),
                creditMessages=self.credit[0], creditBytes=self.credit[1]))
            self._set_state("authenticating")
            welcome = await self._handshake_frame(reader, decoder)
            proof = node_proof(self.key.key, nonce, challenge["nodeNonce"], welcome.proven)
            if not hmac.compare_digest(proof, welcome["proof"]):
                raise End("stop", "the node does not hold the secret that this key came from")
        self._begin(welcome)
        decoder.phase = ESTABLISHED
        self._held_since = self._sent_at = self._read_at = time.monotonic()
        idle = welcome["idleTimeoutMs"] / 1000
        self._ping_after = idle / 2 * random.uniform(0.9, 1) if idle else 300
        self._set_state("established")
        self._tick()
        data = b""  # what came with the welcome is in the decoder already
        while True:
            decoder.feed(data)
            self._receive(decoder)
            data = await reader.read(1 << 16)
            self._read_at = time.monotonic()
            if self._failed:
                raise self._failed
            if not data:
                if self._leaving is not None:
                    raise End(self._leaving, "go away")
                return

    async def _handshake_frame(self, reader, decoder):
        while (frame := decoder.next()) is None:
            data = await reader.read(1 << 16)
            if not data:
                raise EOFError("the node closed the connection in the handshake")
            decoder.feed(data)
        if frame.name in ("Error", "GoAway"):
            raise self._end_of(frame)
        return frame

    def _begin(self, welcome):
        if self.incarnation and welcome["incarnation"] != self.incarnation:
            raise Fault(Code.MalformedFrame, 0x04, "another incarnation than the one logged in with")
        low, settled = welcome["windowLow"], welcome["windowSettled"]
        lowest = self._open(1)
        if self.incarnation and (max(low - 1, low - 1 + settled.bit_length()) >= self.next or lowest and lowest[0][1] < low):
            raise End("reconnect", "the node knows numbers that this state never gave out", Code.IncarnationFenced)
        with self.transaction():
            if not self.incarnation:
                self.incarnation = welcome["incarnation"]
                self.db.execute("update gateway_sent set incarnation = ? where incarnation = 0", (self.incarnation,))
            for id, number, *_ in self._open():
                if number < low + WINDOW and settled >> number - low & 1:
                    self._accept(id)
            if welcome["generation"] > self.generation:
                if self.generation:
                    self.handler.restored(self.db, welcome["generation"], low, settled)
                self.generation = welcome["generation"]
            self._save()
        self.welcome = welcome

    def _end_of(self, frame):
        if frame.name == "GoAway":
            return End(frame["reconnectAfterMs"] / 1000 * random.uniform(1, 1.25), "go away")
        code = frame["code"]
        name = Code(code).name if code in Code._value2member_map_ else f"error {code}"
        why = f"{name}: {frame['text']}"
        if code in NEVER_RECONNECT:
            return End("stop", why, code)
        if code in RECONNECT_SLOWLY:
            return End("slowly", why, code)
        return End("reconnect" if self._leaving is None else self._leaving, why, code)

    def _write(self, data):
        # Never waits: what is unsent is bounded by the window and the credit, and a reader that waits for its writer can deadlock.
        self._writer.write(data)
        self._sent_at = time.monotonic()

    def _wake(self):
        self._changed.set()
        if self.state == "established":
            self._pump()

    def _fail(self, end):
        self._failed = self._failed or end
        if self._writer:
            self._writer.transport.abort()

    def _leave(self):
        self._failed = self._failed or End(self._leaving, "go away")
        self._writer.close()

    # Established: receiving

    def _receive(self, decoder):
        """Takes all whole frames there are: one transaction, then one acknowledgement."""
        frames, fault = [], None
        try:
            while (frame := decoder.next()) is not None:
                frames.append(frame)
        except Fault as found:
            fault = found
        before, rejected, out, end = self._delivered, set(self._rejected), bytearray(), None
        entries = any(f.name in ("Accepted", "Refused", "Deliver", "Receipt") for f in frames)
        if entries:
            with self.transaction():
                processed = self.processed
                for frame in frames:
                    self._take_durably(frame, out)
                if self.processed != processed:
                    self._save()
        if self._delivered > before:
            out += encode("Acknowledge", sequence=self._delivered)
        for frame in frames:
            if frame.name == "Ping":
                out += encode("Pong", token=frame["token"])
            elif frame.name == "Pong":
                _, pong = self._pings.pop(frame["token"], (0, None))
                if pong and not pong.done():
                    pong.set_result(None)
            elif frame.name == "Ephemeral":
                self.handler.ephemeral(frame)
            elif frame.name == "GoAway":
                self._leaving = self._end_of(frame).then
                asyncio.get_running_loop().call_later(self.FINISH_SECONDS, self._leave_of(self._writer))
            elif frame.name == "Error":
                end = self._end_of(frame)
        if end or fault:
            raise end or fault
        if out:
            self._write(out)
        if rejected := self._rejected - rejected:
            pong = asyncio.get_running_loop().create_future()
            pong.add_done_callback(lambda pong: self._forget_rejections(pong, rejected))
            self._ping(pong)
        if entries:
            self._changed.set()
        self._pump()

    def _forget_rejections(self, pong, sequences):
        """The node has read these rejections: its position may pass them."""
        if not pong.cancelled() and not pong.exception():
            with self.transaction():
                self._end_rejections(sequences)

    def _end_rejections(self, sequences):
        for sequence in sequences:
            self.db.execute("delete from gateway_rejecting where sequence = ?", (str(sequence),))
            self._rejecting.pop(sequence, None)

    def _reject(self, sequence, out):
        out += encode("Reject", sequence=sequence, reason=self._rejecting[sequence])
        self._rejected.add(sequence)

    def _leave_of(self, writer):
        return lambda: self._leave() if self._writer is writer else None

    def _take_durably(self, frame, out):
        if frame.name in ("Deliver", "Receipt"):
            if self._stopping or self._paused:
                return
            self._delivered = max(self._delivered, frame["sequence"])
            # What the node passes over without delivering it in this session, it no longer has.
            self._end_rejections([s for s in self._rejecting if s < frame["sequence"] and s not in self._rejected])
            if frame["sequence"] <= self.processed:
                if frame["sequence"] in self._rejecting:
                    self._reject(frame["sequence"], out)
                return
            if self.processed and frame["previous"] > self.processed:
                self.handler.gap(self.db, self.processed, frame["sequence"])
            if frame.name == "Receipt":
                self._take_receipt(frame)
            else:
                reason = self.handler.deliver(self.db, frame)
                if reason is not None:
                    self._rejecting[frame["sequence"]] = reason
                    self.db.execute("insert into gateway_rejecting values (?, ?)", (str(frame["sequence"]), reason))
                    self._reject(frame["sequence"], out)
            self.processed = frame["sequence"]
        elif frame.name in ("Accepted", "Refused"):
            number = frame["number"]
            recipient = self._waiting.pop(number, None)
            row = self.db.execute("select id from gateway_sent where incarnation = ? and number = ? and status = 'open'",
                                  (self.incarnation, number)).fetchone()
            if not row:
                return
            if frame.name == "Accepted":
                if recipient in self._held and not self._held[recipient].numbers:
                    del self._held[recipient]
                self._accept(row[0])
            elif frame["reason"] == Reason.OutcomeUnknown:
                self._settle(row[0], "unknown", frame["reason"])
            elif frame["reason"] >= FIRST_FINAL_REASON:
                self._settle(row[0], "refused", frame["reason"])
            elif recipient:
                held = self._held.setdefault(recipient, _Held())
                wait = frame["retryAfterMs"] / 1000 or min(60, 2 ** held.tries)
                held.numbers.add(number)
                held.due = max(held.due, time.monotonic() + wait)

    def _take_receipt(self, frame):
        status = _RECEIPTS[frame["kind"]]
        final = ("rejected", "expired", "discarded", "read") + (() if status == "read" else ("delivered",))
        for number in frame["numbers"]:
            # The recipient is compared because anybody may send a read receipt for any number; and only accepted closes an open one.
            row = self.db.execute("select id, status, heard from gateway_sent where incarnation = ? and number = ? and kind = 0 "
                                  "and recipient = ?", (frame["incarnation"], number, str(frame["peer"]))).fetchone()
            if not row or row[1] in final:
                continue
            if row[1] != "open":
                self._settle(row[0], status, frame["reason"])
            elif row[2] not in final:
                self.db.execute("update gateway_sent set heard = ?, heard_reason = ? where id = ?", (status, frame["reason"], row[0]))

    # Established: sending

    def _pump(self):
        """Sends what the window has room for: open numbers in rising order, none to a mailbox that is held."""
        if self._leaving is not None:
            if not self._waiting:
                self._leave()
            return
        rows = self._open(WINDOW)
        if not rows:
            return
        now, out, busy = time.monotonic(), bytearray(), set(self._waiting.values())
        for recipient, held in self._held.items():
            if held.numbers and held.due <= now and recipient not in busy:
                held.numbers.clear()
                held.tries += 1
        lowest, too_long = rows[0][1], []
        for id, number, recipient, length in rows:
            if number > lowest + WINDOW - 1:
                break
            if number in self._waiting or recipient in self._held and self._held[recipient].numbers:
                continue
            if length > self.welcome["maxBodyBytes"]:
                too_long.append(id)
                continue
            kind, expiry, body = self.db.execute("select kind, expiry, body from gateway_sent where id = ?", (id,)).fetchone()
            out += encode("Send", to=Address.parse(recipient), number=number, lowestOpen=lowest, expirySeconds=expiry, kind=kind, body=body)
            self._waiting[number] = recipient
        if out:
            self._write(out)
        if too_long:
            with self.transaction():
                for id in too_long:
                    self._settle(id, "refused", Reason.BodyTooLarge)

    # Established: time

    def _ping(self, pong=None):
        token = secrets.randbits(64)
        self._pings[token] = time.monotonic(), pong
        self._write(encode("Ping", token=token))

    def _tick(self):
        now = time.monotonic()
        if any(now - max(at, self._read_at) > self.PONG_SECONDS for at, _ in self._pings.values()):
            return self._fail(End("reconnect", "a ping was not answered"))
        if not self._pings and now - min(self._sent_at, self._read_at) >= self._ping_after:
            self._ping()
        if any(held.numbers and held.due <= now for held in self._held.values()):
            self._pump()
        self._timer = asyncio.get_running_loop().call_later(min(0.25, self._ping_after / 4), self._tick)
