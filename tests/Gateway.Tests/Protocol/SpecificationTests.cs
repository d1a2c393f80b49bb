using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Protocol;

/// <summary>PROTOCOL.md holds no table and no example that the code does not agree with.</summary>
public class SpecificationTests
{
    private static readonly Dictionary<string, int> FixedSizes =
        new Dictionary<string, int> { ["u8"] = 1, ["u16"] = 2, ["u32"] = 4, ["u64"] = 8, ["address"] = 8 };

    [Fact]
    public void Every_hex_example_is_the_vector_it_is_named_after_and_reads_as_its_frame()
    {
        foreach (var (name, type, section) in SpecificationText.FrameSections())
        {
            var examples = SpecificationText.HexBlocks(section).ToArray();
            Assert.NotEmpty(examples);
            foreach (var (_, bytes) in examples)
            {
                ReadOnlySpan<byte> rest = bytes;
                Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref rest, 1024, out var read, out var payload));
                Assert.True(rest.IsEmpty, name);
                Assert.Equal(type, (byte)read);
                Assert.Equal(ErrorCode.None, FrameJudge.ParseOnly(read, payload));
            }
        }

        var all = SpecificationText.HexBlocks(SpecificationText.Text).ToArray();
        Assert.True(all.Length >= 18);
        foreach (var (name, bytes) in all) Assert.Equal(ProtocolVectors.Bytes(ProtocolVectors.Frame(name)), bytes);
    }

    [Fact]
    public void Every_frame_has_a_section_under_its_name_and_value()
    {
        var sections = SpecificationText.FrameSections().Select(s => (s.Name, s.Type)).ToArray();
        var types = Enum.GetValues<FrameType>().Where(ConnectionRules.IsKnown).Select(t => (t.ToString(), (byte)t)).ToArray();
        Assert.Equal(types, sections);
    }

    public static TheoryData<string> VectorNames => [.. ProtocolVectors.Frames.Select(ProtocolVectors.Name)];

    [Theory]
    [MemberData(nameof(VectorNames))]
    public void The_field_tables_alone_suffice_to_decode_a_frame(string name)
    {
        var vector = ProtocolVectors.Frame(name);
        var payload = ProtocolVectors.Bytes(vector).AsSpan(Wire.HeaderBytes);
        var type = ProtocolVectors.Type(vector);
        var table = SpecificationText.Fields(SpecificationText.FrameSections().Single(s => s.Type == (byte)type).Section);
        var decoded = new JsonObject();

        var at = 0;
        foreach (var row in table)
        {
            Assert.Equal(at, row.Offset);
            if (FixedSizes.TryGetValue(row.Type, out var size)) Assert.Equal(size, row.Size);
            var bytes = row.Size is { } length ? payload.Slice(at, length) : payload[at..];
            at += bytes.Length;
            switch (row.Type)
            {
                case "u8": decoded[row.Name] = bytes[0]; break;
                case "u16": decoded[row.Name] = BinaryPrimitives.ReadUInt16LittleEndian(bytes); break;
                case "u32": decoded[row.Name] = BinaryPrimitives.ReadUInt32LittleEndian(bytes); break;
                case "u64": decoded[row.Name] = FrameText.Text(BinaryPrimitives.ReadUInt64LittleEndian(bytes)); break;
                case "address": decoded[row.Name] = new Address(BinaryPrimitives.ReadUInt64LittleEndian(bytes)).ToString(); break;
                case "text": decoded[row.Name] = Encoding.UTF8.GetString(bytes); break;
                case "zero": Assert.False(bytes.ContainsAnyExcept((byte)0), row.Name); break;
                case "bytes" when row.Name == "magic": Assert.True(bytes.SequenceEqual("GWY1"u8)); break;
                case "bytes": decoded[row.Name] = FrameText.Hex(bytes); break;
                case "numbers":
                    var numbers = new JsonArray();
                    for (; !bytes.IsEmpty; bytes = bytes[8..]) numbers.Add(FrameText.Text(BinaryPrimitives.ReadUInt64LittleEndian(bytes)));
                    decoded[row.Name] = numbers;
                    break;
                default: Assert.Fail($"{row.Type} is none of the types under \"Values\""); break;
            }
        }

        Assert.Equal(payload.Length, at);
        Assert.True(JsonNode.DeepEquals(vector["fields"], JsonNode.Parse(decoded.ToJsonString())), decoded.ToJsonString());
    }

    [Fact]
    public void The_connection_table_is_the_rules_of_the_code()
    {
        var rows = SpecificationText.Rows(SpecificationText.Section("## Connection"))
            .Where(r => r[0].StartsWith("0x", StringComparison.Ordinal))
            .ToDictionary(r => (FrameType)Convert.ToByte(r[0][2..], 16));
        Assert.Equal(Enum.GetValues<FrameType>().Where(ConnectionRules.IsKnown), rows.Keys);
        foreach (var (type, row) in rows)
        {
            Assert.Equal(type.ToString(), row[1]);
            foreach (var phase in Enum.GetValues<ConnectionPhase>())
            {
                AssertSays(row[2], phase, ConnectionRules.ClientMaySend(phase, type));
                AssertSays(row[3], phase, ConnectionRules.NodeMaySend(phase, type));
            }
        }

        static void AssertSays(string cell, ConnectionPhase phase, ErrorCode judged) => Assert.Equal(
            cell.Split(", ").Contains(phase.ToString()) ? ErrorCode.None : ErrorCode.UnexpectedFrame, judged);
    }

    [Fact]
    public void The_table_of_error_codes_is_complete()
    {
        var rows = SpecificationText.Rows(SpecificationText.Section("## Error codes"))
            .Select(r => (int.Parse(r[0], CultureInfo.InvariantCulture), r[1]));
        Assert.Equal(Enum.GetValues<ErrorCode>().Where(c => c != ErrorCode.None).Select(c => ((int)c, c.ToString())), rows);
    }

    [Fact]
    public void The_table_of_refusal_reasons_is_complete()
    {
        var rows = SpecificationText.Rows(SpecificationText.Section("## Refusals"))
            .Select(r => (int.Parse(r[0], CultureInfo.InvariantCulture), r[1]));
        var sent = Enum.GetValues<RefusalReason>().Where(r => r is not (RefusalReason.None or RefusalReason.FirstFinal));
        Assert.Equal(sent.Select(r => ((int)r, r.ToString())), rows);
    }

    [Fact]
    public void The_table_of_receipt_kinds_is_complete()
    {
        var rows = SpecificationText.Rows(SpecificationText.Section("## Receipts")).Where(r => r.Length == 3)
            .Select(r => (int.Parse(r[0], CultureInfo.InvariantCulture), r[1]));
        Assert.Equal(Enum.GetValues<ReceiptKind>().Where(k => k != ReceiptKind.None).Select(k => ((int)k, k.ToString())), rows);
    }

    [Fact]
    public void The_table_of_limits_is_the_code()
    {
        var limits = SpecificationText.Rows(SpecificationText.Section("## Limits"))
            .Select(r => int.Parse(r[1], CultureInfo.InvariantCulture));
        Assert.Equal(
            [
                0xFF_FFFF, Wire.DefaultMaxBodyBytes, Wire.MaxBodyBytesFloor, Wire.MaxBodyBytesCeiling, Wire.WindowSize,
                Wire.MaxReceiptNumbers, Wire.MaxEphemeralBytes, Wire.MaxErrorTextBytes,
            ],
            limits);
    }

    [Fact]
    public void The_table_of_longest_payloads_is_the_code()
    {
        var rows = SpecificationText.Rows(SpecificationText.Section("### Judging a frame")).Select(r => r[2]).ToArray();
        Assert.Equal(Digits(ConnectionRules.MaxClientPayloadBytes(ConnectionPhase.AwaitWelcome, 65536)), rows[0]);
        Assert.Equal("`maxBodyBytes` + 44", rows[1]);
        foreach (var body in (int[])[520, 65536, 524288])
            Assert.Equal(body + 44, ConnectionRules.MaxClientPayloadBytes(ConnectionPhase.Established, body));
        Assert.Equal(Digits(ConnectionRules.MaxNodePayloadBytes(ConnectionPhase.AwaitHello)), rows[2]);
        Assert.Equal(Digits(ConnectionRules.MaxNodePayloadBytes(ConnectionPhase.Established)), rows[3]);

        static string Digits(int value) => value.ToString(CultureInfo.InvariantCulture);
    }

    [Fact]
    public void The_example_of_a_key_file_is_the_first_in_the_vectors()
    {
        const string Fence = "```key-file\n";
        var start = SpecificationText.Text.IndexOf(Fence, StringComparison.Ordinal) + Fence.Length;
        var example = SpecificationText.Text[start..SpecificationText.Text.IndexOf("```", start, StringComparison.Ordinal)];
        Assert.Equal(ProtocolVectors.Root["keyFiles"]!["valid"]![0]!["text"]!.GetValue<string>(), example);
    }

    [Fact]
    public void The_worked_handshake_is_what_the_code_computes()
    {
        var lines = SpecificationText.Section("## Handshake").Split('\n');
        Assert.Equal(VectorFrames.NodeSecret, Hex("node secret"));
        Assert.Equal(VectorFrames.ClientNonce, Hex("client nonce"));
        Assert.Equal(VectorFrames.NodeNonce, Hex("node nonce"));
        Assert.Equal(VectorFrames.Key, Hex("device key"));
        Assert.Equal(VectorFrames.Key, Hmac(Hex("node secret"), Hex("key message")));
        Assert.Equal(ProofOf("authenticate"), Hex("device proof"));
        Assert.Equal(ProofOf("authenticate"), Hmac(Hex("device key"), Hex("device message")));
        Assert.Equal(ProofOf("welcome"), Hex("node proof"));
        Assert.Equal(ProofOf("welcome"), Hmac(Hex("device key"), Hex("node message")));

        byte[] ProofOf(string vector) =>
            Convert.FromHexString(ProtocolVectors.Frame(vector)["fields"]!["proof"]!.GetValue<string>());

        static byte[] Hmac(byte[] key, byte[] message) => System.Security.Cryptography.HMACSHA256.HashData(key, message);

        // A value begins in column 15 and may go on in the lines below it.
        byte[] Hex(string label)
        {
            var first = Array.FindIndex(lines, l => l.StartsWith(label.PadRight(15), StringComparison.Ordinal));
            var text = lines[first][15..];
            for (var i = first + 1; lines[i].StartsWith("               ", StringComparison.Ordinal); i++) text += lines[i].Trim();
            return Convert.FromHexString(text);
        }
    }

    [Fact]
    public void Every_section_is_named_in_the_contents()
    {
        var contents = SpecificationText.Section("## Contents").Split('\n', '·').Select(c => c.Trim()).ToHashSet();
        var headings = SpecificationText.Text.Split('\n').Where(l => l.StartsWith("## ", StringComparison.Ordinal) && l != "## Contents");
        foreach (var line in headings)
            Assert.Contains(line[3..], contents);
    }
}
