using System.Numerics;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox;

/// <summary>When a record counts as committed.</summary>
public enum Durability : byte
{
    /// <summary>After fdatasync: it survives power loss.</summary>
    Fsync = 0,

    /// <summary>
    /// After the write: it survives the process, not the kernel. A power loss may take the last seconds of accepted messages.
    /// Sequences are never given out twice even so: reservations, the superblock and new segments are synced in either mode.
    /// </summary>
    Os = 1,
}

/// <summary>Settings of a <see cref="MailboxLog"/>. Page and segment size are fixed when a folder is made; later values are ignored in favour of the folder's.</summary>
public sealed class MailboxLogOptions
{
    /// <summary>The data folder; made when absent.</summary>
    public required string Folder { get; init; }

    /// <summary>Identifies a new log for good and must be unguessable (cryptographically random, not 0): it keeps a message body from posing as a mark.</summary>
    public required ulong NewLogIdentity { get; init; }

    /// <summary>Owners of mailboxes, one thread each. May differ from the last run.</summary>
    public int Partitions { get; init; } = 1;

    /// <summary>The partition (0 to Partitions - 1) that owns a mailbox; a pure function. Null: everything is partition 0's.</summary>
    public Func<ulong, int>? OwnerOf { get; init; }

    public Durability Durability { get; init; } = Durability.Fsync;

