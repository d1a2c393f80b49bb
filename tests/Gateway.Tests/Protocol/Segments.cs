using System.Buffers;

namespace Gateway.Tests.Protocol;

/// <summary>Bytes as a sequence of segments, each in memory of its own, so that a read across a border cannot succeed by luck.</summary>
internal sealed class Segments : ReadOnlySequenceSegment<byte>
{
    private Segments(ReadOnlyMemory<byte> memory, long runningIndex)
    {
        Memory = memory;
        RunningIndex = runningIndex;
    }

    /// <summary>Cuts at the given rising positions; equal positions give empty segments.</summary>
    public static ReadOnlySequence<byte> Of(ReadOnlySpan<byte> bytes, params ReadOnlySpan<int> cuts)
    {
        Segments? first = null;
        Segments? last = null;
        var start = 0;
        for (var i = 0; i <= cuts.Length; i++)
        {
            var end = i < cuts.Length ? cuts[i] : bytes.Length;
            var segment = new Segments(bytes[start..end].ToArray(), start);
            first ??= segment;
            if (last is not null) last.Next = segment;
            last = segment;
            start = end;
        }

        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }
}
