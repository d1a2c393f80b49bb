using System.Diagnostics;
using FASTER.core;
using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Compaction;
using Gateway.Mailbox.Faster;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Index;
using Gateway.Mailbox.Reading;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox;

/// <summary>
/// Durable pending messages: one log on disk, one index of what is pending per partition. <see cref="Open"/> recovers, and returns when
/// everything recovered is durable; <see cref="Dispose"/> commits what was appended and closes cleanly, after the owners have stopped.
/// </summary>
public sealed class MailboxLog : IDisposable
{
    internal const string LockName = "LOCK";
    private const uint FirstGeneration = 1;

    private readonly MailboxLogOptions _options;
    private readonly Stack<IDisposable> _owned = new();
    private readonly Watermark _watermark;
    private readonly MailboxPartition[] _partitions;
    private readonly List<PageReader> _readers = [];
    private readonly SegmentStore _segments;
    private readonly Admission _admission;
    private readonly ReservedSequences _reserved;
    private readonly SteadyClock _steady;
    private readonly FasterLog _log;
    private readonly LogDevice _device;
    private readonly CommitPump _pump;
    private readonly SegmentKeeper _keeper;
    private readonly ProgressWatch _watch;
    private readonly Compactor _compactor;
    private readonly long _openedAt;
    private bool _disposed;

    private MailboxLog(MailboxLogOptions options, IRecoveryObserver observer, TimeProvider time)
    {
        _options = options;
        try
        {
            var files = options.FileSystem ?? new PosixFileSystem(options.Folder);
            Own(files.Lock(LockName));
            var superblock = Own(OpenSuperblock(files, options));
            var current = superblock.Current;
            RequireGeometry(current, options);
            Generation = Math.Max(FirstGeneration, current.Generation);
            // A log from before the superblock told the time: its reservation is a few seconds ahead of when it was open last.
            _steady = new SteadyClock(time, current.SteadyTime != 0 ? current.SteadyTime : (uint)Math.Min(uint.MaxValue, current.ReservedThrough / 1_000_000));
            _segments = Own(SegmentStore.Open(files, current, spares: options.SegmentsAhead + 1));
            _watermark = new Watermark(options.OnFailed);
            var pumpWake = Own(new WakeSignal());
            var keeperWake = Own(new WakeSignal());
            _device = new LogDevice(_segments, pumpWake);
            _reserved = new ReservedSequences(time, options.ReserveAhead, pumpWake);
            _admission = new Admission(_segments, options, options.MemoryBytes);

            var pageBufferBytes = Math.Max(options.PageBufferBytes, options.MaxRecordBytes);
            _partitions = new MailboxPartition[options.Partitions];
            for (var i = 0; i < _partitions.Length; i++)
            {
                _partitions[i] = new MailboxPartition(
                    Own(new MailboxIndex(current.Identity) { Backlog = options.MeasureQueues ? new Backlog() : null }),
                    new PageQueue(options.PageBuffersPerPartition, pageBufferBytes),
                    options.MeasureQueues);
            }

            var recovery = new LogRecovery(_segments, current, _partitions, options.OwnerOfMailbox, observer);
            recovery.Run();
            recovery.MakeDurable();
            _openedAt = recovery.Tail;
            HighestRecovered = recovery.HighestSequence;
            _watermark.TryRaise(recovery.Tail);

            // The floor is above every sequence and reservation there ever was, so a clock that stepped back gives nothing out twice.
            var floor = Math.Max(recovery.HighestSequence, _reserved.ClockMicroseconds);
            var reserved = _reserved.Next(floor);
            superblock.Replace(current with { Durable = recovery.Tail, ReservedThrough = reserved, Clean = false, SteadyTime = _steady.Seconds });
            _reserved.Raise(reserved);
            SegmentKeeper.Allocate(_segments, _admission, recovery.Tail);
            if (_segments.AllocatedThrough <= recovery.Tail) throw new LogIOException(files.Folder, "fallocate of the first segment", Posix.ENOSPC);

            _log = StartFaster(current, recovery.Tail);
            var parts = new PartitionParts(_log, _watermark, _admission, _reserved, pumpWake, options.MaxBodyBytes);
            foreach (var partition in _partitions) partition.Start(parts, floor, recovery.Tail);

            _pump = new CommitPump(new PumpParts(
                _log, _device, _segments, superblock, _watermark, _admission, _reserved, _steady, pumpWake, keeperWake, HighestFloor, RecordsAppended, current.Identity, options, time));
            _keeper = new SegmentKeeper(_log, _segments, _admission, _watermark, keeperWake);
            _compactor = new Compactor(new CompactorParts(
                _log, _segments, _watermark, _pump, _partitions, Own(new WakeSignal()), recovery.Truncated, recovery.TruncatedThrough, options));
            _watch = new ProgressWatch(_log, _watermark, Own(new WakeSignal()), options.CommitStallLimit, time);
            for (var i = 0; i < options.ReaderThreads; i++)
            {
                var mine = _partitions.Select((p, index) => (index, p.Pages)).Where(p => p.index % options.ReaderThreads == i);
                _readers.Add(new PageReader(_segments, _watermark, Own(new WakeSignal()), mine, options.OnPageReady, i));
            }

            _pump.Start();
            _keeper.Start();
            _compactor.Start();
            _watch.Start();
            foreach (var reader in _readers) reader.Start();
        }
        catch
        {
            Release();
            throw;
        }
    }

