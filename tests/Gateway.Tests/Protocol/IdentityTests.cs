using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Protocol;

/// <summary>PROTOCOL.md, "Addresses".</summary>
public class AddressTests
{
    private static JsonObject Vectors => ProtocolVectors.Root["addresses"]!.AsObject();

    [Fact]
    public void A_valid_text_reads_to_its_parts_and_back()
    {
        foreach (var vector in Vectors["valid"]!.AsArray())
        {
            Assert.True(Address.TryParse(vector!["text"]!.GetValue<string>(), out var address, out var error), error);
            Assert.Equal(vector["canonical"]!.GetValue<string>(), address.ToString());
            Assert.Equal(vector["kind"]!.GetValue<int>(), (int)address.Kind);
            Assert.Equal(vector["number"]!.GetValue<string>(), FrameText.Text(address.Number));
            Assert.Equal(vector["device"]!.GetValue<int>(), address.Device);
            Assert.Equal(vector["value"]!.GetValue<string>(), FrameText.Text(address.Value));
            Assert.Equal(vector["hex"]!.GetValue<string>(), FrameText.Hex(BitConverter.GetBytes(address.Value)));
            Assert.Equal(vector["canLogIn"]!.GetValue<bool>(), address.IsDevice);
            Assert.True(address.IsValid);
        }
    }

