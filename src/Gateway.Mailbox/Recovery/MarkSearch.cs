using System.Buffers.Binary;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Recovery;

/// <summary>
/// Looks behind the end of a scan for a mark that says the log was durable beyond it. Lengths cannot be trusted there, so every multiple
/// of 4 is tried. A mark holds the log's identity, which no sender knows, so no body can pose as one; and its segment's seal, so no mark of another
/// segment that the file held before can.
/// </summary>
internal static class MarkSearch
{
    private const int Bytes = RecordLayout.LengthBytes + RecordLayout.MarkBytes;

    /// <summary>The first mark at or after <paramref name="from"/> that names a later address than it; null when there is none.</summary>
    public static (long Address, long Durable)? Find(SegmentStore segments, ulong identity, long from)
    {
        (long, long)? found = null;
        Each(segments, identity, from, (address, durable) =>
        {
            if (durable > from) found = (address, durable);
            return found is null;
        });
        return found;
    }

    /// <summary>Every mark at or after <paramref name="from"/>, by rising address, some of them twice, until <paramref name="goOn"/> says no.</summary>
    public static void Each(SegmentStore segments, ulong identity, long from, Func<long, long, bool> goOn)
    {
        var window = new byte[1 << 20];
        for (var start = from; start < segments.AllocatedThrough; start = (start | (segments.SegmentBytes - 1)) + 1)
        {
            var file = segments.FileOf(start);
            var seal = segments.SealOf(start);
            var fileEnd = SegmentHeader.Bytes + segments.SegmentBytes;
            var offset = segments.OffsetInFile(start);
            var toAddress = start - offset;
            while (offset < fileEnd && file.TryFindData(offset, out var data, out var dataEnd))
            {
                // A mark that ends in the data may begin before it: back up by one mark.
                offset = Math.Max(offset, (data & ~3L) - Bytes);
                dataEnd = Math.Min(dataEnd, fileEnd);
                while (offset < dataEnd)
                {
                    var read = file.Read(offset, window.AsSpan(0, (int)Math.Min(window.Length, fileEnd - offset)));
                    // Most of what lies behind a log's end is zeros, where a segment was not used before.
                    var first = window.AsSpan(0, read).IndexOfAnyExcept((byte)0);
                    if (first < 0) first = read;
                    for (var i = first & ~3; i + Bytes <= read; i += 4)
                    {
                        if (IsMark(window.AsSpan(i), seal, identity, out var durable) && !goOn(toAddress + offset + i, durable)) return;
                    }

                    if (read < window.Length) break;
                    offset += read - Bytes;
                }

                offset = dataEnd;
            }
        }
    }

    private static bool IsMark(ReadOnlySpan<byte> at, RecordSeal seal, ulong identity, out long durable)
    {
        durable = 0;
        if (BinaryPrimitives.ReadUInt32LittleEndian(at) != RecordLayout.MarkBytes) return false;
        var record = at.Slice(RecordLayout.LengthBytes, RecordLayout.MarkBytes);
        if (RecordLayout.TypeOf(record) != RecordType.Mark || RecordLayout.U64(record, RecordLayout.MarkIdentityOffset) != identity) return false;
        if (!seal.Holds(record)) return false;
        durable = (long)RecordLayout.U64(record, RecordLayout.MarkDurableOffset);
        return true;
    }
}
