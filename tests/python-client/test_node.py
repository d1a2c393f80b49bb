"""The client against a real node: GATEWAY_HOST, GATEWAY_PORT, and GATEWAY_SECRET (the path of the node's secret file).

Every test takes fresh addresses, so it may run again and again against one node.
"""

import asyncio
import hmac
import os
import random
import secrets
import socket
import struct
import tempfile
import time
import unittest
from pathlib import Path

from gateway_client import (AWAIT_WELCOME, ESTABLISHED, Address, Client, Code, Decoder, Handler, KeyFile, Reason, derive_key,
                            device_proof, encode, encode_proven, node_proof, parse_node_secret)

NAMES = ("GATEWAY_HOST", "GATEWAY_PORT", "GATEWAY_SECRET")
MISSING = [name for name in NAMES if not os.environ.get(name)]
WHY = f"no node: {', '.join(MISSING)} not set"
if MISSING:
    print(f"test_node skips: {WHY}")
else:
    HOST, PORT = os.environ["GATEWAY_HOST"], int(os.environ["GATEWAY_PORT"])
    SECRET = parse_node_secret(Path(os.environ["GATEWAY_SECRET"]).read_text("ascii"))


def some_key(device=0):
    address = Address(Address.USER, random.randrange(10**14, 10**15), device)
    return KeyFile(address, 0, derive_key(SECRET, address, 0))


class Raw:
    """A connection that sends what it is told to, right or wrong."""

    def __init__(self, timeout=10):
        self.socket = socket.create_connection((HOST, PORT), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder = Decoder("node")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, *frames):
        self.socket.sendall(b"".join(frames))

    def read(self):
        """The next frame, or None at the end of the connection."""
        while (frame := self.decoder.next()) is None:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.decoder.feed(data)
        return frame

    def hello(self, low=1, high=1):
        self.nonce = secrets.token_bytes(16)
        self.write(encode("Hello", minVersion=low, maxVersion=high, features=0, clientNonce=self.nonce))
        frame = self.read()
        self.decoder.phase = AWAIT_WELCOME
        return frame

    def authentication(self, key, node_nonce, incarnation=0, resume=0, credit=(64, 1 << 20)):
        return encode_proven("Authenticate", lambda proven: device_proof(key.key, self.nonce, node_nonce, proven), address=key.address,
                             keyEpoch=key.epoch, incarnation=incarnation, resume=resume, creditMessages=credit[0], creditBytes=credit[1])

    def log_in(self, key, **what):
        """Welcome, or the error in its place."""
        challenge = self.hello()
        self.write(self.authentication(key, challenge["nodeNonce"], **what))
        frame = self.read()
        if frame.name == "Welcome":
            assert hmac.compare_digest(frame["proof"], node_proof(key.key, self.nonce, challenge["nodeNonce"], frame.proven))
            self.decoder.phase, self.decoder.max_body = ESTABLISHED, frame["maxBodyBytes"]
        return frame

    def send(self, to, number, body=b"", lowest=None, kind=0, expiry=0):
        self.write(encode("Send", to=to, number=number, lowestOpen=number if lowest is None else lowest, expirySeconds=expiry, kind=kind,
                          body=body))


class Recorder(Handler):
    """Keeps what happens: messages in a table of the client's own database, the rest in lists."""

    def __init__(self):
        self.messages, self.changes, self.typing, self.gaps, self.states, self.reject = [], [], [], [], [], None

    def deliver(self, db, message):
        if self.reject is not None:
            return self.reject
        db.execute("create table if not exists got(id integer primary key, body blob)")
        db.execute("insert into got(body) values (?)", (message["body"],))
        self.messages.append(message)

    def status(self, db, id, status, reason):
        self.changes.append((id, status, reason))

    def gap(self, db, after, before):
        self.gaps.append((after, before))

    def ephemeral(self, frame):
        self.typing.append((frame["peer"], frame["kind"], frame["data"]))

    def connection(self, state, detail):
        self.states.append((state, detail))


