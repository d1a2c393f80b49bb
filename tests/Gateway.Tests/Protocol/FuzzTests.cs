using System.Buffers;
using System.Globalization;
using System.Text;
using Gateway.Protocol;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Protocol;

/// <summary>
/// Ten million frames, good and damaged, against the reader, the rules and the parsers. Bursts of frames are written into a reused
/// buffer, some of them damaged, and read as one connection would: from one span and from segments cut at random.
/// Invariants: nothing throws; the reader agrees with a second opinion about the header; it consumes exactly the frame or nothing; a
/// payload lies where the frame lies; both paths agree; every verdict is a defined code of the codec; what parses writes back the same.
/// </summary>
public class FuzzTests(ITestOutputHelper output)
{
    private const int Frames = 10_000_000;
    private const ulong FirstSeed = 20_251_122;

    /// <summary>Two workers, each with a seed of its own, so that a failure repeats from one number.</summary>
    private const int Workers = 2;

    private static readonly ErrorCode[] CodecErrors =
    [
        ErrorCode.None, ErrorCode.MalformedFrame, ErrorCode.FrameTooLarge, ErrorCode.UnknownFrameType, ErrorCode.UnexpectedFrame,
        ErrorCode.BadMagic, ErrorCode.UnsupportedVersion, ErrorCode.BadAddress,
    ];

    [Fact]
    public async Task Ten_million_frames_are_judged_without_a_fault_and_reach_every_error_of_the_codec()
    {
        var runs = Enumerable.Range(0, Workers).Select(i => new Run(FirstSeed + (ulong)i)).ToArray();
        await Task.WhenAll(runs.Select(r => Task.Run(() => r.Go(Frames / Workers))));

        var table = new StringBuilder();
        table.AppendLine(CultureInfo.InvariantCulture, $"seeds {string.Join(", ", runs.Select(r => r.Seed))}");
        foreach (var code in CodecErrors)
        {
            var times = runs.Sum(r => r.Reached[(int)code]);
            table.AppendLine(CultureInfo.InvariantCulture, $"{(int)code,3}  {code,-20} {times,10}");
        }

        table.AppendLine(CultureInfo.InvariantCulture, $"     {"(more bytes needed)",-20} {runs.Sum(r => r.Partial),10}");
        output.WriteLine(table.ToString());
        Console.Write(table);

        Assert.True(runs.Sum(r => r.Judged) >= Frames);
        foreach (var code in CodecErrors) Assert.True(runs.Sum(r => r.Reached[(int)code]) > 0, $"{code} was never reached");
        foreach (var run in runs) Assert.Equal(run.Judged, CodecErrors.Sum(c => run.Reached[(int)c]));
    }

    [Fact]
    public void The_grammar_writes_only_frames_that_parse_and_repeats_from_its_seed()
    {
        var first = new FrameGrammar(7);
        var second = new FrameGrammar(7);
        var one = new byte[FrameGrammar.MaxFrameBytes];
        var two = new byte[FrameGrammar.MaxFrameBytes];
        for (var i = 0; i < 20_000; i++)
        {
            var type = first.AnyType();
            var length = first.WriteValid(one, type);
            Assert.Equal(type, second.AnyType());
            Assert.Equal(length, second.WriteValid(two, type));
            Assert.True(one.AsSpan(0, length).SequenceEqual(two.AsSpan(0, length)));
            Assert.Equal(ErrorCode.None, FrameJudge.ParseOnly(type, one.AsSpan(Wire.HeaderBytes, length - Wire.HeaderBytes)));
        }
    }

    /// <summary>One worker: its grammar, its buffers, its counts. Its own thread only.</summary>
    private sealed class Run(ulong seed)
    {
        private const int BurstFrames = 16;
        private const int MaxBodyBytes = 1024;
        private const int OfEach = 32;
        private static readonly FrameType[] Types = [.. Enum.GetValues<FrameType>().Where(ConnectionRules.IsKnown)];

