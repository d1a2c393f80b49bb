using System.Text.Json.Nodes;
using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>The cases of protocol-vectors.json about who a device is: addresses, keys, proofs and their text forms.</summary>
internal static class VectorIdentity
{
    public static JsonObject Addresses()
    {
        var valid = new JsonArray();
        foreach (var text in (string[])
            ["15550001", "15550001:3", "15550001:0", "1", "1125899906842623:1023", "007", "15550001:03", " 15550001 ", "group/42",
             "service/7", "service/7:1023"])
        {
            if (!Address.TryParse(text, out var address, out var error)) throw new InvalidOperationException(error);
            valid.Add(new JsonObject
            {
                ["text"] = text,
                ["canonical"] = address.ToString(),
                ["kind"] = (byte)address.Kind,
                ["number"] = FrameText.Text(address.Number),
                ["device"] = address.Device,
                ["value"] = FrameText.Text(address.Value),
                ["hex"] = FrameText.Hex(BitConverter.GetBytes(address.Value)),
                ["canLogIn"] = address.IsDevice,
            });
        }

        return new JsonObject
        {
            ["valid"] = valid,
            ["invalidText"] = new JsonArray(
                "", "0", "-1", "+1", "1.5", "0x1", "1 2", "1125899906842624", "99999999999999999999", "15550001:", "15550001:1024",
                "15550001:-1", "15550001:1:2", ":1", "group/", "group/0", "group/42:1", "group/42:0", "service/", "Service/7", "user/1",
                "invalid/1", "1\0", "1:1\0", "\u0661", "1\n", "\t1", "15550001 :3"),
            ["invalidHex"] = new JsonArray(
                "0000000000000000", "0000000000000010", "00a8000000000000", "00a8000000000040", "00a80000000000f0", "01a8000000000020"),
        };
    }

    public static JsonArray DeviceKeys()
    {
        var cases = new JsonArray();
        foreach (var (secret, address, epoch) in ((byte[], string, uint)[])
            [
                (VectorFrames.NodeSecret, "15550001:3", 2), (VectorFrames.NodeSecret, "15550001:3", 0),
                (VectorFrames.NodeSecret, "15550001", 0), (VectorFrames.NodeSecret, "service/7", uint.MaxValue), (new byte[32], "1", 0),
            ])
        {
            if (!Address.TryParse(address, out var parsed, out var error)) throw new InvalidOperationException(error);
            var key = new byte[DeviceKey.KeyBytes];
            DeviceKey.Derive(secret, parsed, epoch, key);
            cases.Add(new JsonObject
            {
                ["nodeSecret"] = FrameText.Hex(secret),
                ["address"] = address,
                ["epoch"] = epoch,
                ["key"] = FrameText.Hex(key),
            });
        }

        return cases;
    }

    public static JsonArray Proofs(JsonArray frames)
    {
        var cases = new JsonArray();
        foreach (var frame in frames)
        {
            if (frame!["proofInputs"] is null) continue;
            var isDevice = frame["frame"]!.GetValue<string>() == "Authenticate";
            var hex = frame["hex"]!.GetValue<string>();
            cases.Add(new JsonObject
            {
                ["of"] = isDevice ? "device" : "node",
                ["key"] = FrameText.Hex(VectorFrames.Key),
                ["clientNonce"] = FrameText.Hex(VectorFrames.ClientNonce),
                ["nodeNonce"] = FrameText.Hex(VectorFrames.NodeNonce),
                ["proven"] = hex[(2 * Wire.HeaderBytes)..^(2 * Wire.ProofBytes)],
                ["proof"] = hex[^(2 * Wire.ProofBytes)..],
            });
        }

        return cases;
    }

