using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Protocol;

/// <summary>Reading and writing a frame allocates no managed bytes: a reactor does it millions of times a second.</summary>
public class AllocationTests
{
    private const int Frames = 100_000;

    public static TheoryData<string> Types => [.. Enum.GetNames<FrameType>().Where(n => ConnectionRules.IsKnown(Enum.Parse<FrameType>(n)))];

    [Theory]
    [MemberData(nameof(Types))]
    public void Writing_and_reading_allocates_nothing(string name)
    {
        var type = Enum.Parse<FrameType>(name);
        var grammar = new FrameGrammar(1);
        var written = new byte[FrameGrammar.MaxFrameBytes];
        var again = new byte[FrameGrammar.MaxFrameBytes];

        // The two frames with a proof pay for an HMAC each time: fewer of them say as much.
        var frames = type is FrameType.Authenticate or FrameType.Welcome ? Frames / 20 : Frames;
        Assert.Equal(0, Measure(() =>
        {
            for (var i = 0; i < frames; i++)
            {
                ReadOnlySpan<byte> rest = written.AsSpan(0, grammar.WriteValid(written, type));
                FrameReader.TryRead(ref rest, FrameGrammar.MaxFrameBytes, out var read, out var payload);
                if (FrameJudge.ParseOnly(read, payload) != ErrorCode.None) throw new InvalidOperationException("does not parse");
                FrameRewriter.Rewrite(read, payload, again);
            }
        }));
    }

    [Fact]
    public void Reading_from_segments_and_judging_faults_allocates_nothing()
    {
        var bytes = new byte[FrameGrammar.MaxFrameBytes];
        var length = new FrameGrammar(2).WriteValid(bytes, FrameType.Deliver);
        var cut = Segments.Of(bytes.AsSpan(0, length), 2, 20);
        var scratch = new byte[FrameGrammar.MaxFrameBytes];
        var fault = ProtocolVectors.Bytes(ProtocolVectors.Faults.Single(f => ProtocolVectors.Name(f) == "send-reserved"));
        Assert.Equal(0, Measure(() =>
        {
            for (var i = 0; i < Frames; i++)
            {
                var rest = cut;
                if (FrameReader.TryRead(ref rest, scratch.Length, scratch, out _, out _) != FrameStatus.Frame)
                    throw new InvalidOperationException("not read");
                if (FrameJudge.Judge(true, ConnectionPhase.Established, 65536, fault) != ErrorCode.MalformedFrame)
                    throw new InvalidOperationException("not judged");
            }
        }));
    }

    /// <summary>
    /// The least of three times, after one that is not counted: the runtime allocates for itself on first use and when it compiles a method anew, whenever that is.
    /// What a frame costs is in each of the three.
    /// </summary>
    private static long Measure(Action work)
    {
        work();
        var least = long.MaxValue;
        for (var time = 0; time < 3; time++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