    /// <summary>
    /// For how long at most a commit that could follow the last one at once waits for the next batch to end, when that one had 8 to 256 records:
    /// each commit costs whoever waits for it a wake and the machine a sync, so one of whole batches is better than two of halves. Zero: not at all.
    /// Less than <see cref="CommitStallLimit"/>.
    /// </summary>
    public TimeSpan CommitDelay { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>Longest body of a message or receipt. A record must fit a page.</summary>
    public int MaxBodyBytes { get; init; } = 64 * 1024;

    /// <summary>Power of two, 4 KiB to 1 MiB. A record never crosses a page.</summary>
    public int PageBytes { get; init; } = 1 << 20;

    /// <summary>Power of two, at least 8 pages: what the log holds in memory before the disk has it.</summary>
    public long MemoryBytes { get; init; } = 128L << 20;

    /// <summary>Power of two, at least 2 pages and at most 1 GiB: one file each.</summary>
    public long SegmentBytes { get; init; } = 64L << 20;

    /// <summary>Room for messages that is kept allocated beyond the tail and the reserves, in segments.</summary>
    public int SegmentsAhead { get; init; } = 1;

    /// <summary>Allocated space at the end of the log that only acknowledgements, removals, receipts and windows may use.</summary>
    public long AckReserveBytes { get; init; } = 16L << 20;

    /// <summary>
    /// Allocated space at the end of the log that only compaction may use, so that a full disk can still be given segments back. What one
    /// segment moves at most would be a whole segment.
    /// </summary>
    public long CompactionReserveBytes { get; init; } = 16L << 20;

    /// <summary>The log is compacted when it is longer than its live bytes times this, and one segment. Windows are live as pending entries are.</summary>
    public double CompactAbove { get; init; } = 2.0;

    /// <summary>
    /// Of how many devices a WINDOW record must stay in the log. Without it a log that holds more of them than a segment takes would be compacted for ever,
    /// each time into as many again. On the compactor's thread; null: none.
    /// </summary>
    public Func<long>? CountWindows { get; init; }

    /// <summary>
    /// On the compactor's thread: this partition's owner has something to do, see <see cref="MailboxPartition.Compact"/>. Null: the log is never
    /// compacted. Must not block or throw.
    /// </summary>
    public Action<int>? OnCompaction { get; init; }

    /// <summary>How far ahead of the clock sequences are reserved; renewed at half.</summary>
    public TimeSpan ReserveAhead { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Fail stop when work waited this long without any commit.</summary>
    public TimeSpan CommitStallLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After this long without work the last batch is marked, so that damage to it is told from a torn tail.</summary>
    public TimeSpan IdleMarkAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Pages one partition may have out at a time.</summary>
    public int PageBuffersPerPartition { get; init; } = 32;

    /// <summary>Bytes of a page buffer; raised to hold one record of the longest body.</summary>
    public int PageBufferBytes { get; init; } = 128 * 1024;

    /// <summary>Threads that read pages; partitions are dealt out among them.</summary>
    public int ReaderThreads { get; init; } = 1;

    /// <summary>On the commit thread after the watermark moved. Must not block or throw (a throw is a fail stop).</summary>
    public Action? OnCommitted { get; init; }

    /// <summary>
    /// On the commit thread, before <see cref="OnCommitted"/>: how long the batch took from when the pump took it up until the watermark had
    /// passed it. Must not block or throw (a throw is a fail stop).
    /// </summary>
    public Action<TimeSpan>? OnCommitTimed { get; init; }

    /// <summary>Keeps what <see cref="MailboxPartition.ReadQueues"/> and <see cref="MailboxPartition.ReadBacklog"/> tell; off, they tell nothing and cost nothing.</summary>
    public bool MeasureQueues { get; init; } = true;

    /// <summary>Once, on whichever thread met it: the log has stopped for good. Must not dispose of the log, which waits for its threads: this is one of them.</summary>
    public Action<Exception>? OnFailed { get; init; }

    /// <summary>On a reader thread: <see cref="MailboxPartition.TryTakePage"/> of this partition has something. Must not block or throw.</summary>
    public Action<int>? OnPageReady { get; init; }

    /// <summary>Where the files are; tests put faults here.</summary>
    internal ILogFileSystem? FileSystem { get; set; }

    internal int MaxRecordBytes => RecordLayout.LogBytes(RecordLayout.MessageFixedBytes + MaxBodyBytes);

    internal int OwnerOfMailbox(ulong mailbox) => OwnerOf is null ? 0 : OwnerOf(mailbox);

    /// <exception cref="ArgumentException">A setting is out of range or contradicts another.</exception>
    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Folder);
        Require(NewLogIdentity != 0, "NewLogIdentity must not be 0");
        Require(Partitions is > 0 and <= 1024, "Partitions must be 1 to 1024");
        Require(Partitions == 1 || OwnerOf is not null, "OwnerOf must be given for more than one partition");
        Require(BitOperations.IsPow2(PageBytes) && PageBytes is >= 4096 and <= 1 << 20, "PageBytes must be a power of two from 4 KiB to 1 MiB");
        Require(MaxBodyBytes >= 0 && MaxRecordBytes <= PageBytes - 64, "MaxBodyBytes must leave a record room on a page");
        Require(BitOperations.IsPow2(MemoryBytes) && MemoryBytes >= 8L * PageBytes, "MemoryBytes must be a power of two and at least 8 pages");
        Require(BitOperations.IsPow2(SegmentBytes) && SegmentBytes >= 2L * PageBytes && SegmentBytes <= 1L << 30, "SegmentBytes must be a power of two, at least 2 pages and at most 1 GiB");
        Require(SegmentsAhead is >= 1 and <= 64, "SegmentsAhead must be 1 to 64");
        Require(AckReserveBytes >= 0, "AckReserveBytes must not be negative");
        Require(CompactionReserveBytes >= 0, "CompactionReserveBytes must not be negative");
        Require(CompactAbove is >= 1.1 and <= 100, "CompactAbove must be 1.1 to 100");
        Require(PageBuffersPerPartition is >= 1 and <= 4096, "PageBuffersPerPartition must be 1 to 4096");
        Require(PageBufferBytes is >= 4096 and <= 16 << 20, "PageBufferBytes must be 4 KiB to 16 MiB");
        Require(ReaderThreads is >= 1 and <= 64, "ReaderThreads must be 1 to 64");
        Require(ReserveAhead >= TimeSpan.FromMilliseconds(100) && ReserveAhead <= TimeSpan.FromHours(1), "ReserveAhead must be 100 ms to 1 h");
        Require(CommitStallLimit > TimeSpan.Zero, "CommitStallLimit must be positive");
        Require(CommitDelay >= TimeSpan.Zero && CommitDelay < CommitStallLimit, "CommitDelay must be 0 or more and less than CommitStallLimit");
    }

    /// <summary>
    /// What partitions may overshoot a limit by: each checks the tail before it appends, so each may be one record, and the end of the page
    /// that the record did not fit, beyond it.
    /// </summary>
    internal long OvershootBytes => 2L * MaxRecordBytes * (Partitions + 1);

    /// <summary>Allocated space that no caller may use: for the overshoot, and for the log's own marks and reservations.</summary>
    internal long SystemReserveBytes => OvershootBytes + 64 * 1024;

    private static void Require(bool condition, string message)
    {
        if (!condition) throw new ArgumentException(message);
    }
}
