using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Backup;

/// <summary>
/// A data folder that is read to be copied, whether a node runs on it or not. Every segment is open and held from the start, so that none that compaction
/// takes away meanwhile is lost to the copy or used again under it: the log as it began then, with all that follows, is what a kill would have left behind.
/// One thread. Invariant: what lies below <see cref="CompleteThrough"/> was durable when it was read, and nobody writes there any more.
/// </summary>
internal sealed class BackupSource : IRecordSink, IDisposable
{
    private readonly Superblock _superblock;
    private readonly LogProgress? _progress;
    private readonly IDisposable? _lock;
    private long _marked;

    private BackupSource(Superblock superblock, SegmentStore segments, IDisposable? held, LogProgress? progress) =>
        (_superblock, Segments, _lock, _progress) = (superblock, segments, held, progress);

    public SegmentStore Segments { get; }

    public bool NodeIsRunning => _lock is null;

    public long CompleteThrough { get; private set; }

    /// <summary>The log up to <see cref="CompleteThrough"/>.</summary>
    public Superblock Superblock => _superblock with { Durable = CompleteThrough, Clean = false };

    /// <summary>Opens the folder and reads all of its log.</summary>
    /// <exception cref="LogCorruptException">The log is damaged.</exception>
    /// <exception cref="LogVersionException">A newer build wrote it.</exception>
    public static BackupSource Open(ILogFileSystem disk, LogProgress? progress)
    {
        var held = TryLock(disk);
        SegmentStore? segments = null;
        try
        {
            segments = OpenSegments(disk, out var superblock);
            var source = new BackupSource(superblock, segments, held, progress);
            source.FindEnd();
            return source;
        }
        catch
        {
            segments?.Dispose();
            held?.Dispose();
            throw;
        }
    }

    public void OnRecord(long address, ReadOnlySpan<byte> record)
    {
        if (RecordLayout.TypeOf(record) != RecordType.Mark || record.Length != RecordLayout.MarkBytes) return;
        _marked = Math.Max(_marked, (long)RecordLayout.U64(record, RecordLayout.MarkDurableOffset));
    }

    public void OnSegment(long scannedThrough)
    {
        var first = Segments.FirstSegment * Segments.SegmentBytes;
        _progress?.Invoke(scannedThrough - first, Segments.AllocatedThrough - first);
    }

    public void Dispose()
    {
        Segments.Dispose();
        _lock?.Dispose();
    }

    /// <summary>While this holds the folder no node can start on it. Null: one runs.</summary>
    private static IDisposable? TryLock(ILogFileSystem disk)
    {
        try
        {
            return disk.Lock(MailboxLog.LockName);
        }
        catch (LogLockedException)
        {
            return null;
        }
    }

    private static SegmentStore OpenSegments(ILogFileSystem disk, out Superblock superblock)
    {
        // Nothing is deleted or written through it: that is the node's to do.
        var readOnly = new PatchedFiles(disk);
        superblock = ReadSuperblock(disk);
        while (true)
        {
            try
            {
                return SegmentStore.Open(readOnly, superblock, hold: true);
            }
            catch (Exception e) when (e is LogIOException { Errno: Posix.ENOENT } or LogCorruptException)
            {
                // The node took the first segment away, or for another, between the look at the superblock and the one at the files.
                var now = ReadSuperblock(disk);
                if (now.Begin == superblock.Begin) throw;
                superblock = now;
            }
        }
    }

    private static Superblock ReadSuperblock(ILogFileSystem disk)
    {
        using var file = SuperblockFile.TryOpen(disk) ?? throw new LogCorruptException(Path.Combine(disk.Folder, Superblock.FileName), 0, "the superblock is missing");
        return file.Current;
    }

    /// <summary>
    /// On a stopped node's log, where a start would end it. On a running one's, the last address that a mark says was durable: the mark was
    /// appended behind it, so nothing below it changes any more, while the end itself is being written as it is read.
    /// </summary>
    private void FindEnd()
    {
        var scan = new LogScan(Segments);
        var stop = scan.Run(Math.Max(_superblock.Begin, RecordLayout.FirstAddress), this);
        while (ProofOfMore(stop) is { } proof)
        {
            // A node may have written there since: what its mark says was durable can be read now. Otherwise it never will be.
            var again = scan.Run(stop.Address, this);
            if (again.Address == stop.Address) throw Damaged(stop, proof);
            stop = again;
        }

        CompleteThrough = NodeIsRunning ? Math.Max(_superblock.Durable, _marked) : stop.Address;
    }

    private string? ProofOfMore(ScanStop stop)
    {
        var durable = Math.Max(_superblock.Durable, _marked);
        if (stop.Address < durable) return $"the log was durable to address {durable}";
        return MarkSearch.Find(Segments, _superblock.Identity, stop.Address) is { } mark
            ? $"a mark at address {mark.Address} says that the log was durable to address {mark.Durable}"
            : null;
    }

    private LogCorruptException Damaged(ScanStop stop, string proof)
    {
        var path = stop.Address < Segments.AllocatedThrough
            ? Segments.FileOf(stop.Address).Path
            : Path.Combine(Segments.Folder, SegmentHeader.FileName(Segments.SegmentOf(stop.Address)));
        return new LogCorruptException(path, Segments.OffsetInFile(stop.Address), $"{stop.Reason} (log address {stop.Address}), but {proof}");
    }
}
