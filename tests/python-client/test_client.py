"""The client against a scripted node: what a real one does only on a bad day. Needs nothing but Python."""

import asyncio
import tempfile
import unittest

from gateway_client import (AWAIT_AUTHENTICATE, ESTABLISHED, Address, Client, Code, Decoder, Fault, Handler, KeyFile, Reason, encode,
                            encode_proven, node_proof)

ADDRESS, PEER, OTHER = (Address.parse(text) for text in ("15550001:3", "15550002", "15550003"))
KEY = KeyFile(ADDRESS, 0, bytes(range(32)))


class Session:
    """The node's side of one connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.decoder = reader, writer, Decoder("client")

    async def read(self, timeout=5):
        while (frame := self.decoder.next()) is None:
            data = await asyncio.wait_for(self.reader.read(65536), timeout)
            if not data:
                return None
            self.decoder.feed(data)
        return frame

    async def sends(self, count):
        return [(await self.read())["number"] for _ in range(count)]

    async def quiet(self, seconds=0.1):
        try:
            return await self.read(seconds)
        except asyncio.TimeoutError:
            return None

    def write(self, name, **fields):
        self.writer.write(encode(name, **fields))

    def deliver(self, sequence, previous=0, body=b"", flags=0):
        self.write("Deliver", **{"from": PEER}, sequence=sequence, previous=previous, number=1, incarnation=1, enqueuedAt=0, flags=flags,
                   body=body)

    def fail(self, code):
        self.write("Error", code=code, detail=0, text="")
        self.writer.close()

    async def greet(self, key=KEY.key, low=1, settled=0, incarnation=7, generation=1, idle=60000):
        hello = await self.read()
        self.write("Challenge", version=1, features=0, nodeNonce=bytes(16))
        self.decoder.phase = AWAIT_AUTHENTICATE
        self.login = await self.read()
        self.writer.write(encode_proven(
            "Welcome", lambda proven: node_proof(key, hello["clientNonce"], bytes(16), proven), sessionEpoch=1,
            incarnation=self.login["incarnation"] or incarnation, windowLow=low, windowSettled=settled, nodeTime=0, generation=generation,
            maxBodyBytes=65536, idleTimeoutMs=idle, pending=0))
        self.decoder.phase = ESTABLISHED
        return self


class Recorder(Handler):
    def __init__(self):
        self.bodies, self.changes, self.gaps, self.generations, self.states = [], [], [], [], []

    def deliver(self, db, message):
        self.bodies.append(message["body"])

    def status(self, db, id, status, reason):
        self.changes.append((id, status, reason))

    def gap(self, db, after, before):
        self.gaps.append((after, before))

    def restored(self, db, generation, low, settled):
        self.generations.append((generation, low, settled))

    def connection(self, state, detail):
        self.states.append((state, detail))


class Behaviour(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.sessions, self.writers = asyncio.Queue(), []

        def accept(reader, writer):
            self.writers.append(writer)
            self.sessions.put_nowait(Session(reader, writer))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.addCleanup(server.close)
        self.client = Client("127.0.0.1", server.sockets[0].getsockname()[1], KEY, f"{self.folder.name}/state", Recorder(),
                             backoff=(0.01, 0.02), slow=(0.3, 0.4))
        self.client.FINISH_SECONDS = 0.1
        self.addAsyncCleanup(self.end)
        self.client.start()

    async def end(self):
        await self.client.close()
        for writer in self.writers:
            writer.close()
        await asyncio.sleep(0.01)

    async def session(self, **what):
        return await (await self.next()).greet(**what)

    async def next(self):
        return await asyncio.wait_for(self.sessions.get(), 5)

    async def until(self, condition):
        await self.client.wait(condition, 5)

    async def test_wrong_node_proof_is_believed_in_nothing(self):
        self.client.send(PEER, b"secret")
        session = await self.session(key=bytes(32))
        self.assertIsNone(await session.read())
        self.assertEqual((await self.client._task).then, "stop")
        self.assertEqual(self.client.incarnation, 0)

    async def test_temporary_refusal_holds_its_mailbox_and_no_other(self):
        for to in (PEER, PEER, OTHER):
            self.client.send(to, b"")
        session = await self.session()
        self.assertEqual(await session.sends(3), [1, 2, 3])
        session.write("Refused", number=1, reason=Reason.MailboxFull, retryAfterMs=300)
        await asyncio.sleep(0.05)
        self.client.send(PEER, b"")
        self.client.send(OTHER, b"")
        self.assertEqual(await session.sends(1), [5])
        self.assertIsNone(await session.quiet(0.8))  # 2 is not answered yet
        session.write("Refused", number=2, reason=Reason.HeldForOrder, retryAfterMs=0)
        self.assertEqual(await session.sends(3), [1, 2, 4])
        for number in range(1, 6):
            session.write("Accepted", number=number)
        await self.until(lambda: self.client.count("accepted") == 5)
        self.assertEqual(self.client._held, {})

    async def test_window_and_lowest_open(self):
        with self.client.transaction():
            for _ in range(70):
                self.client.send(PEER, b"")
        session = await self.session()
        self.assertEqual(await session.sends(64), list(range(1, 65)))
        self.assertIsNone(await session.quiet())
        session.write("Accepted", number=2)
        self.assertIsNone(await session.quiet())
        session.write("Refused", number=1, reason=999, retryAfterMs=0)
        frames = [await session.read(), await session.read()]
        self.assertEqual([(f["number"], f["lowestOpen"]) for f in frames], [(65, 3), (66, 3)])
        self.assertEqual(self.client.status_of(1), "refused")

    async def test_after_a_reconnect(self):
        for _ in range(4):
            self.client.send(PEER, b"")
        session = await self.session()
        await session.sends(4)
        session.writer.close()
        session = await self.session(low=1, settled=4)
        self.assertEqual(session.login["incarnation"], 7)
        self.assertEqual(await session.sends(3), [1, 2, 4])
        self.assertEqual([self.client.status_of(id) for id in (1, 2, 3, 4)], ["open", "open", "accepted", "open"])

    async def set_back(self, low, settled):
        ids = [self.client.send(PEER, b"") for _ in range(2)]
        session = await self.session()
        await session.sends(2)
        session.writer.close()
        session = await self.session(low=low, settled=settled)  # 1 and 2 are open, the next is 3
        self.assertIsNone(await session.read())
        session = await self.session(incarnation=8)
        self.assertEqual(session.login["incarnation"], 0)
        self.assertEqual([self.client.status_of(id) for id in ids], ["unknown", "unknown"])

    async def test_low_mark_above_an_open_number_means_set_back(self):
        await self.set_back(2, 0)

    async def test_low_mark_above_the_next_number_means_set_back(self):
        await self.set_back(4, 0)

    async def test_settled_number_that_was_never_given_out_means_set_back(self):
        await self.set_back(1, 4)

    async def test_fenced(self):
        id = self.client.send(PEER, b"")
        session = await self.session()
        await session.sends(1)
        session.fail(Code.IncarnationFenced)
        session = await self.session(incarnation=8)
        self.assertEqual((session.login["incarnation"], self.client.status_of(id)), (0, "unknown"))
        self.assertIsNone(await session.quiet())
        self.client.send(PEER, b"")
        self.assertEqual(await session.sends(1), [1])

    async def test_repetitions_and_gaps(self):
        session = await self.session()
        session.deliver(10, 5, b"first")
        self.assertEqual(await session.read(), {"sequence": 10})
        session.deliver(10, 9, b"again", 1)
        session.deliver(20, 10, b"second")
        self.assertEqual(await session.read(), {"sequence": 20})
        session.deliver(30, 25, b"third")
        await session.read()
        session.deliver(40, 0, b"fourth")
        await session.read()
        self.assertEqual(self.client.handler.bodies, [b"first", b"second", b"third", b"fourth"])
        self.assertEqual(self.client.handler.gaps, [(20, 30)])
        session.writer.close()
        session = await self.session()
        self.assertEqual(session.login["resume"], 40)

    async def test_receipts(self):
        self.client.send(PEER, b"")
        session = await self.session()
        await session.sends(1)

        async def receipt(sequence, kind, peer=PEER, incarnation=7):
            session.write("Receipt", sequence=sequence, previous=0, peer=peer, incarnation=incarnation, kind=kind, flags=0, reason=0,
                          numbers=[1, 99])
            await session.read()
            return self.client.status_of(1)

        self.assertEqual(await receipt(1, 1, peer=OTHER), "open")
        self.assertEqual(await receipt(2, 1, incarnation=6), "open")
        self.assertEqual(await receipt(3, 2), "open")
        self.assertEqual(await receipt(4, 2, peer=Address.parse(f"{PEER}:1")), "open")
        session.write("Accepted", number=1)
        await self.until(lambda: self.client.status_of(1) == "read")
        self.assertEqual(await receipt(5, 1), "read")
        self.assertEqual(await receipt(6, 4), "read")

        self.client.send(PEER, b"")
        await session.sends(1)
        session.write("Accepted", number=2)
        await self.until(lambda: self.client.status_of(2) == "accepted")
        for sequence, kind, status in ((7, 1, "delivered"), (8, 4, "delivered"), (9, 2, "read")):
            session.write("Receipt", sequence=sequence, previous=0, peer=PEER, incarnation=7, kind=kind, flags=0, reason=0, numbers=[2])
            await session.read()
            self.assertEqual(self.client.status_of(2), status)

    async def test_position_passes_a_rejected_entry_only_behind_a_pong(self):
        self.client.handler.deliver = lambda db, message: 5 if message["body"] == b"bad" else None
        session = await self.session()
        session.deliver(10, 0, b"bad")
        frames = [await session.read() for _ in range(3)]
        self.assertEqual([f.name for f in frames], ["Reject", "Acknowledge", "Ping"])
        session.writer.close()  # nobody knows whether the node read it

        session = await self.session()
        self.assertEqual(session.login["resume"], 9)
        session.deliver(10, 0, b"bad")
        frames = [await session.read() for _ in range(3)]
        self.assertEqual((frames[0], frames[2].name), ({"sequence": 10, "reason": 5}, "Ping"))
        session.write("Pong", token=frames[2]["token"])
        await self.until(lambda: not self.client._rejecting)
        session.writer.close()

        session = await self.session()
        self.assertEqual(session.login["resume"], 10)
        session.deliver(20, 10, b"bad")
        await session.read()
        session.writer.close()
        session = await self.session()
        self.assertEqual(session.login["resume"], 19)
        session.deliver(30, 20, b"good")  # the node is past 20: it took the rejection
        self.assertEqual(await session.read(), {"sequence": 30})
        self.assertEqual((self.client._rejecting, self.client.processed), ({}, 30))

    async def test_generation(self):
        (await self.session(generation=3)).writer.close()
        (await self.session(generation=3)).writer.close()
        await self.session(generation=4)
        await self.until(lambda: self.client.handler.generations == [(4, 1, 0)])

    async def test_answers_pings_and_sends_its_own(self):
        session = await self.session(idle=400)
        session.write("Ping", token=5)
        self.assertEqual((await session.read()).name, "Pong")
        ping = await session.read(0.5)
        self.assertEqual(ping.name, "Ping")

    async def test_a_ping_without_answer_ends_the_connection(self):
        self.client.PONG_SECONDS = 0.2
        await self.session(idle=400)
        await self.session()
        self.assertIn("a ping was not answered", str(self.client.handler.states))

    async def test_go_away(self):
        id = self.client.send(PEER, b"")
        session = await self.session()
        await session.sends(1)
        session.write("GoAway", reason=Code.ShuttingDown, reconnectAfterMs=200)
        await asyncio.sleep(0.02)
        self.client.send(PEER, b"")
        self.assertIsNone(await session.quiet(0.05))
        session.write("Accepted", number=1)
        self.assertIsNone(await session.read())
        self.assertEqual(self.client.status_of(id), "accepted")
        self.assertTrue(self.sessions.empty())
        session = await self.session(settled=1)
        self.assertEqual(await session.sends(1), [2])

    async def test_ends_that_forbid_reconnecting(self):
        session = await self.session()
        session.fail(Code.TakenOver)
        self.assertEqual((await self.client._task).code, Code.TakenOver)
        self.assertEqual(self.client.state, "stopped")

    async def test_unknown_error_reconnects_and_defects_do_it_slowly(self):
        (await self.session()).fail(9999)
        session = await self.session()
        session.write("Accepted", number=0)
        self.assertIsNone(await session.read())
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.sessions.get(), 0.2)
        await self.session()

    async def test_feature_that_was_not_offered(self):
        session = await self.next()
        await session.read()
        session.write("Challenge", version=1, features=4, nodeNonce=bytes(16))
        self.assertIsNone(await session.read())

    async def test_effect_that_fails_is_not_acknowledged(self):
        def fail(db, message):
            raise RuntimeError("disk full")

        session = await self.session()
        self.client.handler.deliver = fail
        session.deliver(1)
        self.assertIsNone(await session.read())
        with self.assertRaises(RuntimeError):
            await self.client._task
        self.assertEqual(self.client.processed, 0)


class Frames(unittest.TestCase):
    def test_fault_after_good_frames(self):
        decoder = Decoder("node", ESTABLISHED)
        decoder.feed(encode("Accepted", number=1) + bytes.fromhex("00000018"))
        self.assertEqual(decoder.next(), {"number": 1})
        with self.assertRaises(Fault):
            decoder.next()


if __name__ == "__main__":
    unittest.main()
