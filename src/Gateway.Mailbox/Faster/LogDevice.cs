using System.Diagnostics;
using System.Runtime.InteropServices;
using FASTER.core;
using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Faster;

/// <summary>
/// FASTER's device. FASTER queues writes here from whichever thread closed a page or started a commit; the commit pump alone drains them:
/// all that is queued, then one sync per touched file, then the callbacks. So FASTER's flushed address is a durable address.
/// After a failed write or sync no callback ever runs again: the flushed address stays where it was.
/// </summary>
internal sealed unsafe class LogDevice : StorageDeviceBase
{
    // FASTER rounds flushes out to sectors. Log addresses are multiples of 4, so with this "sector" a write covers exactly the bytes
    // that FASTER has sealed: none of a record still being copied, and its end tells whether the page is closed. The page cache does
    // the rounding for the disk.
    private const uint Sector = 4;

    private readonly SegmentStore _segments;
    private readonly WakeSignal _pump;
    private readonly Lock _gate = new();
    private readonly HashSet<long> _touched = [];
    private List<QueuedWrite> _queued = new(64);
    private List<QueuedWrite> _draining = new(64);
    private readonly byte[] _lastBlock = new byte[ILogFile.BlockBytes];
    private long _writtenThrough;
    private int _pumpThread;

    public LogDevice(SegmentStore segments, WakeSignal pump)
        : base("mailbox", Sector, -1)
    {
        (_segments, _pump) = (segments, pump);
    }

    public long WrittenBytes { get; private set; }
    public long Syncs { get; private set; }
    public long SyncTicks { get; private set; }
    public long LongestSyncTicks { get; private set; }

    /// <summary>The calling thread is the pump: its own writes need no waking.</summary>
    public void BindPump() => _pumpThread = Environment.CurrentManagedThreadId;

    public override void WriteAsync(IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        var address = (long)segmentId * SegmentSize + (long)destinationAddress;
        lock (_gate) _queued.Add(new QueuedWrite((byte*)sourceAddress, address, (int)numBytesToWrite, callback, context));
        if (Environment.CurrentManagedThreadId != _pumpThread) _pump.Set();
    }

    /// <summary>
    /// Pump's thread: writes all that is queued and completes it, synced first when <paramref name="sync"/>. False when nothing was queued.
    /// Completing may queue more.
    /// </summary>
    public bool Drain(bool sync)
    {
        lock (_gate)
        {
            if (_queued.Count == 0) return false;
            (_queued, _draining) = (_draining, _queued);
        }

        foreach (ref readonly var write in CollectionsMarshal.AsSpan(_draining))
        {
            SealPage(write);

            // SAFETY: FASTER keeps the page's memory until this write's callback, and nothing below its end changes any more.
            WriteBlocks(write.Address, new ReadOnlySpan<byte>(write.Source, write.Bytes));
            _touched.Add(_segments.SegmentOf(write.Address));
            WrittenBytes += write.Bytes;
        }

        if (sync) SyncTouched();
        foreach (var write in _draining) write.Callback(0, (uint)write.Bytes, write.Context);
        _draining.Clear();
        return true;
    }

    /// <summary>
    /// Writes the log's last block whole, with the zeros that lie behind its last record anyway: the kernel would have to read the rest of a
    /// block that is on disk and not in memory. Never behind bytes that were written before, which a write queued late may be.
    /// </summary>
    private void WriteBlocks(long address, ReadOnlySpan<byte> bytes)
    {
        var file = _segments.FileOf(address);
        var offset = _segments.OffsetInFile(address);
        var end = address + bytes.Length;
        var inLastBlock = (int)Math.Min(end & (ILogFile.BlockBytes - 1), bytes.Length);
        if (end <= _writtenThrough || inLastBlock == 0)
        {
            file.Write(offset, bytes);
        }
        else
        {
            if (bytes.Length > inLastBlock) file.Write(offset, bytes[..^inLastBlock]);
            var toBlockEnd = inLastBlock + (int)(-end & (ILogFile.BlockBytes - 1));
            bytes[^inLastBlock..].CopyTo(_lastBlock);
            _lastBlock.AsSpan(inLastBlock, toBlockEnd - inLastBlock).Clear();
            file.Write(offset + bytes.Length - inLastBlock, _lastBlock.AsSpan(0, toBlockEnd));
        }

        _writtenThrough = Math.Max(_writtenThrough, end);
    }

    /// <summary>Pump's thread: makes durable what was written since the last sync.</summary>
    public void SyncTouched()
    {
        foreach (var segment in _touched)
        {
            var started = Stopwatch.GetTimestamp();
            _segments.FileOf(segment * _segments.SegmentBytes).Sync();
            var took = Stopwatch.GetTimestamp() - started;
            Syncs++;
            SyncTicks += took;
            LongestSyncTicks = Math.Max(LongestSyncTicks, took);
        }

        _touched.Clear();
    }

    /// <summary>
    /// FASTER leaves zeros behind the last record of a page it has left. A lost write leaves zeros too. So that recovery can tell them
    /// apart, a page that is written to its end gets an end mark in place of the next length.
    /// The first record of the next page does not show it: under contention FASTER may leave a page that it would have fitted.
    /// </summary>
    private void SealPage(in QueuedWrite write)
    {
        var pageBytes = _segments.PageBytes;
        var end = write.Address + write.Bytes;
        if ((end & (pageBytes - 1)) != 0) return;
        var pageStart = end - pageBytes;

        // SAFETY: FASTER flushes from whole pages in pinned memory, so the page begins this far before the source. A flush to the page's
        // end means that FASTER has closed it and every appender has left it; it reuses the memory only after this write's callback.
        var page = write.Source - (write.Address - pageStart);
        var offset = pageStart == 0 ? (int)RecordLayout.FirstAddress : 0;
        while (offset < pageBytes)
        {
            var length = *(uint*)(page + offset);
            if (length == 0)
            {
                *(uint*)(page + offset) = RecordLayout.EndOfPage;
                return;
            }

            if (length == RecordLayout.EndOfPage) return;
            if (length > pageBytes) throw new LogFailedException($"The page at address {pageStart} has a record of {length} bytes at {offset}.");
            offset += RecordLayout.LogBytes((int)length);
        }
    }

    public override void ReadAsync(int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context)
    {
        // Only FASTER's own recovery reads here, to load the tail page.
        var address = (long)segmentId * SegmentSize + (long)sourceAddress;

        // SAFETY: FASTER's buffer for this very read.
        var read = _segments.FileOf(address).Read(_segments.OffsetInFile(address), new Span<byte>((byte*)destinationAddress, (int)readLength));
        callback(0, (uint)read, context);
    }

    public override void RemoveSegment(int segment) => throw new NotSupportedException("Segments are removed by the store.");

    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result) => RemoveSegment(segment);

    public override void Reset()
    {
    }

    public override void Dispose()
    {
    }

    private readonly record struct QueuedWrite(nint SourceAddress, long Address, int Bytes, DeviceIOCompletionCallback Callback, object Context)
    {
        public QueuedWrite(byte* source, long address, int bytes, DeviceIOCompletionCallback callback, object context)
            : this((nint)source, address, bytes, callback, context)
        {
        }

        public byte* Source => (byte*)SourceAddress;
    }
}
