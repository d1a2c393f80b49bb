using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Messaging;

/// <summary>What an <see cref="IHomeLog.Append"/> came to.</summary>
public enum LogStatus : byte
{
    Appended,
    /// <summary>No room is set aside for more of this kind of record; try again later.</summary>
    Full,
    /// <summary>Too much is uncommitted already; try again after commits.</summary>
    Busy,
    /// <summary>The log has failed for good.</summary>
    Failed,
}

/// <summary>Whether what was appended becomes durable.</summary>
public enum LogOutcome : byte
{
    /// <summary>Everything up to <see cref="IHomeLog.CommittedThrough"/> is durable, and the rest will be.</summary>
    Committed,
    /// <summary>Another owner has taken this home's part of the log.</summary>
    Fenced,
    /// <summary>The engine cannot say what became of the records after <see cref="IHomeLog.CommittedThrough"/>.</summary>
    Unknown,
}

/// <summary>The kinds of record that messaging writes.</summary>
public enum LogRecordType : byte
{
    None = 0,
    /// <summary>A message pending in <see cref="LogRecord.Mailbox"/>.</summary>
    Message,
    /// <summary>A receipt pending in <see cref="LogRecord.Mailbox"/>. Body: incarnation u32, reserved u32, numbers u64 each.</summary>
    Receipt,
    /// <summary>The device has everything up to <see cref="LogRecord.Sequence"/> that has not expired.</summary>
    AckUpTo,
    /// <summary>One entry goes for the reason in <see cref="LogRecord.Kind"/> (a <see cref="RemoveReason"/>).</summary>
    Remove,
    /// <summary>A send window: device in Mailbox, low mark in Low, settled bitmap in Number, last use in EnqueuedAt.</summary>
    Window,
    /// <summary>A device's key epoch: device in Mailbox, epoch in Incarnation.</summary>
    Device,
    /// <summary>The life of one entry is over: from now on nobody is delivered it and no acknowledgement takes it; a Remove does.</summary>
    Expire,
}

/// <summary>Why an entry left its mailbox other than by acknowledgement. Values are those of the log's format.</summary>
public enum RemoveReason : byte
{
    None = 0,
    Rejected = 1,
    Expired = 2,
    Discarded = 3,
    Lost = 4,
}

/// <summary>One record of a home's log. Fields a type does not use are 0.</summary>
public readonly ref struct LogRecord
{
    public LogRecordType Type { get; init; }
    public ulong Mailbox { get; init; }
    public ulong Sequence { get; init; }

    /// <summary>The sequence before this one in its mailbox, 0 when none is known.</summary>
    public ulong Previous { get; init; }

    /// <summary>Who sent the message, or the peer a receipt speaks of.</summary>
    public ulong Sender { get; init; }

    /// <summary>The sender's incarnation that the origin's number belongs to; 0 when the record has no origin (a receipt made by the node).</summary>
    public uint Incarnation { get; init; }
    public ulong Number { get; init; }
    public ulong Low { get; init; }

    /// <summary>Seconds since 1970.</summary>
    public uint EnqueuedAt { get; init; }

    /// <summary>Seconds since 1970; 0 never.</summary>
    public uint ExpiresAt { get; init; }
    public byte Kind { get; init; }
    public ushort Reason { get; init; }
    public ReadOnlySpan<byte> Body { get; init; }
}

/// <summary>What is pending in a mailbox, uncommitted entries included. All 0 for an empty one.</summary>
public readonly record struct MailboxState(long Entries, long Bytes, ulong First, ulong Last);

/// <summary>
/// The durable log of one home: append a batch (committed, fenced, unknown), read from, truncate (by removal records), snapshot
/// (streamed when the engine opens). Engines: FASTER in the node, memory in the simulation. Called on the home's thread only.
/// Invariant: a position is durable exactly when <see cref="CommittedThrough"/> has reached it.
/// </summary>
public interface IHomeLog
{
    /// <summary>The next sequence: above every one issued before, by any run of the node. 0: none may be issued at this instant (rule 3).</summary>
    ulong NextSequence();

    /// <summary>The highest sequence issued or recovered.</summary>
    ulong Floor { get; }

    /// <summary>
    /// Seconds since 1970 that never run ahead of the monotonic clock, across runs of the node by little, whatever becomes of the system's: what
    /// is given up for its age is judged by this time alone.
    /// </summary>
    uint SteadySeconds { get; }

    /// <summary>Stages a record in the batch and applies it to what is pending. <paramref name="position"/> rises with every record.</summary>
    LogStatus Append(in LogRecord record, out long position);

    /// <summary>Ends the batch: what was staged is on its way to the disk.</summary>
    void Submit();

    long CommittedThrough { get; }

    LogOutcome Outcome { get; }

    MailboxState State(ulong mailbox);

    /// <summary>Bytes of log that everything pending in this home takes.</summary>
    long PendingBytes { get; }

    /// <summary>
    /// Asks for the pending, committed entries of a mailbox after a sequence that have not expired, at most <paramref name="maxEntries"/> and about
    /// <paramref name="maxBytes"/> of bodies (one always fits). False: every page is out; ask again when one came back.
    /// </summary>
    bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token);

    /// <summary>
    /// Goes on with a list of the mailboxes in which something is pending; returns how many it put into <paramref name="into"/>.
    /// <paramref name="ended"/>: there are no more, and the next call begins anew. What comes and goes meanwhile may be passed over or listed twice.
    /// </summary>
    int ListMailboxes(Span<ulong> into, out bool ended);

    /// <summary>As <see cref="TryBeginRead"/>, of the entries that an Expire record speaks of, from the first one on.</summary>
    bool TryBeginExpiredRead(ulong mailbox, int maxEntries, int maxBytes, ulong token);

    /// <summary>
    /// Goes on with a sweep over everything pending, by about <paramref name="most"/> entries, and lists those up to the position
    /// <paramref name="through"/> whose life (<see cref="LogRecord.ExpiresAt"/> less <see cref="LogRecord.EnqueuedAt"/>), counted from their sequence,
    /// is over at <paramref name="nowSeconds"/> since 1970 (an engine may be late), and at least one of each mailbox that has any whose expiry is recorded already, whatever the time. Returns how many.
    /// <paramref name="ended"/>: the next call begins a new sweep. What comes and goes meanwhile may be passed over or listed twice.
    /// </summary>
    int FindOverdue(uint nowSeconds, long through, int most, Span<OverdueEntry> into, out bool ended);

    /// <summary>Takes a page that has arrived; the caller releases it.</summary>
    bool TryTakePage([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ILogPage? page);
}

/// <summary>Entries read back from the log, in order of sequence. Empty when nothing was pending after the sequence asked for.</summary>
public interface ILogPage
{
    ulong Token { get; }

    /// <summary>The next entry; its body is valid until <see cref="Release"/>.</summary>
    bool TryNext(out LogRecord record);

    void Release();
}
