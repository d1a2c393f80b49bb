namespace Gateway.Mailbox;

/// <summary>Every record type of log format version 1. Values are on disk and never change. LOG-FORMAT.md, "Record types".</summary>
public enum RecordType : byte
{
    None = 0,
    /// <summary>The log's own: names an address below which everything was durable when it was written.</summary>
    Mark = 1,
    /// <summary>The log's own: no sequence above it is given out before a later one is durable.</summary>
    Reserve = 2,
    Message = 3,
    Receipt = 4,
    AckUpTo = 5,
    Remove = 6,
    Window = 7,
    Device = 8,
    /// <summary>The log's own: an entry's record again, at the end of the log, written by compaction.</summary>
    Moved = 9,
    // Fanout, Entry, FanoutDone and Generation are laid out for parts to come: this version writes none of them and refuses a log that holds one.
    Fanout = 10,
    Entry = 11,
    FanoutDone = 12,
    /// <summary>The log's own: what everything that was truncated came to, written by compaction.</summary>
    LedgerTotals = 13,
    Generation = 14,
    /// <summary>The log's own, written by a repair where a stretch of it was damaged: takes its place, and counts the entries known to be lost with it.</summary>
    Gap = 15,
    /// <summary>The life of one entry is over: it is not delivered any more, and goes by a <see cref="Remove"/> once its sender is told.</summary>
    Expire = 16,
}

/// <summary>Why one entry left its mailbox unacknowledged: <see cref="MailboxRecord.Kind"/> of a <see cref="RecordType.Remove"/>. On disk; never change.</summary>
public enum RemoveReason : byte
{
    None = 0,
    Rejected = 1,
    Expired = 2,
    Discarded = 3,
    Lost = 4,
}

/// <summary>
/// One record on its way into the log, or out of it on a page. Fields that a type does not use are 0; LOG-FORMAT.md lists them by type.
/// From a page, <see cref="Body"/> points into the page and dies with its release.
/// </summary>
public readonly ref struct MailboxRecord
{
    public RecordType Type { get; init; }

    /// <summary>Whose mailbox; Window and Device: the device.</summary>
    public ulong Mailbox { get; init; }

    /// <summary>Message, Receipt: its own, from <see cref="MailboxPartition.NextSequence"/>; AckUpTo: the highest acknowledged; Expire, Remove: the one.</summary>
    public ulong Sequence { get; init; }

    /// <summary>Message, Receipt: the sequence before it in this mailbox, 0 when none is known.</summary>
    public ulong Previous { get; init; }

    /// <summary>Message: who sent it. Receipt: the peer it speaks of.</summary>
    public ulong Sender { get; init; }

    /// <summary>Message, Receipt: the origin's (0: no origin). Window: its own. Device: the key epoch.</summary>
    public uint Incarnation { get; init; }

    /// <summary>Message, Receipt: the origin's number (0 without an origin). Window: the settled bitmap.</summary>
    public ulong Number { get; init; }

    /// <summary>Message, Receipt: the origin's low mark. Window: the low mark.</summary>
    public ulong Low { get; init; }

    /// <summary>Seconds since 1970; Window: when it was last used.</summary>
    public uint EnqueuedAt { get; init; }

    /// <summary>Seconds since 1970, 0 never.</summary>
    public uint ExpiresAt { get; init; }

    /// <summary>Receipt: what became of the messages. Remove: a <see cref="RemoveReason"/>.</summary>
    public byte Kind { get; init; }

    /// <summary>Kept for encryption and compression of the body; version 1 writes what it is given and reads it back.</summary>
    public byte Flags { get; init; }

    /// <summary>Receipt, Remove: the device's or the node's reason; otherwise 0.</summary>
    public ushort Reason { get; init; }

    /// <summary>Message and Receipt: at most <see cref="MailboxLogOptions.MaxBodyBytes"/> bytes; otherwise empty.</summary>
    public ReadOnlySpan<byte> Body { get; init; }
}