    /// <summary>Everything before this address is committed. Any thread.</summary>
    public long CommittedThrough => _watermark.Through;

    /// <summary>No sequence above it had been given out before this opening; 0 for a new log. In microseconds since 1970, when the log was last used, to a few seconds.</summary>
    public ulong HighestRecovered { get; }

    /// <summary>The cause of the fail stop; null while the log works. Any thread.</summary>
    public Exception? FailureCause => _watermark.Cause;

    /// <summary>1 for a log that never was restored from a backup; raised by each restore, so that devices can be told. Any thread.</summary>
    public uint Generation { get; }

    /// <summary>
    /// Seconds since 1970 that never outrun the monotonic clock, whatever becomes of the system's: by this, and by nothing else, it is judged how
    /// old something is that is given up for its age. Any thread.
    /// </summary>
    public uint SteadySeconds => _steady.Seconds;

    /// <summary>Any thread; the values are read one after the other.</summary>
    public MailboxLogCounters Counters => new()
    {
        Commits = _pump.Commits,
        CommittedBytes = _watermark.Through - _openedAt,
        Syncs = _device.Syncs,
        SyncMicroseconds = ToMicroseconds(_device.SyncTicks),
        LongestSyncMicroseconds = ToMicroseconds(_device.LongestSyncTicks),
        WrittenBytes = _device.WrittenBytes,
        UncommittedBytes = _log.TailAddress - _watermark.Through,
        LogBytes = _log.TailAddress - Math.Max(_segments.FirstSegment * _segments.SegmentBytes, RecordLayout.FirstAddress),
        LiveBytes = _partitions.Sum(p => p.Index.LiveBytes),
        TruncatedSegments = _compactor.TruncatedSegments,
        AllocatedAheadBytes = _segments.AllocatedThrough - _log.TailAddress,
        Segments = _segments.Count,
        SpareSegments = _segments.Spares,
        SegmentsUsedAgain = _segments.UsedAgain,
        DiskFull = _admission.DiskFull,
        PagesRead = _readers.Sum(r => r.PagesRead),
        RecordsRead = _readers.Sum(r => r.RecordsRead),
        PageReadBytes = _readers.Sum(r => r.BytesRead),
        ReservedThrough = _reserved.Through,
    };

    internal FasterLog Faster => _log;

    /// <summary>Opens or makes the log in a folder; returns when all that was recovered is durable.</summary>
    /// <exception cref="LogCorruptException">What is there contradicts itself; nothing was changed.</exception>
    /// <exception cref="LogVersionException">A newer build wrote it.</exception>
    /// <exception cref="LogLockedException">Somebody has it open.</exception>
    /// <exception cref="LogIOException">The kernel refused, for one because the disk has no room for a new log.</exception>
    public static MailboxLog Open(MailboxLogOptions options, IRecoveryObserver observer, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(observer);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        return new MailboxLog(options, observer, time);
    }

