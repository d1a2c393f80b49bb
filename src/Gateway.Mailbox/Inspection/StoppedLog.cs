using Gateway.Mailbox.Format;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>There is no mailbox log in the folder.</summary>
public sealed class LogAbsentException(string folder) : Exception($"There is no mailbox log in {folder}: neither a superblock nor a segment.")
{
    public string Folder { get; } = folder;
}

/// <summary>What a repair did.</summary>
/// <param name="QuarantinedBytes">The file that holds the bytes of the damaged stretches.</param>
/// <param name="QuarantineIndex">The file that says where each came from.</param>
/// <param name="After">The repaired log, read again from the disk.</param>
public sealed record RepairOutcome(string QuarantinedBytes, string QuarantineIndex, LogSurvey After);

/// <summary>
/// The log of a node that does not run. Holds the data folder's lock, so that none can start meanwhile; reads the log as recovery does and
/// changes nothing, but for <see cref="Repair"/>. One thread at a time.
/// </summary>
public sealed class StoppedLog : IDisposable
{
    private readonly ILogFileSystem _disk;
    private readonly IDisposable _lock;
    private Reading? _reading;

    private StoppedLog(ILogFileSystem disk)
    {
        _disk = disk;
        _lock = disk.Lock(MailboxLog.LockName);
    }

    public string Folder => _disk.Folder;

