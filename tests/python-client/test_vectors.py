"""Every vector of protocol-vectors.json against this client. The file is GATEWAY_VECTORS, or the repository's."""

import json
import os
import unittest
from pathlib import Path

from gateway_client import (AWAIT_AUTHENTICATE, AWAIT_HELLO, AWAIT_WELCOME, ESTABLISHED, Address, Code, Decoder, Fault, KeyFile,
                            KeyFileError, derive_key, device_proof, encode, encode_proven, node_proof, parse_node_secret)

DEFAULT = Path(__file__).resolve().parent / "../../src/Gateway.Protocol/protocol-vectors.json"
VECTORS = json.loads(Path(os.environ.get("GATEWAY_VECTORS") or DEFAULT).read_text("utf-8"))
U64 = {"resume", "windowLow", "windowSettled", "nodeTime", "number", "lowestOpen", "sequence", "previous", "token"}
ADDRESSES = {"address", "to", "from", "peer"}
HEX = {"clientNonce", "nodeNonce", "proof", "body", "data"}
PROVE = {"Authenticate": device_proof, "Welcome": node_proof}
# Where a frame of each name may come from, and when.
PLACE = {"Hello": ("client", AWAIT_HELLO), "Challenge": ("node", AWAIT_HELLO), "Authenticate": ("client", AWAIT_AUTHENTICATE),
         "Welcome": ("node", AWAIT_WELCOME), "Send": ("client", ESTABLISHED), "Acknowledge": ("client", ESTABLISHED),
         "Reject": ("client", ESTABLISHED), "Credit": ("client", ESTABLISHED)}


def from_json(name, value):
    if name in U64:
        return int(value)
    if name == "numbers":
        return [int(n) for n in value]
    if name in ADDRESSES:
        return Address.parse(value)
    return bytes.fromhex(value) if name in HEX else value


def to_json(name, value):
    if name in U64:
        return str(value)
    if name == "numbers":
        return [str(n) for n in value]
    if name in ADDRESSES:
        return str(value)
    return value.hex() if name in HEX else value


class Vectors(unittest.TestCase):
    def test_schema(self):
        self.assertEqual((VECTORS["schema"], VECTORS["protocolVersion"]), (1, 1))

    def test_addresses(self):
        for case in VECTORS["addresses"]["valid"]:
            with self.subTest(case["text"]):
                address = Address.parse(case["text"])
                self.assertEqual(str(address), case["canonical"])
                self.assertEqual((address.kind, address.number, address.device), (case["kind"], int(case["number"]), case["device"]))
                self.assertEqual((str(address.value), address.wire.hex()), (case["value"], case["hex"]))
                self.assertEqual(address.can_log_in, case["canLogIn"])
                self.assertEqual(Address.of_value(int.from_bytes(bytes.fromhex(case["hex"]), "little")), address)

    def test_invalid_addresses(self):
        for text in VECTORS["addresses"]["invalidText"]:
            with self.subTest(str(text)[:80]):
                with self.assertRaises(ValueError):
                    Address.parse(text)
        for text in VECTORS["addresses"]["invalidHex"]:
            with self.subTest(str(text)[:80]):
                with self.assertRaises(ValueError):
                    Address.of_value(int.from_bytes(bytes.fromhex(text), "little"))

    def test_node_secrets(self):
        for case in VECTORS["nodeSecrets"]["valid"]:
            with self.subTest(str(case)[:80]):
                self.assertEqual(parse_node_secret(case["text"]).hex(), case["secret"])
        for text in VECTORS["nodeSecrets"]["invalid"]:
            with self.subTest(str(text)[:80]):
                with self.assertRaises(ValueError):
                    parse_node_secret(text)

    def test_device_keys(self):
        for case in VECTORS["deviceKeys"]:
            with self.subTest(str(case)[:80]):
                key = derive_key(bytes.fromhex(case["nodeSecret"]), Address.parse(case["address"]), case["epoch"])
                self.assertEqual(key.hex(), case["key"])

    def test_key_files(self):
        for case in VECTORS["keyFiles"]["valid"]:
            with self.subTest(str(case)[:80]):
                file = KeyFile.parse(case["text"])
                self.assertEqual((str(file.address), file.epoch, file.key.hex()), (case["address"], case["epoch"], case["key"]))
                self.assertEqual((str(file), file.one_line()), (case["canonical"], case["oneLine"]))
                self.assertNotIn(case["key"], repr(file))

    def test_invalid_key_files(self):
        for case in VECTORS["keyFiles"]["invalid"]:
            with self.subTest(str(case)[:80]):
                with self.assertRaises(KeyFileError) as raised:
                    KeyFile.parse(case["text"])
                self.assertEqual(raised.exception.line, case["line"])
                self.assertNotIn("0405060708", str(raised.exception).lower())

    def test_proofs(self):
        for case in VECTORS["proofs"]:
            with self.subTest(str(case)[:80]):
                prove = {"device": device_proof, "node": node_proof}[case["of"]]
                inputs = [bytes.fromhex(case[name]) for name in ("key", "clientNonce", "nodeNonce", "proven")]
                self.assertEqual(prove(*inputs).hex(), case["proof"])

    def test_frames(self):
        for case in VECTORS["frames"]:
            with self.subTest(case["name"]):
                data = bytes.fromhex(case["hex"])
                decoder = Decoder(*PLACE.get(case["frame"], ("node", ESTABLISHED)))
                decoder.feed(data)
                frame = decoder.next()
                self.assertIsNone(decoder.next())
                self.assertEqual(frame.name, case["frame"])
                self.assertEqual({name: to_json(name, value) for name, value in frame.items()}, case["fields"])
                fields = {name: from_json(name, value) for name, value in case["fields"].items()}
                self.assertEqual(encode(case["frame"], **fields), data)
                if inputs := case.get("proofInputs"):
                    del fields["proof"]
                    values = [bytes.fromhex(inputs[name]) for name in ("key", "clientNonce", "nodeNonce")]
                    self.assertEqual(encode_proven(case["frame"], lambda proven: PROVE[frame.name](*values, proven), **fields), data)

    def test_frames_cut_anywhere(self):
        for case in VECTORS["frames"]:
            with self.subTest(case["name"]):
                data = bytes.fromhex(case["hex"])
                decoder = Decoder(*PLACE.get(case["frame"], ("node", ESTABLISHED)))
                for i in range(len(data)):
                    self.assertIsNone(decoder.next())
                    decoder.feed(data[i:i + 1])
                self.assertEqual(decoder.next().name, case["frame"])

    def test_invalid_frames(self):
        for case in VECTORS["invalidFrames"]:
            with self.subTest(case["name"]):
                decoder = Decoder(case["from"], case["phase"], case["maxBodyBytes"])
                decoder.feed(bytes.fromhex(case["hex"]))
                with self.assertRaises(Fault) as raised:
                    decoder.next()
                self.assertEqual((raised.exception.code, raised.exception.code.name), (case["code"], case["error"]))
                self.assertEqual(Code[case["error"]], case["code"])


if __name__ == "__main__":
    unittest.main()