        /// <summary>For each sender and phase the types that belong there, as indexes of <see cref="Types"/>; all if none does.</summary>
        private static readonly int[][] Legal = [.. Enumerable.Range(0, 10).Select(LegalIn)];

        private readonly FrameGrammar _grammar = new(seed);
        private readonly byte[] _burst = new byte[BurstFrames * FrameGrammar.MaxFrameBytes];
        private readonly byte[] _again = new byte[Wire.HeaderBytes + 2048];
        private readonly byte[] _scratch = new byte[Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling)];
        private readonly Segment[] _segments = [new(), new(), new(), new()];

        /// <summary>Valid frames of each type, renewed one by one, so that writing fields is not the greater part of the work.</summary>
        private readonly byte[][] _corpus =
            [.. Enumerable.Range(0, Types.Length * OfEach).Select(_ => new byte[FrameGrammar.MaxFrameBytes])];
        private readonly int[] _lengths = new int[Types.Length * OfEach];

        public ulong Seed => seed;
        public long Judged { get; private set; }
        public long Partial { get; private set; }
        public long[] Reached { get; } = new long[256];

        public void Go(long frames)
        {
            for (var i = 0; i < _corpus.Length; i++) Renew(i);
            while (Judged < frames)
            {
                var at = Judged;
                try
                {
                    var roll = _grammar.Dice.Next();
                    // Most of the traffic belongs to established sessions.
                    var phase = (roll >> 8 & 1) == 0 ? ConnectionPhase.Established : (ConnectionPhase)((roll >> 16) % 5);
                    var fromClient = (roll >> 9 & 1) == 0;
                    Read(Write(Legal[(fromClient ? 0 : 5) + (int)phase]), phase, fromClient);
                }
                catch (Exception e)
                {
                    throw new InvalidOperationException($"seed {seed}, burst from frame {at}, frame {Judged}: {e.Message}", e);
                }
            }
        }

        private static int[] LegalIn(int index)
        {
            var phase = (ConnectionPhase)(index % 5);
            var legal = Enumerable.Range(0, Types.Length).Where(t => (index < 5
                ? ConnectionRules.ClientMaySend(phase, Types[t])
                : ConnectionRules.NodeMaySend(phase, Types[t])) == ErrorCode.None);
            return legal.Any() ? [.. legal] : [.. Enumerable.Range(0, Types.Length)];
        }

        private void Renew(int i) => _lengths[i] = _grammar.WriteValid(_corpus[i], Types[i / OfEach]);

        private int Write(int[] legal)
        {
            var total = 0;
            for (var i = 0; i < BurstFrames; i++)
            {
                var roll = _grammar.Dice.Next();
                // Some frames come at the wrong place, so that most bursts see one.
                var type = (roll & 31) == 0 ? _grammar.Dice.Below(Types.Length) : legal[_grammar.Dice.Below(legal.Length)];
                var pick = type * OfEach + (int)(roll >> 5 & (OfEach - 1));
                if ((roll >> 10 & 3) == 0) Renew(pick);
                var length = _lengths[pick];
                var frame = _burst.AsSpan(total);
                _corpus[pick].AsSpan(0, length).CopyTo(frame);
                if ((roll >> 12 & 3) == 0) _grammar.Mutate(frame, ref length);
                total += length;
            }

            return total;
        }

        private void Read(int total, ConnectionPhase phase, bool fromClient)
        {
            var limit = fromClient
                ? ConnectionRules.MaxClientPayloadBytes(phase, MaxBodyBytes)
                : ConnectionRules.MaxNodePayloadBytes(phase);

            ReadOnlySpan<byte> whole = _burst.AsSpan(0, total);
            var rest = whole;
            var cut = Cut(total);
            while (true)
            {
                var before = rest;
                var status = FrameReader.TryRead(ref rest, limit, out var type, out var payload);
                CheckHeader(before, rest, limit, status, type, payload);
                CheckSegments(ref cut, rest, limit, status, type, payload);
                switch (status)
                {
                    case FrameStatus.Partial:
                        Partial++;
                        return;
                    case FrameStatus.TooLarge:
                        Count(ErrorCode.FrameTooLarge);
                        return;
                }

                var error = FrameJudge.JudgePayload(fromClient, phase, type, payload);
                Count(error);
                // A parser may not rest on the rules that guard it: it is asked about frames in the wrong place, too.
                var parsed = error == ErrorCode.UnexpectedFrame ? FrameJudge.ParseOnly(type, payload) : error;
                if (parsed == ErrorCode.None) CheckRewrite(before, type, payload);
            }
        }

