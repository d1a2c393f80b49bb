using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>Limits and times of a home. Every queue that messaging keeps is bounded by one of these.</summary>
public sealed record HomeOptions
{
    public int MaxBodyBytes { get; init; } = Wire.DefaultMaxBodyBytes;

    /// <summary>Delivered and unacknowledged for this long on a live socket: delivered again. Doubles up to <see cref="MaxRedeliverAfterMs"/>.</summary>
    public int RedeliverAfterMs { get; init; } = 30_000;
    public int MaxRedeliverAfterMs { get; init; } = 600_000;

    /// <summary>
    /// A device with something delivered and unacknowledged is asked whether it is there once nothing was heard of it for so long, and taken for
    /// gone when nothing is heard for as long again. 0: never asked.
    /// </summary>
    public int ProbeAfterMs { get; init; } = 20_000;

    /// <summary>The most credit a device is given, whatever it asks for.</summary>
    public uint MaxCreditMessages { get; init; } = 1024;
    public uint MaxCreditBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>A cursor writes no more while this much output of its connection is unsent.</summary>
    public int MaxUnsentBytes { get; init; } = 64 * 1024;

    /// <summary>Ephemeral frames are shed while this much output of their connection is unsent.</summary>
    public int ShedEphemeralAtUnsentBytes { get; init; } = 16 * 1024;

    /// <summary>A page read back from the log for one cursor.</summary>
    public int PageEntries { get; init; } = 64;
    public int PageBytes { get; init; } = 64 * 1024;

    /// <summary>Bodies kept from append to commit, so that a recipient who is up to date needs no read; a ring, rounded up to a power of two.</summary>
    public int HotBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Appended and not yet committed entries; beyond it senders are told to try later.</summary>
    public int MaxUncommitted { get; init; } = 256 * 1024;

    /// <summary>Delivered and unacknowledged entries of all of this home's devices together.</summary>
    public int MaxDelivered { get; init; } = 4 * 1024 * 1024;

    /// <summary>Entries and bytes of log pending in one mailbox; beyond them messages to it are refused for now. Receipts never are.</summary>
    public long MaxMailboxEntries { get; init; } = long.MaxValue;
    public long MaxMailboxBytes { get; init; } = long.MaxValue;

    /// <summary>Bytes of log pending in all of this home's mailboxes; beyond them messages to any are refused for now.</summary>
    public long MaxPendingBytes { get; init; } = long.MaxValue;

    /// <summary>Keeps what <see cref="Home.ReadQueues"/> tells; off, it tells nothing and costs nothing.</summary>
    public bool MeasureQueues { get; init; } = true;

    /// <summary>What a burst took and nobody has needed for this long, or up to twice as long, is given back.</summary>
    public int KeepUnusedMs { get; init; } = 10_000;

    /// <summary>The hint that goes with a temporary refusal.</summary>
    public uint RetryAfterMs { get; init; } = 1_000;

    public uint IdleTimeoutMs { get; init; } = 300_000;

    /// <summary>
    /// A window that was not used for this long is forgotten: the 60 days that are promised, and two for which the log's records of its use may be
    /// behind after a kill.
    /// </summary>
    public uint ForgetWindowAfterSeconds { get; init; } = 62 * 24 * 3600;

    /// <summary>
    /// Each window remembers where the log has it, in steps of two to this power: 1 MiB, a page of the log, for logs of up to 4 PiB. What a step less
    /// would tell is recorded once more.
    /// </summary>
    public int RecordedShift { get; init; } = 20;

    /// <summary>Expiry of a message whose sender names none; 0 keeps it for ever.</summary>
    public uint DefaultExpirySeconds { get; init; } = 30 * 24 * 3600;

    /// <summary>A wall clock that is further ahead than this of what it should be makes nothing expire; see <see cref="ExpiryClock"/>.</summary>
    public uint MaxClockJumpSeconds { get; init; } = 7 * 24 * 3600;
}
