namespace Gateway.Simulation;

/// <summary>
/// An entry of a mailbox that no record has removed. A life of 0 s is endless; when it was appended is by the monotonic clock, null for an earlier run
/// of the node; it has expired when a record says so.
/// </summary>
internal readonly record struct PendingView(
    ulong Sequence, long Position, ulong Sender, uint Incarnation, ulong Number, bool IsReceipt, int BodyBytes, uint LifeSeconds, long? AppendedMs, bool HasExpired);

/// <summary>
/// A mailbox and its device as they look from outside the node: what lies in the log, and what the device's sessions have said that the node
/// has read. Owned by the <see cref="Judge"/>.
/// </summary>
internal sealed class MailboxView(ulong key)
{
    public ulong Key { get; } = key;

    /// <summary>The connection whose login the node took last, while it lasts.</summary>
    public SimulatedConnection? Current { get; set; }

    /// <summary>The highest sequence that a session's device has acknowledged while it was the session, or resumed from.</summary>
    public ulong Processed { get; set; }

    /// <summary>
    /// A session rejected them while it was the device's, in this run of the node. The node may not have taken it: it read no further for want of
    /// credit, or was about to deliver the entry again, and then it may say so again.
    /// </summary>
    public HashSet<ulong> Rejected { get; } = [];

    /// <summary>Those of which a receipt was made, in this run of the node.</summary>
    public HashSet<ulong> ToldRejected { get; } = [];

    /// <summary>The highest incarnation told in a welcome.</summary>
    public uint Incarnation { get; set; }

    /// <summary>Logins that asked for a fresh incarnation: each may fence all before it.</summary>
    public int FreshAsked { get; set; }

    /// <summary>The highest sequence ever appended, in any run of the node.</summary>
    public ulong Highest { get; set; }

    /// <summary>The lowest number its device still waits for, as its sends have told, by incarnation.</summary>
    public Dictionary<uint, ulong> ClaimedLow { get; } = [];

    /// <summary>Entries that left because their life was over, in this run of the node or before.</summary>
    public Dictionary<ulong, PendingView> Expired { get; } = [];

    // What follows is a fold over the log's records, begun anew after a crash.

    public List<PendingView> Pending { get; } = [];
    public uint RecordedIncarnation { get; set; }

    public void ForgetLog()
    {
        Current = null;
        Rejected.Clear();
        ToldRejected.Clear();
        Pending.Clear();
        Expired.Clear();
        RecordedIncarnation = 0;
    }
}
