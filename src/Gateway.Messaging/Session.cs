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
    /// <summary>What outlives a connection: it speaks of the mailbox.</summary>
    OfTheMailbox = AckListed | OwesRejection,
}

/// <summary>
/// A device that is connected, or was and has something left to finish: its connection, its cursor over its mailbox, its credit, what was
/// delivered and not yet acknowledged, and the receipts it owes. Owned by its home.
/// Invariants: Processed &lt;= HighestDelivered; the cursor never passes what is committed; the delivered list holds, in order of sequence,
/// the entries up to the cursor whose receipt was not asked for yet, less those the device rejected.
/// </summary>
internal struct Session : IKeyed
{
    /// <summary>The device, which is also its mailbox.</summary>
    public ulong Key { get; set; }

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

    /// <summary>The last sequence appended to the mailbox since this structure exists; 0 for none.</summary>
    public ulong LastAppended;

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

    /// <summary>The window's index; the window outlives this structure.</summary>
    public uint Window;

    public SessionFlags Flags;

    /// <summary>How often in a row this connection was delivered to again without an acknowledgement in between.</summary>
    public byte Redeliveries;

    public readonly bool IsOnline => Connection != 0 && (Flags & SessionFlags.Welcomed) != 0;

    public readonly bool Has(SessionFlags flag) => (Flags & flag) != 0;
    public void Set(SessionFlags flag) => Flags |= flag;
    public void Clear(SessionFlags flag) => Flags &= ~flag;

    /// <summary>True when another body of this length may be delivered: within both credits, or nothing is unacknowledged (rule 11).</summary>
    public readonly bool HasCredit(int bodyBytes) =>
        UnackedMessages < CreditMessages && (UnackedMessages == 0 || UnackedBytes + (ulong)bodyBytes <= CreditBytes);
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