    [Fact]
    public void Another_text_is_refused_with_a_sentence()
    {
        foreach (var text in Vectors["invalidText"]!.AsArray())
        {
            Assert.False(Address.TryParse(text!.GetValue<string>(), out var address, out var error), text.GetValue<string>());
            Assert.Equal(default, address);
            Assert.Contains(" ", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Other_bits_are_invalid()
    {
        foreach (var hex in Vectors["invalidHex"]!.AsArray().Select(h => h!.GetValue<string>()))
            Assert.False(new Address(BitConverter.ToUInt64(Convert.FromHexString(hex))).IsValid, hex);
    }

    [Fact]
    public void Whatever_64_bits_are_valid_survive_their_text() => Prop.ForAll<ulong>(bits =>
    {
        // A third of all kinds is valid: put a valid one into most.
        var address = new Address(bits & 0x0FFF_FFFF_FFFF_FFFF | (1 + bits % 3) << Address.KindShift);
        if (!address.IsValid) return !Address.TryParse(address.ToString(), out var other, out _) || other != address;
        Span<char> text = stackalloc char[40];
        return Address.TryParse(address.ToString(), out var again, out _) && again == address
            && new Address(address.Kind, address.Number, address.Device) == address
            && address.TryFormat(text, out var length, default, null) && text[..length].SequenceEqual(address.ToString())
            && !address.TryFormat(text[..(length - 1)], out _, default, null);
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(AddressKind.None, 1, 0)]
    [InlineData((AddressKind)4, 1, 0)]
    [InlineData(AddressKind.User, 0, 0)]
    [InlineData(AddressKind.User, Address.MaxNumber + 1, 0)]
    [InlineData(AddressKind.User, 1, -1)]
    [InlineData(AddressKind.User, 1, Address.MaxDevice + 1)]
    [InlineData(AddressKind.Group, 1, 1)]
    public void Parts_that_do_not_fit_are_refused(AddressKind kind, ulong number, int device) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Address(kind, number, device));
}

/// <summary>PROTOCOL.md, "Keys" and "Key file".</summary>
public class KeyTests
{
    [Fact]
    public void Device_keys_are_derived_as_the_vectors_say()
    {
        foreach (var vector in ProtocolVectors.Root["deviceKeys"]!.AsArray())
        {
            Assert.True(Address.TryParse(Text(vector, "address"), out var address, out _));
            var key = new byte[DeviceKey.KeyBytes];
            DeviceKey.Derive(Convert.FromHexString(Text(vector, "nodeSecret")), address, vector!["epoch"]!.GetValue<uint>(), key);
            Assert.Equal(Text(vector, "key"), FrameText.Hex(key));
        }
    }

    [Fact]
    public void A_node_secret_reads_from_its_text_and_writes_back()
    {
        foreach (var vector in ProtocolVectors.Root["nodeSecrets"]!["valid"]!.AsArray())
        {
            Assert.True(NodeSecret.TryParse(Text(vector, "text"), out var secret, out var error), error);
            Assert.Equal(Text(vector, "secret"), FrameText.Hex(secret));
            Assert.Equal(Text(vector, "secret") + "\n", NodeSecret.Format(secret));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => NodeSecret.Format(new byte[31]));
    }

    [Fact]
    public void Another_text_is_no_node_secret_and_is_not_shown()
    {
        foreach (var text in ProtocolVectors.Root["nodeSecrets"]!["invalid"]!.AsArray().Select(t => t!.GetValue<string>()))
        {
            Assert.False(NodeSecret.TryParse(text, out var secret, out var error));
            Assert.Null(secret);
            if (text.Length > 8) Assert.DoesNotContain(text[..8], error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_key_file_reads_from_its_text_and_writes_back()
    {
        foreach (var vector in ProtocolVectors.Root["keyFiles"]!["valid"]!.AsArray())
        {
            Assert.True(KeyFile.TryParse(Text(vector, "text"), out var file, out var error), error);
            Assert.Equal(Text(vector, "address"), file.Address.ToString());
            Assert.Equal(vector!["epoch"]!.GetValue<uint>(), file.Epoch);
            Assert.Equal(Text(vector, "key"), FrameText.Hex(file.Key));
            Assert.Equal(Text(vector, "canonical"), file.Format());
            Assert.Equal(Text(vector, "oneLine"), file.FormatOneLine());
            foreach (var written in (string[])[file.Format(), file.FormatOneLine()])
            {
                Assert.True(KeyFile.TryParse(written, out var again, out error), error);
                Assert.Equal(file.Format(), again.Format());
            }

            Assert.DoesNotContain(FrameText.Hex(file.Key), file.ToString(), StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void Another_text_is_no_key_file_the_error_names_the_line_and_shows_no_key()
    {
        const string KeyDigits = "000102030405060708090a0b0c0d0e0f";
        foreach (var vector in ProtocolVectors.Root["keyFiles"]!["invalid"]!.AsArray())
        {
            Assert.False(KeyFile.TryParse(Text(vector, "text"), out var file, out var error));
            Assert.Null(file);
            var line = vector!["line"]!.GetValue<int>();
            if (line == 0) Assert.DoesNotContain("line ", error.Replace("' line", "", StringComparison.Ordinal), StringComparison.Ordinal);
            else Assert.StartsWith($"line {line}: ", error, StringComparison.Ordinal);
            Assert.DoesNotContain(KeyDigits, error, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void A_key_file_cannot_be_made_for_a_group_or_of_a_short_key()
    {
        Assert.Throws<ArgumentException>(() => new KeyFile(new Address(AddressKind.Group, 42), 0, new byte[32]));
        Assert.Throws<ArgumentException>(() => new KeyFile(default, 0, new byte[32]));
        Assert.Throws<ArgumentException>(() => new KeyFile(new Address(AddressKind.User, 1), 0, new byte[31]));
    }

    private static string Text(JsonNode? vector, string name) => vector![name]!.GetValue<string>();
}

/// <summary>PROTOCOL.md, "Handshake".</summary>
public class HandshakeTests
{
    private readonly byte[] _proof = new byte[Wire.ProofBytes];

    [Fact]
    public void Proofs_are_computed_as_the_vectors_say()
    {
        foreach (var vector in ProtocolVectors.Root["proofs"]!.AsArray())
        {
            byte[] Hex(string name) => Convert.FromHexString(vector![name]!.GetValue<string>());
            if (vector!["of"]!.GetValue<string>() == "device")
                HandshakeProof.OfDevice(Hex("key"), Hex("clientNonce"), Hex("nodeNonce"), Hex("proven"), _proof);
            else
                HandshakeProof.OfNode(Hex("key"), Hex("clientNonce"), Hex("nodeNonce"), Hex("proven"), _proof);
            Assert.Equal(Hex("proof"), _proof);
        }
    }

    [Fact]
    public void A_proof_covers_its_side_both_nonces_every_proven_byte_and_the_key()
    {
        var key = VectorFrames.Key;
        var client = VectorFrames.ClientNonce;
        var node = VectorFrames.NodeNonce;
        var proven = VectorFrames.Rising(0, AuthenticateFrame.ProvenBytes);
        var seen = new HashSet<string>();

        void Device(byte[] k, byte[] c, byte[] n, byte[] p)
        {
            HandshakeProof.OfDevice(k, c, n, p, _proof);
            Assert.True(seen.Add(FrameText.Hex(_proof)), "two different inputs gave one proof");
        }

        Device(key, client, node, proven);
        HandshakeProof.OfNode(key, client, node, proven, _proof);
        Assert.True(seen.Add(FrameText.Hex(_proof)), "the node's proof is the device's");
        Device(key, node, client, proven);
        for (var i = 0; i < key.Length; i++) Device(Flip(key, i), client, node, proven);
        for (var i = 0; i < client.Length; i++) Device(key, Flip(client, i), node, proven);
        for (var i = 0; i < node.Length; i++) Device(key, client, Flip(node, i), proven);
        for (var i = 0; i < proven.Length; i++) Device(key, client, node, Flip(proven, i));

        static byte[] Flip(byte[] bytes, int at)
        {
            var copy = (byte[])bytes.Clone();
            copy[at] ^= 1;
            return copy;
        }
    }

    [Fact]
    public void Keys_differ_by_secret_address_device_and_epoch()
    {
        var seen = new HashSet<string>();
        var key = new byte[DeviceKey.KeyBytes];
        foreach (var secret in (byte[][])[VectorFrames.NodeSecret, VectorFrames.Rising(1, 32)])
        {
            foreach (var text in (string[])["15550001", "15550001:1", "15550002", "service/15550001"])
            {
                for (var epoch = 0u; epoch < 3; epoch++)
                {
                    Assert.True(Address.TryParse(text, out var address, out _));
                    DeviceKey.Derive(secret, address, epoch, key);
                    Assert.True(seen.Add(FrameText.Hex(key)));
                }
            }
        }
    }

    [Fact]
    public void Nonces_have_one_length()
    {
        var right = new byte[Wire.NonceBytes];
        Assert.Throws<ArgumentOutOfRangeException>(() => HandshakeProof.OfDevice(default, new byte[15], right, default, _proof));
        Assert.Throws<ArgumentOutOfRangeException>(() => HandshakeProof.OfNode(default, right, new byte[17], default, _proof));
        Assert.Throws<ArgumentOutOfRangeException>(() => HelloFrame.Write(new byte[64], new byte[15]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ChallengeFrame.Write(new byte[64], new byte[17]));
    }
}
