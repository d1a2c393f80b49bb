using System.Buffers;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Protocol;

/// <summary>PROTOCOL.md, "Vectors": the file holds what the code does, and the code does what the file holds.</summary>
public class VectorTests
{
    /// <summary>Set to 1, the test below writes the file instead of comparing: look at the difference before committing it.</summary>
    private const string RewriteVariable = "GATEWAY_REWRITE_VECTORS";

    [Fact]
    public void The_file_is_exactly_what_the_code_generates()
    {
        var generated = ProtocolVectors.Generate();
        if (Environment.GetEnvironmentVariable(RewriteVariable) == "1") File.WriteAllText(ProtocolVectors.Path, generated);
        Assert.True(
            File.Exists(ProtocolVectors.Path) && File.ReadAllText(ProtocolVectors.Path) == generated,
            $"{ProtocolVectors.Path} differs from the code; if the change is meant, run this test with {RewriteVariable}=1");
    }

    public static TheoryData<string> FrameNames => [.. ProtocolVectors.Frames.Select(ProtocolVectors.Name)];
    public static TheoryData<string> FaultNames => [.. ProtocolVectors.Faults.Select(ProtocolVectors.Name)];

    [Theory]
    [MemberData(nameof(FrameNames))]
    public void A_valid_frame_parses_to_its_fields_and_writes_to_its_bytes(string name)
    {
        var vector = ProtocolVectors.Frame(name);
        var bytes = ProtocolVectors.Bytes(vector);
        ReadOnlySpan<byte> rest = bytes;

        Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref rest, bytes.Length - Wire.HeaderBytes, out var type, out var payload));
        Assert.True(rest.IsEmpty);
        Assert.Equal(ProtocolVectors.Type(vector), type);
        Assert.True(FrameText.TryRead(type, payload, out var fields, out var error), error.ToString());
        var expected = vector["fields"]!.AsObject();
        Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(fields.ToJsonString())), $"{fields.ToJsonString()}");

        var inputs = vector["proofInputs"];
        Assert.Equal(bytes, FrameText.Write(type, expected, Hex(inputs?["key"]), Hex(inputs?["clientNonce"]), Hex(inputs?["nodeNonce"])));

        static byte[]? Hex(JsonNode? node) => node is null ? null : Convert.FromHexString(node.GetValue<string>());
    }

    [Theory]
    [MemberData(nameof(FrameNames))]
    public void A_valid_frame_reads_the_same_wherever_it_is_split(string name)
    {
        var bytes = ProtocolVectors.Bytes(ProtocolVectors.Frame(name));
        var scratch = new byte[bytes.Length];
        for (var split = 0; split < bytes.Length; split++)
        {
            // The span path: a beginning is partial and changes nothing.
            ReadOnlySpan<byte> beginning = bytes.AsSpan(0, split);
            Assert.Equal(FrameStatus.Partial, FrameReader.TryRead(ref beginning, bytes.Length, out _, out _));
            Assert.Equal(split, beginning.Length);

            AssertReadsWhole(Segments.Of(bytes, split), bytes, scratch);

            var partial = Segments.Of(bytes.AsSpan(0, split), split / 2);
            Assert.Equal(FrameStatus.Partial, FrameReader.TryRead(ref partial, bytes.Length, scratch, out _, out _));
            Assert.Equal(split, partial.Length);
        }
    }

    [Theory]
    [MemberData(nameof(FrameNames))]
    public void A_valid_frame_reads_the_same_from_three_segments(string name)
    {
        var bytes = ProtocolVectors.Bytes(ProtocolVectors.Frame(name));
        var scratch = new byte[bytes.Length];
        // Every pair of splits of a short frame; of a long one those around its header and its end.
        var near = Enumerable.Range(0, bytes.Length + 1).Where(i => i <= 48 || i >= bytes.Length - 16).ToArray();
        foreach (var first in near)
        {
            foreach (var second in near.Where(i => i >= first)) AssertReadsWhole(Segments.Of(bytes, first, second), bytes, scratch);
        }
    }

    [Fact]
    public void All_valid_frames_in_one_stream_come_out_one_by_one_at_every_split_of_the_stream()
    {
        var frames = ProtocolVectors.Frames.Where(f => ProtocolVectors.Bytes(f).Length < 200).Select(ProtocolVectors.Bytes).ToArray();
        var stream = frames.SelectMany(f => f).ToArray();
        var scratch = new byte[1024];
        for (var split = 0; split <= stream.Length; split++)
        {
            var rest = Segments.Of(stream, split);
            foreach (var frame in frames)
            {
                Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref rest, 1024, scratch, out var type, out var payload));
                Assert.Equal(frame[3], (byte)type);
                Assert.True(payload.SequenceEqual(frame.AsSpan(Wire.HeaderBytes)));
            }

            Assert.True(rest.IsEmpty);
        }
    }

    [Theory]
    [MemberData(nameof(FaultNames))]
    public void An_invalid_frame_earns_its_error(string name)
    {
        var vector = ProtocolVectors.Faults.Single(f => ProtocolVectors.Name(f) == name);
        var judged = FrameJudge.Judge(
            vector["from"]!.GetValue<string>() == "client",
            Enum.Parse<ConnectionPhase>(vector["phase"]!.GetValue<string>()),
            vector["maxBodyBytes"]!.GetValue<int>(),
            ProtocolVectors.Bytes(vector));

        Assert.Equal(vector["error"]!.GetValue<string>(), judged.ToString());
        Assert.Equal(vector["code"]!.GetValue<int>(), (int)judged!.Value);
    }

    [Fact]
    public void Names_are_unique()
    {
        var names = ProtocolVectors.Frames.Concat(ProtocolVectors.Faults).Select(ProtocolVectors.Name).ToArray();
        Assert.Equal(names.Length, names.Distinct().Count());
    }

    [Fact]
    public void Every_frame_of_this_version_has_valid_and_invalid_cases()
    {
        var known = Enum.GetValues<FrameType>().Where(ConnectionRules.IsKnown).ToHashSet();
        Assert.Equal(known, [.. ProtocolVectors.Frames.Select(ProtocolVectors.Type)]);
        Assert.Equal(known, known.Intersect(ProtocolVectors.Faults.Select(f => (FrameType)ProtocolVectors.Bytes(f)[3])).ToHashSet());
    }

    private static void AssertReadsWhole(ReadOnlySequence<byte> sequence, byte[] bytes, byte[] scratch)
    {
        Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref sequence, bytes.Length, scratch, out var type, out var payload));
        Assert.Equal(bytes[3], (byte)type);
        Assert.True(payload.SequenceEqual(bytes.AsSpan(Wire.HeaderBytes)));
        Assert.True(sequence.IsEmpty);
    }
}
