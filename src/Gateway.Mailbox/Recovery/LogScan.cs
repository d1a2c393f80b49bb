using System.Buffers.Binary;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Recovery;

/// <summary>Takes the records of a scan in log order. The span dies with the call.</summary>
internal interface IRecordSink
{
    void OnRecord(long address, ReadOnlySpan<byte> record);
    void OnSegment(long scannedThrough);
}

/// <summary>Where a scan ended and why: the first bytes that are not a whole, sound record.</summary>
internal readonly record struct ScanStop(long Address, string Reason);

/// <summary>
/// Reads records from an address on until something is not a record. Our own, because FASTER's iterators trust lengths and take a page's
/// zeros for its end.
/// </summary>
internal sealed class LogScan(SegmentStore segments)
{
    // The disk reads this far ahead while records are applied; asked for in halves.
    private const long AheadBytes = 8 << 20;

    private readonly byte[] _page = GC.AllocateUninitializedArray<byte>(segments.PageBytes);

    /// <summary>The page that was read last.</summary>
    public byte[] Page => _page;

    public ScanStop Run(long from, IRecordSink sink)
    {
        for (var address = from; ;)
        {
            if ((address & -segments.PageBytes) >= segments.AllocatedThrough) return new ScanStop(address, "the segments end here");
            if (ScanPage(address, sink) is { } stop) return stop;
            address = (address | (uint)(segments.PageBytes - 1)) + 1;
            if ((address & (segments.SegmentBytes - 1)) == 0) sink.OnSegment(address);
        }
    }

    /// <summary>The records from an address to its page's end; null when they go on on the next page.</summary>
    public ScanStop? ScanPage(long from, IRecordSink sink)
    {
        var pageBytes = segments.PageBytes;
        var pageStart = from & ~(long)(pageBytes - 1);
        ReadAhead(pageStart);
        var read = segments.FileOf(pageStart).Read(segments.OffsetInFile(pageStart), _page);

        // A file cut short reads as the zeros that were there before.
        _page.AsSpan(read).Clear();
        var seal = segments.SealOf(pageStart);
        var offset = (int)(from - pageStart);
        while (offset < pageBytes)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(_page.AsSpan(offset));
            if (length == seal.EndOfPage)
            {
                // Nothing but zeros is ever behind a true one.
                if (_page.AsSpan(offset + RecordLayout.LengthBytes).ContainsAnyExcept((byte)0)) return new ScanStop(pageStart + offset, "the page's end mark is followed by something");
                break;
            }

            if (length == 0) return new ScanStop(pageStart + offset, "nothing is written here");
            if (length < RecordLayout.MailboxOffset || length > pageBytes || RecordLayout.LogBytes((int)length) > pageBytes - offset)
                return new ScanStop(pageStart + offset, $"the record's length {length} is impossible");
            var record = _page.AsSpan(offset + RecordLayout.LengthBytes, (int)length);
            if (!seal.Holds(record)) return new ScanStop(pageStart + offset, "the record's checksum is wrong");
            sink.OnRecord(pageStart + offset, record);
            offset += RecordLayout.LogBytes((int)length);
        }

        return null;
    }

    private void ReadAhead(long pageStart)
    {
        if ((pageStart & (AheadBytes / 2 - 1)) >= segments.PageBytes) return;
        for (var at = pageStart; at < Math.Min(pageStart + AheadBytes, segments.AllocatedThrough); at = (at | (segments.SegmentBytes - 1)) + 1)
            segments.FileOf(at).ReadAhead(segments.OffsetInFile(at), Math.Min(pageStart + AheadBytes - at, segments.SegmentBytes - (at & (segments.SegmentBytes - 1))));
    }
}
