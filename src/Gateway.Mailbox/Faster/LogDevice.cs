using System.Buffers.Binary;
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

    /// <summary>What goes to the file: FASTER's memory stays as appenders wrote it. A write never crosses a page.</summary>
    private readonly byte[] _staged;
    private long _writtenThrough;
    private int _pumpThread;

    public LogDevice(SegmentStore segments, WakeSignal pump)
        : base("mailbox", Sector, -1)
    {
        (_segments, _pump) = (segments, pump);
        _staged = GC.AllocateUninitializedArray<byte>(segments.PageBytes, pinned: true);
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
            Write(write);
            _touched.Add(_segments.SegmentOf(write.Address));
            WrittenBytes += write.Bytes;
        }

        if (sync) SyncTouched();
        foreach (var write in _draining) write.Callback(0, (uint)write.Bytes, write.Context);
        _draining.Clear();
        return true;
    }

    /// <summary>
    /// Writes the log's last block whole, with zeros behind its last record: the kernel would have to read the rest of a block that is on disk and
    /// not in memory. Never over bytes that were written before, which a write queued late may lie in front of.
    /// </summary>
    private void Write(in QueuedWrite write)
    {
        // SAFETY: FASTER keeps the page's memory until this write's callback, and nothing below its end changes any more.
        new ReadOnlySpan<byte>(write.Source, write.Bytes).CopyTo(_staged);
        if (!TrySeal(_staged.AsSpan(0, write.Bytes), write.Address, out var at)) throw NotWhole(write, at);
        var bytes = write.Bytes;
        var end = write.Address + bytes;
        if (end > _writtenThrough)
        {
            var toBlockEnd = (int)(-end & (ILogFile.BlockBytes - 1));
            _staged.AsSpan(bytes, toBlockEnd).Clear();
            bytes += toBlockEnd;
            _writtenThrough = end;
        }

        _segments.FileOf(write.Address).Write(_segments.OffsetInFile(write.Address), _staged.AsSpan(0, bytes));
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
    /// Gives a write's records their segment's seal, which an appender cannot: it does not know the address before FASTER has copied the record. A write
    /// begins where a record or a page does and holds whole records, for FASTER flushes each stretch between two tails of
    /// <see cref="FasterInternals.TailOf"/> once.
    /// FASTER leaves zeros behind the last record of a page it has left. A lost write leaves zeros, or what the file held before. So that recovery can
    /// tell them apart, a page that is written to its end gets an end mark in place of the next length.
    /// The first record of the next page does not show it: under contention FASTER may leave a page that it would have fitted.
    /// </summary>
    /// <param name="bytes">Of the write.</param>
    /// <param name="address">Of the first.</param>
    /// <param name="offset">False: where the bytes are no whole record.</param>
    private bool TrySeal(Span<byte> bytes, long address, out int offset)
    {
        var seal = _segments.SealOf(address);
        offset = address < RecordLayout.FirstAddress ? (int)(RecordLayout.FirstAddress - address) : 0;
        while (offset < bytes.Length)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);
            if (length == 0 && ((address + bytes.Length) & (_segments.PageBytes - 1)) == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], seal.EndOfPage);
                return true;
            }

            if (length < RecordLayout.MailboxOffset || length > bytes.Length || RecordLayout.LogBytes((int)length) > bytes.Length - offset) return false;
            seal.Apply(bytes.Slice(offset + RecordLayout.LengthBytes, (int)length));
            offset += RecordLayout.LogBytes((int)length);
        }

        return true;
    }

    /// <summary>Tells what is in memory now as well: where that differs, a record was still being copied, or the memory is another page's by now.</summary>
    private LogFailedException NotWhole(in QueuedWrite write, int at)
    {
        // SAFETY: FASTER's pages stay allocated while the log is open.
        var now = new ReadOnlySpan<byte>(write.Source, write.Bytes).Slice(at, Math.Min(8, write.Bytes - at));
        return new LogFailedException(
            $"The log's memory has no whole record at address {write.Address + at}, in a write from {write.Address} to {write.Address + write.Bytes} of a log written to {_writtenThrough}: "
            + $"{Convert.ToHexString(_staged.AsSpan(at, now.Length))} when it was copied, {Convert.ToHexString(now)} now.");
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