    public static JsonObject KeyFiles()
    {
        const string Digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        var valid = new JsonArray();
        foreach (var text in (string[])
            [
                $"gateway-key 1\naddress 15550001:3\nepoch 2\nkey {FrameText.Hex(VectorFrames.Key)}\n",
                $"gateway-key 1;address service/7;epoch 4294967295;key {Digits}",
                $"gateway-key 1\r\naddress 15550001\r\nepoch 0\r\nkey {Digits.ToUpperInvariant()}\r\n",
                $"\n  gateway-key 1 \n\n\taddress\t15550001:0\nepoch  00 ; key {Digits};;\n\n",
                $"gateway-key 1\naddress 15550001\nepoch 0\nkey {Digits}",
            ])
        {
            if (!KeyFile.TryParse(text, out var file, out var error)) throw new InvalidOperationException(error);
            valid.Add(new JsonObject
            {
                ["text"] = text,
                ["address"] = file.Address.ToString(),
                ["epoch"] = file.Epoch,
                ["key"] = FrameText.Hex(file.Key),
                ["canonical"] = file.Format(),
                ["oneLine"] = file.FormatOneLine(),
            });
        }

        var invalid = new JsonArray();
        foreach (var (text, line) in ((string, int)[])
            [
                ("", 0),
                ("\n \n;", 0),
                ($"gateway-key 2\naddress 15550001\nepoch 0\nkey {Digits}\n", 1),
                ($"address 15550001\nepoch 0\nkey {Digits}\n", 1),
                ($"gateway-key 1 2\naddress 15550001\nepoch 0\nkey {Digits}\n", 1),
                ($"\uFEFFgateway-key 1\naddress 15550001\nepoch 0\nkey {Digits}\n", 1),
                ($"gateway-key 1\nepoch 0\naddress 15550001\nkey {Digits}\n", 2),
                ($"gateway-key 1\naddress 0\nepoch 0\nkey {Digits}\n", 2),
                ($"gateway-key 1\naddress\nepoch 0\nkey {Digits}\n", 2),
                ($"gateway-key 1\naddress group/42\nepoch 0\nkey {Digits}\n", 2),
                ($"gateway-key 1\naddress {Digits}\nepoch 0\nkey {Digits}\n", 2),
                ($"gateway-key 1\naddress=15550001\nepoch 0\nkey {Digits}\n", 2),
                ($"gateway-key 1\naddress 15550001\nepoch -1\nkey {Digits}\n", 3),
                ($"gateway-key 1\naddress 15550001\nepoch 4294967296\nkey {Digits}\n", 3),
                ($"gateway-key 1\naddress 15550001\nepoch 0\0\nkey {Digits}\n", 3),
                ($"gateway-key 1\naddress 15550001\nepoch 0\nkey {Digits[..63]}\n", 4),
                ($"gateway-key 1\naddress 15550001\nepoch 0\nkey {Digits[..63]}g\n", 4),
                ($"gateway-key 1\naddress 15550001\nepoch 0\nkey {Digits}0\n", 4),
                ($"gateway-key 1\naddress 15550001\nepoch 0\nkey\n", 4),
                ("gateway-key 1\naddress 15550001\nepoch 0\n", 0),
                ($"gateway-key 1\naddress 15550001\nepoch 0\nkey {Digits}\nepoch 1\n", 5),
            ])
        {
            // Line 0: the fault is an end that came too soon, which no line holds.
            invalid.Add(new JsonObject { ["text"] = text, ["line"] = line });
        }

        return new JsonObject { ["valid"] = valid, ["invalid"] = invalid };
    }

    public static JsonObject NodeSecrets() => new()
    {
        ["valid"] = new JsonArray(
            Secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"),
            Secret(" 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\r\n"),
            Secret("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")),
        ["invalid"] = new JsonArray(
            "", "\n", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1", "0x" + new string('0', 62), new string('g', 64),
            new string('0', 65), new string('0', 32) + "\n" + new string('0', 32)),
    };

    private static JsonObject Secret(string text)
    {
        if (!Gateway.Protocol.NodeSecret.TryParse(text, out var secret, out var error)) throw new InvalidOperationException(error);
        return new JsonObject { ["text"] = text, ["secret"] = FrameText.Hex(secret) };
    }
}