        private void Count(ErrorCode error)
        {
            if (!CodecErrors.AsSpan().Contains(error)) throw new InvalidOperationException($"{error} is no error of the codec");
            Judged++;
            Reached[(int)error]++;
        }

        /// <summary>A second opinion, byte by byte, about what the header says.</summary>
        private static void CheckHeader(
            ReadOnlySpan<byte> before, ReadOnlySpan<byte> rest, int limit, FrameStatus status, FrameType type,
            ReadOnlySpan<byte> payload)
        {
            FrameStatus expected;
            var length = 0;
            if (before.Length < 4)
            {
                expected = FrameStatus.Partial;
            }
            else
            {
                length = before[0] + 256 * before[1] + 65536 * before[2];
                expected = length > limit ? FrameStatus.TooLarge : length > before.Length - 4 ? FrameStatus.Partial : FrameStatus.Frame;
                if ((byte)type != before[3]) throw new InvalidOperationException($"type {type} read from {before[3]}");
            }

            if (status != expected) throw new InvalidOperationException($"{status} where {expected} is right");
            var consumed = before.Length - rest.Length;
            if (status != FrameStatus.Frame)
            {
                if (consumed != 0 || payload.Length != 0) throw new InvalidOperationException($"{status} consumed {consumed} bytes");
                return;
            }

            if (consumed != 4 + length || payload.Length != length)
                throw new InvalidOperationException($"consumed {consumed} of {4 + length}");
            if (length != 0 && (!before.Overlaps(payload, out var offset) || offset != 4))
                throw new InvalidOperationException("the payload does not lie behind its header");
        }

        private void CheckSegments(
            ref ReadOnlySequence<byte> cut, ReadOnlySpan<byte> rest, int limit, FrameStatus status, FrameType type,
            ReadOnlySpan<byte> payload)
        {
            var other = FrameReader.TryRead(ref cut, limit, _scratch, out var otherType, out var otherPayload);
            if (other != status || otherType != type || !otherPayload.SequenceEqual(payload) || cut.Length != rest.Length)
                throw new InvalidOperationException($"from segments: {other} {otherType}, from one span: {status} {type}");
        }

        private void CheckRewrite(ReadOnlySpan<byte> before, FrameType type, ReadOnlySpan<byte> payload)
        {
            // An HMAC costs as much as a hundred frames: the two frames with a proof are written back once in a while.
            if (type is FrameType.Authenticate or FrameType.Welcome && (Judged & 63) != 0) return;
            var length = FrameRewriter.Rewrite(type, payload, _again);
            if (!_again.AsSpan(0, length).SequenceEqual(before[..(Wire.HeaderBytes + payload.Length)]))
                throw new InvalidOperationException($"{type} {Convert.ToHexString(payload)} writes back differently");
        }

        private ReadOnlySequence<byte> Cut(int total)
        {
            Span<int> cuts = [_grammar.Dice.Below(total + 1), _grammar.Dice.Below(total + 1), _grammar.Dice.Below(total + 1)];
            cuts.Sort();
            var start = 0;
            for (var i = 0; i < 4; i++)
            {
                var end = i < 3 ? cuts[i] : total;
                _segments[i].Set(_burst.AsMemory(start, end - start), start, i < 3 ? _segments[i + 1] : null);
                start = end;
            }

            return new ReadOnlySequence<byte>(_segments[0], 0, _segments[3], _segments[3].Memory.Length);
        }
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public void Set(ReadOnlyMemory<byte> memory, long runningIndex, Segment? next)
        {
            Memory = memory;
            RunningIndex = runningIndex;
            Next = next;
        }
    }
}
