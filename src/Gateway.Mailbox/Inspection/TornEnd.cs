using System.Buffers.Binary;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// How much of a batch that was cut short lies behind a log's end. In a file that never held another segment that is all that is not zero; in one that
/// did, the records that bear this segment's seal, since nothing else tells what is this log's; and what stands in the sector of the end itself, so of a
/// torn record that begins with a sector nothing is seen. One thread.
/// </summary>
internal sealed class TornEnd(SegmentStore segments)
{
    /// <summary>What a disk writes whole: between a record and the end of its sector are zeros, or what the next batch wrote.</summary>
    public const int SectorBytes = 512;

    private readonly byte[] _page = new byte[segments.PageBytes];

    /// <summary>Bytes from an address to the end of what was written behind it; 0 when nothing was.</summary>
    public long BytesBehind(long end)
    {
        var last = end;
        var header = new byte[SegmentHeader.Bytes];
        for (var at = end; at < segments.AllocatedThrough; at = (at | (segments.SegmentBytes - 1)) + 1)
        {
            segments.FileOf(at).Read(0, header);
            last = Math.Max(last, SegmentHeader.IsUsedAgain(header) ? LastOfSeal(at, at == end) : LastNotZero(at));
        }

        return last - end;
    }

    /// <summary>From here to the segment's end, as below; 0: there is none.</summary>
    private long LastNotZero(long from)
    {
        var last = 0L;
        var file = segments.FileOf(from);
        var toAddress = from - segments.OffsetInFile(from);
        for (var offset = segments.OffsetInFile(from); file.TryFindData(offset, out var data, out var end); offset = end)
        {
            for (data = Math.Max(data, offset); data < end;)
            {
                var read = file.Read(data, _page.AsSpan(0, (int)Math.Min(_page.Length, end - data)));
                if (read == 0) break;
                var written = _page.AsSpan(0, read).LastIndexOfAnyExcept((byte)0);
                if (written >= 0) last = toAddress + data + written + 1;
                data += read;
            }
        }

        return last;
    }

    private long LastOfSeal(long from, bool isEnd)
    {
        var last = 0L;
        var seal = segments.SealOf(from);
        for (var at = from; at == from || (at & (segments.SegmentBytes - 1)) != 0; at = (at | (uint)(_page.Length - 1)) + 1)
        {
            var start = at & ~(_page.Length - 1L);
            _page.AsSpan(segments.FileOf(at).Read(segments.OffsetInFile(start), _page)).Clear();
            var position = (int)(at - start);
            if (isEnd && at == from)
            {
                var written = _page.AsSpan(position, -position & (SectorBytes - 1)).LastIndexOfAnyExcept((byte)0);
                if (written >= 0) last = at + written + 1;
            }

            for (; position <= _page.Length - RecordLayout.LengthBytes - RecordLayout.MailboxOffset; position += 4)
            {
                var length = BinaryPrimitives.ReadUInt32LittleEndian(_page.AsSpan(position));
                if (length < RecordLayout.MailboxOffset || length > _page.Length - position - RecordLayout.LengthBytes) continue;
                var record = _page.AsSpan(position + RecordLayout.LengthBytes, (int)length);
                if (!Enum.IsDefined(RecordLayout.TypeOf(record)) || !seal.Holds(record)) continue;
                last = start + position + RecordLayout.LogBytes((int)length);
                position += RecordLayout.LogBytes((int)length) - 4;
            }
        }

        return last;
    }
}