def bodies(client):
    return [row[0] for row in client.db.execute("select body from got order by id")]


@unittest.skipIf(MISSING, WHY)
class WithClients(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    def client(self, key, start=True, **options):
        path = f"{self.folder.name}/{str(key.address).replace('/', '-')}.db"
        client = Client(HOST, PORT, key, path, Recorder(), **({"backoff": (0.05, 0.2)} | options))
        if start:
            client.start()
        self.addAsyncCleanup(client.close)
        return client

    async def established(self, *clients):
        for client in clients:
            await client.wait(lambda: client.state == "established", 20)


class Messages(WithClients):
    async def test_both_ways_with_single_and_double_check(self):
        a, b = self.client(some_key()), self.client(some_key(3))
        await self.established(a, b)
        there = [a.send(b.key.address, f"there {i}".encode()) for i in range(100)]
        back = [b.send(a.key.address, f"back {i}".encode()) for i in range(100)]
        await a.wait(lambda: a.count("delivered") == 100, 30)
        await b.wait(lambda: b.count("delivered") == 100, 30)
        self.assertEqual(bodies(b), [f"there {i}".encode() for i in range(100)])
        self.assertEqual(bodies(a), [f"back {i}".encode() for i in range(100)])
        for client, ids in ((a, there), (b, back)):
            for id in ids:
                statuses = [status for changed, status, _ in client.handler.changes if changed == id]
                self.assertIn(statuses, (["accepted", "delivered"], ["delivered"]))
            self.assertEqual(client.handler.gaps, [])
        message = b.handler.messages[0]
        self.assertEqual((message["from"], message["number"], message["incarnation"]), (a.key.address, 1, a.incarnation))
        self.assertLess(abs(message["enqueuedAt"] - time.time()), 60)

    async def test_to_itself_and_empty_and_longest_bodies(self):
        a = self.client(some_key())
        await self.established(a)
        longest = os.urandom(a.welcome["maxBodyBytes"])
        for body in (b"", longest, b"\x00\xff"):
            a.send(a.key.address, body)
        await a.wait(lambda: a.count("delivered") == 3, 20)
        self.assertEqual(bodies(a), [b"", longest, b"\x00\xff"])

    async def test_offline_recipient_then_login(self):
        a, b = self.client(some_key()), self.client(some_key(), start=False)
        ids = [a.send(b.key.address, b"%d" % i) for i in range(200)]
        await a.wait(lambda: a.count("accepted") == 200, 30)
        self.assertEqual(a.count("delivered"), 0)
        b.start()
        await a.wait(lambda: a.count("delivered") == 200, 30)
        self.assertEqual(bodies(b), [b"%d" % i for i in range(200)])
        self.assertEqual(b.welcome["pending"], 200)
        self.assertEqual(a.status_of(ids[0]), "delivered")

    async def test_sender_offline_finds_its_receipts_later(self):
        a_key, b = some_key(), self.client(some_key(), start=False)
        a = self.client(a_key)
        id = a.send(b.key.address, b"x")
        await a.wait(lambda: a.count("accepted") == 1, 20)
        await a.close()
        b.start()
        await b.wait(lambda: b.handler.messages, 20)
        await b.flush()
        a = self.client(a_key)
        await a.wait(lambda: a.status_of(id) == "delivered", 20)

    async def test_reject(self):
        a, b = self.client(some_key()), self.client(some_key())
        await self.established(a, b)
        b.handler.reject = 65535
        bad = a.send(b.key.address, b"poison")
        await a.wait(lambda: a.status_of(bad) == "rejected", 20)
        self.assertIn((bad, "rejected", 65535), a.handler.changes)
        b.handler.reject = None
        good = a.send(b.key.address, b"food")
        await a.wait(lambda: a.status_of(good) == "delivered", 20)
        self.assertEqual(bodies(b), [b"food"])
        self.assertEqual(b.handler.gaps, [])

    async def test_read_receipt(self):
        a, b = self.client(some_key()), self.client(some_key())
        ids = [a.send(b.key.address, b"%d" % i) for i in range(70)]
        await b.wait(lambda: len(b.handler.messages) == 70, 20)
        b.mark_read(b.handler.messages)
        stranger = self.client(some_key())
        stranger.mark_read([dict(b.handler.messages[0], number=71)])
        other = a.send(a.key.address, b"71")
        await stranger.wait(lambda: stranger.count("accepted") == 1, 20)
        await a.wait(lambda: a.count("read") == 70, 20)
        self.assertEqual({a.status_of(id) for id in ids}, {"read"})
        await a.wait(lambda: a.status_of(other) == "delivered", 20)
        await b.wait(lambda: b.count("accepted") == 2, 20)
        self.assertEqual(b.count("delivered"), 0)

    async def test_final_refusals_do_not_end_the_session(self):
        a = self.client(some_key())
        await self.established(a)
        group = a.send(Address.parse("group/42"), b"all")
        long = a.send(a.key.address, bytes(a.welcome["maxBodyBytes"] + 1))
        fine = a.send(a.key.address, b"me")
        await a.wait(lambda: a.status_of(fine) == "delivered", 20)
        self.assertIn((group, "refused", Reason.UnsupportedRecipient), a.handler.changes)
        self.assertIn((long, "refused", Reason.BodyTooLarge), a.handler.changes)
        self.assertEqual([state for state, _ in a.handler.states].count("established"), 1)

    async def test_typing(self):
        a, b = self.client(some_key()), self.client(some_key())
        await self.established(a, b)
        a.ephemeral(b.key.address, 1)
        await b.wait(lambda: b.handler.typing or self.poke(b), 20)
        a.ephemeral(b.key.address, 200, bytes(512))
        await asyncio.sleep(0.3)
        self.assertEqual(b.handler.typing, [(a.key.address, 1, b""), (a.key.address, 200, bytes(512))])

    def poke(self, client):
        asyncio.get_running_loop().call_later(0.05, client._changed.set)


class Connections(WithClients):
    async def test_reconnect_resends_open_numbers(self):
        a, b = self.client(some_key()), self.client(some_key())
        await self.established(a, b)
        for i in range(500):
            a.send(b.key.address, b"%d" % i)
            if i % 50 == 49:
                await asyncio.sleep(0)
                a._writer.transport.abort()
                await asyncio.sleep(0.02)
                await self.established(a)
        await a.wait(lambda: a.count("delivered") == 500, 60)
        self.assertEqual(bodies(b), [b"%d" % i for i in range(500)])

    async def test_crash_of_the_program_resends_from_its_outbox(self):
        key, b = some_key(), self.client(some_key())
        a = self.client(key, start=False)
        for i in range(100):
            a.send(b.key.address, b"%d" % i)
        await a.close()
        a = self.client(key)
        await a.wait(lambda: a.count("delivered") == 100, 30)
        self.assertEqual(bodies(b), [b"%d" % i for i in range(100)])

    async def test_processed_but_not_acknowledged_is_dropped_as_a_repetition(self):
        a, key = self.client(some_key()), some_key()
        b = self.client(key)
        await self.established(a, b)
        whole = b._write
        b._write = lambda data: None  # the acknowledgement never leaves
        a.send(b.key.address, b"once")
        await b.wait(lambda: b.handler.messages, 20)
        self.assertEqual(a.count("delivered"), 0)
        b._write = whole
        b._writer.transport.abort()
        await a.wait(lambda: a.count("delivered") == 1, 20)
        self.assertEqual(bodies(b), [b"once"])

    async def test_take_over(self):
        key = some_key()
        first = self.client(key)
        await self.established(first)
        other = Client(HOST, PORT, key, f"{self.folder.name}/other.db", Recorder())
        other.db.execute("update gateway_state set incarnation = ?", (first.incarnation,))
        other._load()
        self.addAsyncCleanup(other.close)
        other.start()
        await first.wait(lambda: first.state == "stopped", 20)
        self.assertEqual(first.end.code, Code.TakenOver)
        await self.established(other)
        self.assertFalse(other._task.done())

    async def test_second_installation_fences_the_first(self):
        key = some_key()
        first = self.client(key)
        await self.established(first)
        await first.close()
        first = self.client(key, start=False)
        id = first.send(key.address, b"whose fate nobody knows")
        with Raw() as raw:
            self.assertGreater(raw.log_in(key)["incarnation"], first.incarnation)
        first.start()
        await self.established(first)
        self.assertEqual(first.status_of(id), "unknown")
        after = first.send(key.address, b"afresh")
        await first.wait(lambda: first.status_of(after) == "delivered", 20)

    async def test_state_that_was_set_back_does_not_reuse_numbers(self):
        key = some_key()
        a = self.client(key)
        a.send(key.address, b"one")
        await a.wait(lambda: a.count("delivered") == 1, 20)
        await a.close()
        a = self.client(key, start=False)
        a.db.execute("delete from gateway_sent")
        a.db.execute("update gateway_state set next = 1")
        a._load()
        before = a.incarnation
        a.start()
        await self.established(a)
        self.assertGreater(a.incarnation, before)
        id = a.send(key.address, b"two")
        await a.wait(lambda: a.status_of(id) == "delivered", 20)
        self.assertEqual(bodies(a), [b"one", b"two"])

    async def test_wrong_key(self):
        key = some_key()
        client = self.client(KeyFile(key.address, 0, bytes(32)))
        self.assertEqual((await asyncio.wait_for(client._task, 20)).code, Code.AuthenticationFailed)

    async def test_epoch_that_was_never_issued(self):
        address = some_key().address
        client = self.client(KeyFile(address, 7, derive_key(SECRET, address, 7)))
        self.assertEqual((await asyncio.wait_for(client._task, 20)).code, Code.AuthenticationFailed)

    async def test_state_of_another_node(self):
        client = self.client(some_key(), start=False)
        client.db.execute("update gateway_state set processed = ?", (str(2**64 - 1),))
        client._load()
        client.start()
        self.assertEqual((await asyncio.wait_for(client._task, 20)).code, Code.ResumeAhead)

    async def test_credit_pauses_and_goes_on(self):
        a, b = self.client(some_key()), self.client(some_key(), credit=(0, 0))
        await self.established(a, b)
        for i in range(20):
            a.send(b.key.address, b"%d" % i)
        await a.wait(lambda: a.count("accepted") == 20, 20)
        await asyncio.sleep(0.2)
        self.assertEqual(b.handler.messages, [])
        b.set_credit(1, 0)
        await a.wait(lambda: a.count("delivered") == 20, 20)
        self.assertEqual(bodies(b), [b"%d" % i for i in range(20)])

    async def test_thousands_with_random_disconnects_arrive_once_in_order(self):
        total = 5000
        a, b = self.client(some_key()), self.client(some_key())
        await self.established(a, b)
        expected = [b"%d" % i for i in range(total)]
        cuts = 0

        async def cut():
            nonlocal cuts
            while True:
                await asyncio.sleep(random.uniform(0.005, 0.05))
                victim = random.choice((a, b))
                if victim._writer and not victim._writer.is_closing():
                    victim._writer.transport.abort() if random.random() < 0.7 else victim._writer.close()
                    cuts += 1

        cutter = asyncio.create_task(cut())
        try:
            for i in range(0, total, 50):
                with a.transaction():
                    for body in expected[i:i + 50]:
                        a.send(b.key.address, body)
                await asyncio.sleep(0.03)
            await a.wait(lambda: a.count("delivered") == total, 300)
        finally:
            cutter.cancel()
        self.assertEqual(bodies(b), expected)
        self.assertEqual(b.handler.gaps, [])
        self.assertGreater(cuts, 20)
        print(f"{total} messages, {cuts} cuts")


@unittest.skipIf(MISSING, WHY)
class Wire(unittest.TestCase):
    """What the node answers to frames that a right client never sends."""

    def expect_error(self, raw, code, detail=None):
        while (frame := raw.read()) and frame.name in ("Accepted", "Refused", "Deliver", "Receipt", "Pong"):
            pass
        self.assertIsNotNone(frame, "closed without an error frame")
        self.assertEqual(frame.name, "Error")
        self.assertEqual(Code(frame["code"]), code)
        if detail is not None:
            self.assertEqual(frame["detail"], detail)
        self.assertIsNone(raw.read())

    def session(self):
        key = some_key()
        raw = Raw()
        self.addCleanup(raw.socket.close)
        self.assertEqual(raw.log_in(key).name, "Welcome")
        return key, raw

    def test_handshake(self):
        key = some_key()
        with Raw() as raw:
            challenge = raw.hello()
            self.assertEqual((challenge.name, challenge["version"], challenge["features"]), ("Challenge", 1, 0))
            raw.write(raw.authentication(key, challenge["nodeNonce"]))
            welcome = raw.read()
            self.assertEqual(welcome.name, "Welcome")
            self.assertEqual(welcome["proof"], node_proof(key.key, raw.nonce, challenge["nodeNonce"], welcome.proven))
            self.assertEqual((welcome["windowLow"], welcome["windowSettled"], welcome["pending"]), (1, 0, 0))
            self.assertTrue(520 <= welcome["maxBodyBytes"] <= 524288)
            self.assertLess(abs(welcome["nodeTime"] / 1e6 - time.time()), 60)

    def test_byte_by_byte(self):
        key = some_key()
        with Raw() as raw:
            write = raw.write
            raw.write = lambda *frames: [write(frame[i:i + 1]) for frame in frames for i in range(len(frame))]
            self.assertEqual(raw.log_in(key).name, "Welcome")
            raw.send(key.address, 1, b"slow")
            self.assertEqual(raw.read().name, "Accepted")

    def test_later_client_is_answered_with_version_1(self):
        with Raw() as raw:
            self.assertEqual(raw.hello(1, 255)["version"], 1)

    def test_before_the_welcome(self):
        hello = encode("Hello", minVersion=1, maxVersion=1, features=0, clientNonce=bytes(16))
        for name, data, code in [
                ("http", b"GET / HTTP/1.1\r\n\r\n", Code.FrameTooLarge),
                ("long", bytes.fromhex("51000001"), Code.FrameTooLarge),
                ("type", bytes.fromhex("00000099"), Code.UnknownFrameType),
                ("ping", encode("Ping", token=1), Code.UnexpectedFrame),
                ("magic", hello.replace(b"GWY1", b"MQTT"), Code.BadMagic),
                ("short magic", b"\x04\0\0\1MQTT", Code.BadMagic),
                ("empty", b"\0\0\0\1", Code.MalformedFrame),
                ("reserved", hello[:10] + b"\1" + hello[11:], Code.MalformedFrame),
                ("crossed", hello[:8] + b"\2\1" + hello[10:], Code.MalformedFrame),
                ("too new", hello[:8] + b"\2\3" + hello[10:], Code.UnsupportedVersion),
                ("too old", hello[:8] + b"\0\0" + hello[10:], Code.UnsupportedVersion)]:
            with self.subTest(name), Raw() as raw:
                raw.write(data)
                self.expect_error(raw, code)

    def test_wrong_authentication(self):
        key, group = some_key(), Address.parse("group/42")
        cases = [("group", KeyFile(group, 0, derive_key(SECRET, group, 0)), {}, Code.BadAddress),
                 ("proof", KeyFile(key.address, 0, bytes(32)), {}, Code.AuthenticationFailed),
                 ("incarnation", key, {"incarnation": 9}, Code.IncarnationFenced),
                 ("resume", key, {"resume": 2**64 - 1}, Code.ResumeAhead)]
        for name, key, what, code in cases:
            with self.subTest(name), Raw() as raw:
                frame = raw.log_in(key, **what)
                self.assertEqual((frame.name, Code(frame["code"])), ("Error", code))
        with self.subTest("hello twice"), Raw() as raw:
            raw.hello()
            raw.write(encode("Hello", minVersion=1, maxVersion=1, features=0, clientNonce=bytes(16)))
            self.expect_error(raw, Code.UnexpectedFrame, 1)
        with self.subTest("send with authenticate"), Raw() as raw:
            challenge = raw.hello()
            key = some_key()
            raw.write(raw.authentication(key, challenge["nodeNonce"], resume=0), encode("Ping", token=1))
            self.assertIn(raw.read().name, ("Error", "Welcome"))

    def test_in_a_session(self):
        to = some_key().address
        send = encode("Send", to=to, number=1, lowestOpen=1, expirySeconds=0, kind=0, body=b"x")

        def changed(at, data):
            return send[:4 + at] + data + send[4 + at + len(data):]

        for name, data, code, detail in [
                ("length", struct.pack("<I", 65536 + 45 | 0x10 << 24), Code.FrameTooLarge, None),
                ("type", bytes.fromhex("00000018"), Code.UnknownFrameType, 0x18),
                ("authenticate", encode("Authenticate", address=to, keyEpoch=0, incarnation=0, resume=0, creditMessages=0, creditBytes=0,
                                        proof=bytes(32)), Code.UnexpectedFrame, 0x03),
                ("accepted", encode("Accepted", number=1), Code.UnexpectedFrame, 0x11),
                ("number 0", changed(8, bytes(8)), Code.MalformedFrame, 0x10),
                ("number 2^63", changed(8, struct.pack("<Q", 1 << 63)), Code.MalformedFrame, 0x10),
                ("lowestOpen 0", changed(16, bytes(8)), Code.MalformedFrame, 0x10),
                ("lowestOpen above number", changed(16, struct.pack("<Q", 2)), Code.MalformedFrame, 0x10),
                ("reserved", changed(29, b"\1"), Code.MalformedFrame, 0x10),
                ("nobody", changed(0, bytes(8)), Code.BadAddress, 0x10),
                ("group's device", changed(0, bytes.fromhex("01a8000000000020")), Code.BadAddress, 0x10),
                ("window", encode("Send", to=to, number=65, lowestOpen=1, expirySeconds=0, kind=0, body=b""), Code.WindowExceeded, 0x10),
                ("acknowledge 0", encode("Acknowledge", sequence=0), Code.MalformedFrame, 0x14),
                ("acknowledge ahead", encode("Acknowledge", sequence=2**64 - 1), Code.AcknowledgeAhead, 0x14),
                ("reject", encode("Reject", sequence=1, reason=0), Code.RejectUnknown, 0x15),
                ("short ping", b"\7\0\0\x20" + bytes(7), Code.MalformedFrame, 0x20),
                ("ephemeral kind 0", encode("Ephemeral", peer=to, kind=0, data=b""), Code.MalformedFrame, 0x17),
                ("ephemeral too long", encode("Ephemeral", peer=to, kind=1, data=bytes(513)), Code.MalformedFrame, 0x17)]:
            with self.subTest(name):
                _, raw = self.session()
                raw.write(data)
                self.expect_error(raw, code, detail)

    def test_refusals(self):
        key, raw = self.session()
        group = Address.parse("group/42")
        for number, to, kind, body, reason in [
                (1, group, 0, b"", Reason.UnsupportedRecipient),
                (2, key.address, 2, b"", Reason.UnsupportedKind),
                (3, key.address, 1, b"", Reason.UnsupportedKind),
                (5, key.address, 1, struct.pack("<IIQ", 1, 1, 1), Reason.UnsupportedKind),
                (7, key.address, 1, struct.pack("<II65Q", 1, 0, *[1] * 65), Reason.UnsupportedKind),
                (8, key.address, 0, bytes(65537), Reason.BodyTooLarge)]:
            with self.subTest(number):
                raw.send(to, number, body, kind=kind)
                frame = raw.read()
                self.assertEqual((frame.name, frame["number"], frame["retryAfterMs"]), ("Refused", number, 0))
                self.assertEqual(Reason(frame["reason"]), reason)
        raw.send(key.address, 9)
        self.assertEqual(raw.read().name, "Accepted")
        raw.send(key.address, 8, lowest=8)
        while (frame := raw.read()).name == "Deliver":
            pass
        self.assertEqual(frame, {"number": 8, "reason": Reason.OutcomeUnknown, "retryAfterMs": 0})

    def test_refuses_read_receipts_of_nothing(self):
        key, raw = self.session()
        for number, body in ((1, struct.pack("<IIQ", 0, 0, 1)), (2, struct.pack("<IIQ", 1, 0, 0))):
            raw.send(key.address, number, body, kind=1)
            self.assertEqual(raw.read().get("reason"), Reason.UnsupportedKind)

    def test_window(self):
        key, raw = some_key(), Raw()
        incarnation = raw.log_in(key)["incarnation"]
        to = some_key().address
        for number in (1, 3, 64):
            raw.send(to, number, b"%d" % number, lowest=1)
        self.assertEqual(sorted(raw.read()["number"] for _ in range(3)), [1, 3, 64])
        raw.send(to, 3, b"3", lowest=1)
        self.assertEqual(raw.read(), {"number": 3})
        raw.socket.close()
        with Raw() as raw:
            welcome = raw.log_in(key, incarnation=incarnation)
            self.assertEqual((welcome["incarnation"], welcome["windowLow"], welcome["windowSettled"]), (incarnation, 1, 1 | 4 | 1 << 63))
            raw.send(to, 1, b"another body")
            self.assertEqual(raw.read()["number"], 1)

    def test_repetition_is_stored_once(self):
        _, raw = self.session()
        other = some_key()
        for _ in range(3):
            raw.send(other.address, 1, b"once")
            self.assertEqual(raw.read(), {"number": 1})
        raw.send(other.address, 2, b"last")
        raw.read()
        with Raw() as reader:
            self.assertEqual(reader.log_in(other)["pending"], 2)
            self.assertEqual([reader.read()["body"] for _ in range(2)], [b"once", b"last"])

    def test_delivery(self):
        _, raw = self.session()
        other = some_key()
        for number in range(1, 6):
            raw.send(other.address, number, b"%d" % number, lowest=1)
        self.assertEqual([raw.read()["number"] for _ in range(5)], [1, 2, 3, 4, 5])
        with Raw() as reader:
            reader.log_in(other, credit=(2, 1 << 20))
            first, second = reader.read(), reader.read()
            self.assertEqual([first["body"], second["body"]], [b"1", b"2"])
            self.assertEqual(second["previous"], first["sequence"])
            reader.write(encode("Ping", token=5))
            self.assertEqual(reader.read(), {"token": 5})
            reader.write(encode("Reject", sequence=second["sequence"], reason=9))
            third = reader.read()
            self.assertEqual((third["body"], third["previous"]), (b"3", second["sequence"]))
            reader.write(encode("Acknowledge", sequence=first["sequence"]))
            self.assertEqual(reader.read()["body"], b"4")
        receipts = {}
        with Raw() as reader:
            reader.log_in(other, resume=third["sequence"])
            self.assertEqual(reader.read()["body"], b"4")
        while len(receipts) < 3:
            frame = raw.read()
            self.assertEqual((frame.name, frame["peer"]), ("Receipt", other.address))
            receipts |= {number: (frame["kind"], frame["reason"]) for number in frame["numbers"]}
        self.assertEqual(receipts, {1: (1, 0), 2: (3, 9), 3: (1, 0)})

    def test_pings_are_answered_in_order(self):
        _, raw = self.session()
        raw.write(*[encode("Ping", token=n) for n in range(50)], encode("Pong", token=99))
        self.assertEqual([raw.read()["token"] for _ in range(50)], list(range(50)))


if __name__ == "__main__":
    unittest.main()
