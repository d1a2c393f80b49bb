using Gateway.Protocol;

namespace Gateway.Server;

/// <summary>Counters since the process started, gauges where the name says so (bytes, slots and leases in use, connections, sessions).</summary>
/// <param name="Reactors">One each, in order of their index.</param>
/// <param name="Log">Of the mailbox log.</param>
/// <param name="TotalAllocatedBytes">Managed bytes allocated by the whole process (<see cref="GC.GetTotalAllocatedBytes(bool)"/>, imprecise).</param>
public sealed record NodeCounters(IReadOnlyList<ReactorCounters> Reactors, LogCounters Log, long TotalAllocatedBytes)
{
    public static NodeCounters None { get; } = new([], default, 0);

    /// <summary>What is pending, and what became of the rest.</summary>
    public MailboxCounters Mailboxes { get; init; } = MailboxCounters.None;
}

/// <summary>One reactor's.</summary>
public readonly record struct ReactorCounters
{
    public int Index { get; init; }

    /// <summary>Gauge: open connections, those not yet authenticated included.</summary>
    public long Connections { get; init; }

    /// <summary>Gauge: authenticated sessions whose home this reactor is.</summary>
    public long Sessions { get; init; }

    public long ConnectionsAccepted { get; init; }
    public long ConnectionsClosed { get; init; }
    public long AuthenticationsFailed { get; init; }

    /// <summary>Devices sent away with a moment to come back, because too many logged in at once.</summary>
    public long LoginsDeferred { get; init; }

    /// <summary>Connections refused because buffers were over their hard mark.</summary>
    public long ConnectionsShed { get; init; }

    /// <summary>Sends that arrived, whatever became of them.</summary>
    public long MessagesIn { get; init; }

    /// <summary>Answered accepted, after their commit.</summary>
    public long MessagesAccepted { get; init; }

    /// <summary>Answered refused, temporarily or for good.</summary>
    public long MessagesRefused { get; init; }

    /// <summary>Deliver frames written, repeats included.</summary>
    public long MessagesOut { get; init; }

    /// <summary>Entries removed by a device's acknowledgement.</summary>
    public long MessagesAcknowledged { get; init; }

    public long BytesIn { get; init; }
    public long BytesOut { get; init; }

    /// <summary>Gauge: pooled pipes that hold a partial frame or unsent output now.</summary>
    public long LeasesInUse { get; init; }

    /// <summary>Gauge: bytes in them.</summary>
    public long BufferedBytes { get; init; }

    /// <summary>Gauge: connections not read because of the buffer budget.</summary>
    public long PausedByBudget { get; init; }

    public long Logins { get; init; }

    /// <summary>Sessions that a later login of the same device ended.</summary>
    public long TakeOvers { get; init; }

    /// <summary>Gauge: send windows kept, one a device that was here in the last 60 days.</summary>
    public long Windows { get; init; }

    /// <summary>Send windows forgotten because nobody had used them for so long.</summary>
    public long WindowsForgotten { get; init; }

    /// <summary>Sessions closed for what their device sent.</summary>
    public long ProtocolErrors { get; init; }

    /// <summary>Pings to devices that were silent.</summary>
    public long Probes { get; init; }

    /// <summary>Sessions ended because such a ping was not answered.</summary>
    public long DeadPeers { get; init; }

    /// <summary>Deliver frames written from memory as the commit came.</summary>
    public long DeliveredFromMemory { get; init; }

    /// <summary>Double checks written to their sender when they were appended, ahead of their commit.</summary>
    public long DeliveredAhead { get; init; }

    /// <summary>Deliver frames written from a page read back from the log.</summary>
    public long DeliveredFromLog { get; init; }

    /// <summary>Deliver frames that were repeats.</summary>
    public long Redelivered { get; init; }

    /// <summary>Typing notices and the like that were dropped: their reader was too slow, or their lane full.</summary>
    public long EphemeralShed { get; init; }

    /// <summary>Frames that had to wait unread for credit to another reactor.</summary>
    public long Parked { get; init; }

    /// <summary>Microseconds spent outside waits.</summary>
    public long BusyMicros { get; init; }

    /// <summary>Gauge: how long ago the reactor began a turn; more than a few dozen milliseconds means that it hangs or is starved.</summary>
    public TimeSpan SinceTurn { get; init; }

    /// <summary>Turns of the loop.</summary>
    public long Turns { get; init; }

    /// <summary>Managed bytes allocated by the reactor's thread.</summary>
    public long AllocatedBytes { get; init; }
}

/// <summary>The mailbox log's.</summary>
public readonly record struct LogCounters
{
    public long Commits { get; init; }
    public long BytesAppended { get; init; }

    /// <summary>Written to the log's files, padding included.</summary>
    public long BytesWritten { get; init; }

    /// <summary>Calls of fdatasync on the log's files.</summary>
    public long Syncs { get; init; }

    /// <summary>Total time spent in fdatasync, µs.</summary>
    public long SyncMicros { get; init; }

    /// <summary>Gauge: bytes between the log's begin and its tail.</summary>
    public long LogBytes { get; init; }

    /// <summary>Gauge: of them, what pending entries take; compaction keeps the log below twice this and two segments.</summary>
    public long LiveBytes { get; init; }

    /// <summary>Files of the log that compaction has taken away.</summary>
    public long TruncatedSegments { get; init; }

    /// <summary>Gauge: bytes appended that are not yet committed.</summary>
    public long UncommittedBytes { get; init; }

    /// <summary>Gauge: bytes allocated beyond the tail.</summary>
    public long AllocatedAheadBytes { get; init; }

    /// <summary>Gauge: files of the log.</summary>
    public int Segments { get; init; }

    /// <summary>Gauge: files that the log has given up and keeps to use again.</summary>
    public int SpareSegments { get; init; }

    /// <summary>The last attempt to allocate a segment found no room.</summary>
    public bool DiskFull { get; init; }

    /// <summary>Pages read back for readers that were behind.</summary>
    public long PagesRead { get; init; }

    /// <summary>Gauge: entries in the index, receipts included.</summary>
    public long PendingEntries { get; init; }
}

/// <summary>An authenticated session, for an operator who may see addresses.</summary>
/// <param name="Address">The device.</param>
/// <param name="Remote">Peer's address and port as text, the proxy's view where one is in front.</param>
/// <param name="Reactor">Its home.</param>
/// <param name="ConnectedAt">When the session was welcomed.</param>
/// <param name="SessionEpoch">Of the login.</param>
/// <param name="KeyEpoch">Of the key it logged in with.</param>
/// <param name="Unacknowledged">Entries delivered to it and not yet acknowledged.</param>
/// <param name="UnsentBytes">Output that the kernel has not taken.</param>
public sealed record ConnectionStatus(
    Address Address, string Remote, int Reactor, DateTimeOffset ConnectedAt, uint SessionEpoch, uint KeyEpoch, int Unacknowledged, int UnsentBytes);

/// <summary>A mailbox, for an operator who may see addresses.</summary>
/// <param name="Address">Whose it is.</param>
/// <param name="PendingEntries">Not yet acknowledged, receipts included.</param>
/// <param name="PendingBytes">Of their bodies.</param>
/// <param name="FirstSequence">The lowest pending, 0 when nothing is.</param>
/// <param name="LastSequence">The highest pending, 0 when nothing is.</param>
/// <param name="KeyEpoch">That the device's key must have.</param>
/// <param name="Session">Who reads it now, or null.</param>
public sealed record MailboxStatus(
    Address Address, long PendingEntries, long PendingBytes, ulong FirstSequence, ulong LastSequence, uint KeyEpoch, ConnectionStatus? Session);
