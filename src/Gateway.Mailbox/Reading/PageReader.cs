using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Reading;

/// <summary>
/// A thread that reads pages of entries from the segment files, so that no owner waits for the disk. Takes one page of each of its
/// partitions in turn. What it reads lies below the watermark, so the files have it; a record that is not what the index says it is
/// means that one of the two is wrong, and stops the log.
/// </summary>
internal sealed class PageReader
{
    // Reading over a small gap costs less than a second system call.
    private const int GapBytes = 2048;

    // Only so that a stop is seen; work wakes the thread.
    private const int IdleMs = 1000;

    private readonly SegmentStore _segments;
    private readonly Watermark _watermark;
    private readonly (int Index, PageQueue Pages)[] _partitions;
    private readonly Action<int>? _onPageReady;
    private readonly WakeSignal _wake;
    private readonly Thread _thread;
    private volatile bool _stopping;
    private long _pagesRead;
    private long _recordsRead;
    private long _bytesRead;

    public PageReader(
        SegmentStore segments, Watermark watermark, WakeSignal wake, IEnumerable<(int Index, PageQueue Pages)> partitions, Action<int>? onPageReady, int number)
    {
        (_segments, _watermark, _wake, _onPageReady) = (segments, watermark, wake, onPageReady);
        _partitions = [.. partitions];
        foreach (var (_, pages) in _partitions) pages.BindReader(_wake);
        _thread = new Thread(Run) { IsBackground = true, Name = $"mailbox reader {number}" };
    }

    public long PagesRead => Volatile.Read(ref _pagesRead);
    public long RecordsRead => Volatile.Read(ref _recordsRead);
    public long BytesRead => Volatile.Read(ref _bytesRead);

    public void Start() => _thread.Start();

    /// <summary>False when the thread hangs in the kernel.</summary>
    public bool Stop()
    {
        _stopping = true;
        _wake.Set();
        return _thread.ThreadState.HasFlag(ThreadState.Unstarted) || _thread.Join(TimeSpan.FromSeconds(10));
    }

    private void Run()
    {
        try
        {
            while (!_stopping && !_watermark.IsFrozen)
            {
                var busy = false;
                foreach (var (index, pages) in _partitions)
                {
                    if (!pages.TryTakeAsked(out var page)) continue;
                    busy = true;
                    Read(page);
                    pages.Complete(page);
                    _onPageReady?.Invoke(index);
                }

                if (!busy) _wake.Wait(IdleMs);
            }
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }

    private void Read(MailboxPage page)
    {
        var entries = page.Entries;
        var offsets = page.Offsets;
        var slack = page.Capacity;
        foreach (var entry in entries) slack -= entry.Bytes;
        var filled = 0;
        for (var first = 0; first < entries.Length;)
        {
            var start = entries[first].Address;
            var segment = _segments.SegmentOf(start);
            var end = start + entries[first].Bytes;
            offsets[first] = filled;
            var last = first + 1;
            for (; last < entries.Length; last++)
            {
                var gap = entries[last].Address - end;
                if (gap < 0 || gap > Math.Min(GapBytes, slack) || _segments.SegmentOf(entries[last].Address) != segment) break;
                slack -= (int)gap;
                offsets[last] = filled + (int)(entries[last].Address - start);
                end = entries[last].Address + entries[last].Bytes;
            }

            var bytes = (int)(end - start);
            var file = _segments.FileOf(start);
            var read = file.Read(_segments.OffsetInFile(start), page.Buffer.Slice(filled, bytes));
            if (read != bytes) throw new LogFailedException($"{file.Path} at offset {_segments.OffsetInFile(start)}: {read} bytes where {bytes} are committed.");
            filled += bytes;
            first = last;
        }

        for (var i = 0; i < entries.Length; i++) Verify(page, i);
        Volatile.Write(ref _pagesRead, _pagesRead + 1);
        Volatile.Write(ref _recordsRead, _recordsRead + entries.Length);
        Volatile.Write(ref _bytesRead, _bytesRead + filled);
    }

    private void Verify(MailboxPage page, int index)
    {
        var entry = page.Entries[index];
        var bytes = page.Buffer.Slice(page.Offsets[index], entry.Bytes);
        var length = RecordLayout.U32(bytes, 0);
        string? fault = null;
        if (length < RecordLayout.MessageFixedBytes || length > entry.Bytes || RecordLayout.LogBytes((int)length) != entry.Bytes)
        {
            fault = $"the record's length is {length}, the index says {entry.Bytes} bytes of log";
        }
        else
        {
            var record = bytes.Slice(RecordLayout.LengthBytes, (int)length);
            var expected = entry.IsReceipt ? RecordType.Receipt : RecordType.Message;
            if (!_segments.SealOf(entry.Address).Holds(record)) fault = "the record's checksum is wrong";
            else if (RecordLayout.EntryTypeOf(record) != expected) fault = $"a {RecordLayout.EntryTypeOf(record)} record where the index has a {expected}";
            else if (RecordLayout.U64(record, RecordLayout.MailboxOffset) != page.Mailbox) fault = "the record is another mailbox's than the index says";
            else if (RecordLayout.U64(record, RecordLayout.SequenceOffset) != entry.Sequence) fault = $"the record has another sequence than {entry.Sequence}, which the index says";
        }

        if (fault is not null)
            throw new LogCorruptException(_segments.FileOf(entry.Address).Path, _segments.OffsetInFile(entry.Address), $"{fault} (log address {entry.Address}, read for a page)");
    }
}
