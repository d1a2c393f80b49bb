namespace Gateway.Mailbox;

/// <summary>A snapshot of the log's counters; sizes in bytes, times in microseconds, totals since opening.</summary>
public readonly record struct MailboxLogCounters
{
    public long Commits { get; init; }
    public long CommittedBytes { get; init; }
    public long Syncs { get; init; }
    public long SyncMicroseconds { get; init; }
    public long LongestSyncMicroseconds { get; init; }
    public long WrittenBytes { get; init; }

    /// <summary>Appended and not yet committed.</summary>
    public long UncommittedBytes { get; init; }

    /// <summary>From the first kept byte to the tail.</summary>
    public long LogBytes { get; init; }

    /// <summary>Of them, what pending entries take.</summary>
    public long LiveBytes { get; init; }

    /// <summary>Taken away by compaction.</summary>
    public long TruncatedSegments { get; init; }

    /// <summary>From the tail to the end of the allocated segments.</summary>
    public long AllocatedAheadBytes { get; init; }
    public int Segments { get; init; }

    /// <summary>Files of segments given up that wait to become the next ones: with <see cref="Segments"/> what the log takes of the disk.</summary>
    public int SpareSegments { get; init; }

    /// <summary>Segments made of such a file; all others were written once with zeros.</summary>
    public long SegmentsUsedAgain { get; init; }

    /// <summary>The last attempt to allocate a segment found no space, or no file descriptor for it.</summary>
    public bool DiskFull { get; init; }
    public long PagesRead { get; init; }
    public long RecordsRead { get; init; }
    public long PageReadBytes { get; init; }

    /// <summary>The highest sequence that may be given out.</summary>
    public ulong ReservedThrough { get; init; }
}