    public MailboxPartition Partition(int index) => _partitions[index];

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Release();
    }

    private static SuperblockFile OpenSuperblock(ILogFileSystem files, MailboxLogOptions options)
    {
        var found = SuperblockFile.TryOpen(files);
        if (found is not null) return found;
        var orphan = files.List().FirstOrDefault(name => SegmentHeader.TryParseFileName(name, out _));
        if (orphan is not null) throw new LogCorruptException(Path.Combine(files.Folder, Superblock.FileName), 0, $"the superblock is missing, but there is a segment {orphan}");
        return SuperblockFile.Create(files, new Superblock
        {
            Identity = options.NewLogIdentity,
            Begin = RecordLayout.FirstAddress,
            Durable = RecordLayout.FirstAddress,
            SegmentBytes = options.SegmentBytes,
            PageBytes = options.PageBytes,
        });
    }

    /// <summary>The folder's geometry holds; the options' records and memory must suit it.</summary>
    private static void RequireGeometry(Superblock superblock, MailboxLogOptions options)
    {
        if (options.MaxRecordBytes > superblock.PageBytes - RecordLayout.FirstAddress)
            throw new ArgumentException($"MaxBodyBytes {options.MaxBodyBytes} does not fit the pages of {superblock.PageBytes} bytes that {options.Folder} was made with.");
        if (options.MemoryBytes < 8L * superblock.PageBytes)
            throw new ArgumentException($"MemoryBytes {options.MemoryBytes} is less than 8 of the pages of {superblock.PageBytes} bytes that {options.Folder} was made with.");
    }

    private FasterLog StartFaster(Superblock superblock, long tail)
    {
        var commit = new RecoveredCommit(superblock.Begin, tail);
        var log = new FasterLog(new FasterLogSettings
        {
            LogDevice = _device,
            LogCommitManager = commit,
            PageSize = superblock.PageBytes,
            MemorySize = _options.MemoryBytes,
            SegmentSize = superblock.SegmentBytes,
            LogChecksum = LogChecksumType.None,
            // Off, because its commit records would be a second, weaker kind of mark, and its recovery would look for them behind our tail.
            FastCommitMode = false,
            AutoCommit = false,
            AutoRefreshSafeTailAddress = false,
            TryRecoverLatest = false,
        });
        Own(log);
        log.Recover();
        FasterInternals.KeepPagesEmpty(log, Math.Clamp((int)(_options.MemoryBytes / superblock.PageBytes / 16), 1, 8));
        if (log.TailAddress != tail || log.BeginAddress != superblock.Begin)
            throw new LogFailedException($"FASTER recovered [{log.BeginAddress}, {log.TailAddress}) where the scan found [{superblock.Begin}, {tail}).");
        return log;
    }

    private ulong HighestFloor()
    {
        ulong highest = 0;
        foreach (var partition in _partitions) highest = Math.Max(highest, partition.Floor);
        return highest;
    }

    private long RecordsAppended()
    {
        var records = 0L;
        foreach (var partition in _partitions) records += partition.RecordsAppended;
        return records;
    }

    private void Release()
    {
        // The compactor first, which waits for the pump; then the pump, which commits what was appended; the keeper may still have to make it room.
        var stopped = _compactor is null || _compactor.Stop();
        stopped &= _pump is null || _pump.Stop();
        stopped &= _keeper is null || _keeper.Stop();
        foreach (var reader in _readers) stopped &= reader.Stop();
        _watch?.Stop();

        // An owner that comes late gets Failed, not freed memory.
        _watermark?.Close();

        // A thread that hangs in the kernel keeps what it uses; the process is past saving by a tidy close.
        if (!stopped) return;
        foreach (var partition in _partitions ?? []) partition?.Pages.Free();
        while (_owned.TryPop(out var owned)) owned.Dispose();
    }

    private T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part);
        return part;
    }

    private static long ToMicroseconds(long ticks) => (long)Stopwatch.GetElapsedTime(0, ticks).TotalMicroseconds;
}
