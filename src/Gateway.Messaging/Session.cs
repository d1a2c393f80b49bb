namespace Gateway.Messaging;

/// <summary>What a session's home is waiting for or has noted about it.</summary>
[Flags]
internal enum SessionFlags : ushort
{
    None = 0,
    /// <summary>The welcome was written; before it nothing else is.</summary>
    Welcomed = 1,
    /// <summary>Entries may be pending after the cursor that only a read can bring.</summary>
    Behind = 2,
    /// <summary>A page is on its way.</summary>
    Reading = 4,
    /// <summary>An entry was committed past the cursor while the page was on its way.</summary>
    CommittedWhileReading = 8,
    TimerSet = 16,
    /// <summary>In the list of sessions whose acknowledgements this turn will work off.</summary>
    AckListed = 32,
    /// <summary>In the queue for a page buffer.</summary>
    ReadQueued = 64,
    /// <summary>The page on its way was asked for before the cursor went back, or before a rejected entry went.</summary>
    DiscardPage = 128,
    /// <summary>Absent, and the offline event of this absence was raised.</summary>
    OfflineRaised = 256,
    /// <summary>The receipts owed may hold a rejection, whose entry is passed over when it is read again.</summary>
    OwesRejection = 512,
    /// <summary>The entry after the cursor does not fit the credit: reading it again before some came back is for nothing.</summary>
    CreditSpent = 1024,
    /// <summary>In a queue of stopped cursors.</summary>
    Stopped = 2048,
    /// <summary>Of an idle session: its position is also the last sequence appended here.</summary>
    LastAppendedHere = 4096,
    /// <summary>What a session may have while nothing of it is under way.</summary>
    WhileIdle = Welcomed | TimerSet | Probed,
    /// <summary>The connection ended before all was read that its device says it has processed; read on without it, to be acknowledged.</summary>
    Finishing = 8192,
    /// <summary>A ping of ours is unanswered.</summary>
    Probed = 16384,
    /// <summary>What outlives a connection: it speaks of the mailbox.</summary>
    OfTheMailbox = AckListed | OwesRejection,
}

/// <summary>
/// A device that is connected, or was and has something left to finish: its connection, its cursor over its mailbox, its credit, what was
/// delivered and not yet acknowledged, and the receipts it owes. Owned by its home. While it is connected and nothing is under way, all that
/// is kept of it is an <see cref="IdleSession"/>; see <see cref="SessionTable"/>.
/// Invariants: Processed &lt;= HighestDelivered; the cursor passes what is not committed only by double checks delivered ahead; the delivered list holds, in order of sequence,
/// the entries up to the cursor whose receipt was not asked for yet, less those the device rejected.
/// </summary>
internal struct Session
{
    /// <summary>The device, which is also its mailbox.</summary>
    public ulong Key;

    /// <summary>0 when the device is not connected.</summary>
    public ulong Connection;

    /// <summary>Raised by each login and each end (rule 6); no two of a home are alike.</summary>
    public uint Epoch;

    /// <summary>Requests sent for this device to other homes that have not come back.</summary>
    public uint Outstanding;

    /// <summary>The cursor: the highest sequence written to this connection or passed over.</summary>
    public ulong Delivered;

    /// <summary>The highest sequence this connection may acknowledge; survives a rewind of the cursor.</summary>
    public ulong HighestDelivered;

    /// <summary>The highest sequence the device has processed, by its resume position or an acknowledgement.</summary>
    public ulong Processed;

    /// <summary>The highest sequence whose receipt was asked for; it leaves the mailbox when the receipt is durable.</summary>
    public ulong OwedThrough;

    /// <summary>The last sequence appended to the mailbox since this session exists; 0 for none.</summary>
    public ulong LastAppended;

    /// <summary>The numbers in flight, from the window's low mark on; see <see cref="SendWindow"/>.</summary>
    public ulong InFlight;

    public long ProgressAtMs;

    /// <summary>Seconds since 1970.</summary>
    public uint LoggedInAt;

    public uint CreditMessages;
    public uint CreditBytes;
    public uint UnackedMessages;
    public uint UnackedBytes;

    /// <summary>First and last of the delivered list, and of the receipts owed, oldest first.</summary>
    public uint DeliveredHead;
    public uint DeliveredTail;
    public uint OwedHead;
    public uint OwedTail;

    /// <summary>First of the sends held back for order (rule 7).</summary>
    public uint HeldHead;

    /// <summary>The window's index; the window outlives the session.</summary>
    public uint Window;

    public SessionFlags Flags;

    /// <summary>How often in a row this connection was delivered to again without an acknowledgement in between.</summary>
    public byte Redeliveries;

    /// <summary>Opened in this turn; <see cref="SessionTable"/>'s.</summary>
    public bool Opened;

    public readonly bool IsOnline => Connection != 0 && (Flags & SessionFlags.Welcomed) != 0;

    public readonly bool Has(SessionFlags flag) => (Flags & flag) != 0;
    public void Set(SessionFlags flag) => Flags |= flag;
    public void Clear(SessionFlags flag) => Flags &= ~flag;

    /// <summary>True when another body of this length may be delivered: within both credits, or nothing is unacknowledged (rule 11).</summary>
    public readonly bool HasCredit(int bodyBytes) =>
        UnackedMessages < CreditMessages && (UnackedMessages == 0 || UnackedBytes + (ulong)bodyBytes <= CreditBytes);

    /// <summary>
    /// Connected, and nothing is under way. If the mailbox is empty too, one position says all: whatever comes has a higher sequence than any
    /// here, so it does not matter that the cursor or what is owed may have ended below what the device processed in an earlier session.
    /// A device that rejected what it was sent last may do so again, which <see cref="HighestDelivered"/> above <see cref="Processed"/> allows:
    /// such a session is not idle.
    /// </summary>
    public readonly bool IsIdle =>
        Connection != 0 && Has(SessionFlags.Welcomed) && (Flags & ~SessionFlags.WhileIdle) == 0
        && Outstanding == 0 && DeliveredHead == 0 && OwedHead == 0 && HeldHead == 0 && Redeliveries == 0
        && Processed == HighestDelivered && Delivered <= Processed && OwedThrough <= Processed
        && (LastAppended == 0 || LastAppended == Processed)
        && CreditMessages <= ushort.MaxValue;
}

/// <summary>An entry that was delivered on a live connection and not yet acknowledged: what its receipt needs. In a list per session, oldest first.</summary>
internal struct DeliveredEntry
{
    public ulong Sequence;

    /// <summary>Who is told when it is acknowledged; 0 for a receipt, which earns none, and once the receipt that names it was asked for.</summary>
    public ulong Sender;
    public ulong Number;
    public uint Incarnation;
    public int BodyBytes;
    public uint Next;
}

/// <summary>
/// A receipt owed (rule 5): the entries up to <see cref="UpTo"/> were acknowledged by the device (or this one rejected), and leave the mailbox
/// when the receipt is durable in the sender's. In a list per session, oldest first, worked off from the front only.
/// </summary>
internal struct OwedReceipt
{
    public ulong UpTo;
    public uint Session;
    public uint Next;

    /// <summary>When it came to be owed, in units of 16 ms of the home's clock.</summary>
    public uint Since;
    public bool Done;

    /// <summary>The device rejected the one entry <see cref="UpTo"/>, rather than acknowledged all up to it.</summary>
    public bool IsRejection;
    public ushort Reason;
}

/// <summary>A temporary refusal that holds back this session's later sends to the same mailbox (rule 7).</summary>
internal struct HeldSend
{
    public ulong Mailbox;
    public ulong Number;
    public uint Next;
}