    /// <param name="folder">A node's data folder.</param>
    /// <exception cref="LogAbsentException">It holds no log.</exception>
    /// <exception cref="LogLockedException">A node, or another look at it, has it.</exception>
    public static StoppedLog Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Holds(folder)) throw new LogAbsentException(folder);
        return new StoppedLog(new PosixFileSystem(folder));
    }

    internal static StoppedLog Open(ILogFileSystem disk) => new(disk);

    /// <summary>Reads all of the log, every checksum included.</summary>
    /// <exception cref="LogCorruptException">Nothing says what log this is: it cannot even be repaired.</exception>
    /// <exception cref="LogVersionException">A newer build wrote it.</exception>
    public LogSurvey Survey(LogProgress? progress = null) => Read(progress).Survey;

    /// <summary>
    /// At most <paramref name="count"/> records from an address on, in log order: from the first that begins at or after it. A stretch that
    /// is damaged is listed as a GAP, as a repair would leave it.
    /// </summary>
    public IReadOnlyList<LogEntry> List(long from, int count)
    {
        var reading = Read(null);
        var listing = new Listing(reading, from, count);
        var (scan, end) = (new LogScan(reading.Segments), reading.Survey.End.Address);
        for (var at = Math.Max(from & ~(long)(reading.Segments.PageBytes - 1), FirstOf(reading)); at < end && !listing.IsFull; at = (at | (uint)(reading.Segments.PageBytes - 1)) + 1)
            scan.ScanPage(at, listing);
        return listing.Entries;
    }

    /// <summary>Every pending entry, messages and receipts, in log order, which is each mailbox's order; of a damaged log, every one that is whole.</summary>
    /// <param name="mailbox">Only this one; null: all.</param>
    /// <param name="take">Takes them.</param>
    /// <param name="progress">Told now and then.</param>
    public void Export(ulong? mailbox, PendingEntry take, LogProgress? progress = null)
    {
        ArgumentNullException.ThrowIfNull(take);
        var reading = Read(progress);
        new LogScan(reading.Segments).Run(FirstOf(reading), new Exporting(reading, mailbox, take, progress));
    }

    /// <summary>
    /// Makes a damaged log open again: keeps a copy of every damaged stretch, puts a GAP in its place that counts the entries known to be
    /// lost, and reads the result again. Killed at any point, it can be run again; what it had mended by then stays as it is.
    /// </summary>
    /// <exception cref="InvalidOperationException">The log is not damaged.</exception>
    /// <exception cref="LogIOException">The kernel refused, for one because the disk is full.</exception>
    public RepairOutcome Repair(TimeProvider time, LogProgress? progress = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        var reading = Read(progress);
        if (reading.Survey.State != LogState.Damaged) throw new InvalidOperationException("The log is not damaged.");
        var now = time.GetUtcNow();
        var (bytes, index) = Quarantine.Keep(_disk, reading.Survey.Damage, now);
        reading.Folder.Files.Apply();

        // Last: while it stands as it was, whatever is not yet mended is still seen. A reservation may have been in what was lost; sequences
        // follow the clock, so none above it was given out.
        var clock = (ulong)Math.Max(0, (now.UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);
        var next = reading.Folder.Superblock with { ReservedThrough = Math.Max(reading.HighestSequence, clock), Clean = false };
        if (reading.Folder.WasRebuilt)
        {
            // Which generation it was went with the superblock. That devices are told is right besides: something may be lost.
            next = next with { Generation = Superblock.GenerationAfter(0, now) };
            SuperblockFile.Create(_disk, next).Dispose();
        }
        else
        {
            using var superblock = SuperblockFile.TryOpen(_disk)!;
            superblock.Replace(next);
        }

        Forget();
        return new RepairOutcome(bytes, index, Survey(progress));
    }

    public void Dispose()
    {
        Forget();
        _lock.Dispose();
    }

    internal static bool Holds(string folder) => Directory.Exists(folder)
        && Directory.EnumerateFiles(folder).Select(Path.GetFileName).Any(name => name == Superblock.FileName || SegmentHeader.TryParseFileName(name!, out _));

    private static long FirstOf(Reading reading) => Math.Max(reading.Folder.Superblock.Begin, RecordLayout.FirstAddress);

    private void Forget()
    {
        _reading?.Dispose();
        _reading = null;
    }

    private Reading Read(LogProgress? progress) => _reading ??= Reading.Of(LogFolder.Read(_disk), progress);

    /// <summary>Lists records of the pages that it is shown.</summary>
    private sealed class Listing(Reading reading, long from, int count) : IRecordSink
    {
        public List<LogEntry> Entries { get; } = [];
        public bool IsFull => Entries.Count >= count;

        public void OnRecord(long address, ReadOnlySpan<byte> record)
        {
            if (address < from || IsFull || address >= reading.Survey.End.Address) return;
            var type = RecordLayout.TypeOf(record);
            var isEntry = type is RecordType.Message or RecordType.Receipt or RecordType.Moved;
            var isOfMailbox = type is not (RecordType.Mark or RecordType.Reserve or RecordType.LedgerTotals or RecordType.Gap);
            ulong sequence = type switch
            {
                RecordType.Message or RecordType.Receipt or RecordType.Moved or RecordType.AckUpTo or RecordType.Expire or RecordType.Remove => RecordLayout.U64(record, RecordLayout.SequenceOffset),
                RecordType.Reserve => RecordLayout.U64(record, RecordLayout.ReserveSequenceOffset),
                _ => 0,
            };
            Entries.Add(new LogEntry(
                reading.PlaceOf(address), type, RecordLayout.LogBytes(record.Length), isEntry ? record.Length - RecordLayout.MessageFixedBytes : 0,
                isOfMailbox ? RecordLayout.U64(record, RecordLayout.MailboxOffset) : 0, sequence,
                type == RecordType.Mark ? (long)RecordLayout.U64(record, RecordLayout.MarkDurableOffset) : 0,
                isEntry && reading.IsPending(address, record)));
        }

        public void OnSegment(long scannedThrough)
        {
        }
    }

    /// <summary>Hands on the entries that are still in the index, from where the index has them.</summary>
    private sealed class Exporting(Reading reading, ulong? mailbox, PendingEntry take, LogProgress? progress) : IRecordSink
    {
        public void OnRecord(long address, ReadOnlySpan<byte> record)
        {
            if (address >= reading.Survey.End.Address || RecordLayout.TypeOf(record) is not (RecordType.Message or RecordType.Receipt or RecordType.Moved)) return;
            if (mailbox is { } wanted && RecordLayout.U64(record, RecordLayout.MailboxOffset) != wanted) return;
            if (reading.IsPending(address, record)) take(RecordLayout.ReadEntry(record));
        }

        public void OnSegment(long scannedThrough)
        {
            var first = reading.Segments.FirstSegment * reading.Segments.SegmentBytes;
            progress?.Invoke(scannedThrough - first, reading.Segments.AllocatedThrough - first);
        }
    }
}
