namespace Gateway.Mailbox.Inspection;

/// <summary>What an opening would make of a log.</summary>
public enum LogState
{
    /// <summary>It opens, and nothing is cut off.</summary>
    Sound = 0,

    /// <summary>It opens; the end of the last batch, which nobody was promised, is torn and will be cut off.</summary>
    TornTail = 1,

    /// <summary>It is refused: what was promised is damaged.</summary>
    Damaged = 2,
}

/// <summary>A place in the log: which byte of which file, and its log address.</summary>
/// <param name="File">Path of the segment's file; for a segment that is missing, where it should be.</param>
/// <param name="Offset">Bytes from the start of the file.</param>
/// <param name="Address">Log address; -1 for what has none, as a superblock.</param>
public readonly record struct LogPlace(string File, long Offset, long Address);

/// <summary>The superblock that counts. The log's identity is not told: who knows it could pose as a mark.</summary>
/// <param name="Number">Times it was written.</param>
/// <param name="BeginAddress">The log's first kept byte.</param>
/// <param name="DurableAddress">All below it was durable when this was written.</param>
/// <param name="ReservedSequence">No sequence above it had been given out when this was written.</param>
/// <param name="SegmentBytes">Of log in one file.</param>
/// <param name="PageBytes">No record crosses a page.</param>
/// <param name="ClosedCleanly">With its tail at the durable address.</param>
/// <param name="WasRebuilt">No valid one was found: this is what the segments say.</param>
public sealed record SuperblockFacts(
    ulong Number, long BeginAddress, long DurableAddress, ulong ReservedSequence, long SegmentBytes, int PageBytes, bool ClosedCleanly, bool WasRebuilt);

/// <summary>One segment file.</summary>
/// <param name="File">Its name in the data folder.</param>
/// <param name="FirstAddress">Of the log, in it.</param>
/// <param name="FileBytes">As found; 0 when it is missing.</param>
/// <param name="UsedBytes">Of log before its end.</param>
public sealed record SegmentFacts(string File, long FirstAddress, long FileBytes, long UsedBytes);

/// <summary>Sound records of one type; bytes of log.</summary>
public readonly record struct RecordTotal(RecordType Type, long Records, long Bytes);

/// <summary>How much is known of a damaged stretch.</summary>
public enum DamageKind
{
    /// <summary>A file's header or the superblock: nothing that was promised lies there.</summary>
    Header = 0,

    /// <summary>One record's length. What it holds is whole, and is kept.</summary>
    Length = 1,

    /// <summary>One record, whose bounds the records around it prove. It is lost; its type, mailbox and sequence are what its damaged bytes say.</summary>
    Record = 2,

    /// <summary>Bytes up to the next place where a record surely begins. What they held is not known.</summary>
    Stretch = 3,
}

/// <summary>One damaged stretch of the log.</summary>
public sealed record LogDamage
{
    public required LogPlace Place { get; init; }
    public long Bytes { get; internal set; }
    public required DamageKind Kind { get; init; }

    /// <summary>What is wrong, in a sentence's part.</summary>
    public required string Reason { get; init; }

    /// <summary><see cref="DamageKind.Record"/>: what its damaged bytes say, None when they say nothing possible.</summary>
    public RecordType Record { get; init; }
    public ulong Mailbox { get; init; }
    public ulong Sequence { get; init; }

    /// <summary>A RECEIPT, or a MOVED that was one.</summary>
    internal bool IsReceipt { get; init; }

    /// <summary>Messages and receipts known to be lost here: by the record itself, or because a later entry names its predecessor and nothing shows that it was settled.</summary>
    public long LostMessages { get; internal set; }
    public long LostReceipts { get; internal set; }
}

/// <summary>What a look at a stopped node's log found.</summary>
public sealed record LogSurvey
{
    public required string Folder { get; init; }
    public required LogState State { get; init; }
    public required SuperblockFacts Superblock { get; init; }
    public required IReadOnlyList<SegmentFacts> Segments { get; init; }

    /// <summary>Where the log ends, and why.</summary>
    public required LogPlace End { get; init; }
    public required string EndReason { get; init; }

    /// <summary>From the end on: bytes up to the last that is not zero, which an opening would clear.</summary>
    public required long CutBytes { get; init; }

    /// <summary>Everything below was durable by what marks and superblock say.</summary>
    public required long DurableAddress { get; init; }

    /// <summary>In log order; empty unless the state is damaged.</summary>
    public required IReadOnlyList<LogDamage> Damage { get; init; }

    /// <summary>Of sound records, by type.</summary>
    public required IReadOnlyList<RecordTotal> Records { get; init; }

    /// <summary>Stretches that earlier repairs gave up, and their bytes of log.</summary>
    public required (long Stretches, long Bytes) EarlierGaps { get; init; }

    /// <summary>What would be pending after an opening; where there is damage, after a repair and an opening.</summary>
    public required PendingCount Pending { get; init; }

    /// <summary>As <see cref="Pending"/>.</summary>
    public required Ledger Ledger { get; init; }

    /// <summary>Messages and receipts known to be lost, over all damage.</summary>
    public long KnownLost => Damage.Sum(d => d.LostMessages + d.LostReceipts);
}

/// <summary>One record of a listing: where it is and how long, never what it says.</summary>
/// <param name="Place">Of the length in front of it.</param>
/// <param name="Type">Of the record.</param>
/// <param name="Bytes">Of log, length and padding included.</param>
/// <param name="BodyBytes">Of a message or receipt; otherwise 0.</param>
/// <param name="Mailbox">Whose, or the device; 0 for the log's own.</param>
/// <param name="Sequence">Its own, or the one that it acknowledges or removes; RESERVE the reserved one; otherwise 0.</param>
/// <param name="Durable">MARK: the address it names; otherwise 0.</param>
/// <param name="Pending">A message or receipt that is still pending at the log's end.</param>
public readonly record struct LogEntry(LogPlace Place, RecordType Type, long Bytes, int BodyBytes, ulong Mailbox, ulong Sequence, long Durable, bool Pending);

/// <summary>Told while a log is read: bytes of log so far, and at most.</summary>
public delegate void LogProgress(long scannedBytes, long totalBytes);

/// <summary>Takes one pending entry; the record's body dies with the call.</summary>
public delegate void PendingEntry(in MailboxRecord record);
