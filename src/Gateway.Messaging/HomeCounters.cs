using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>
/// What a home has done since it started. Written by the home's thread alone; a reader on another thread sees each value whole and a little late.
/// </summary>
public sealed class HomeCounters
{
    public long Logins;
    public long TakeOvers;
    public long SendsReceived;
    public long Accepted;
    public long RefusedTemporary;
    public long RefusedFinal;

    /// <summary>All refusals by reason: the temporary ones first, then the final ones; see <see cref="RefusedFor"/>.</summary>
    private readonly long[] _refusedFor = new long[TemporaryReasons + FinalReasons];
    public long DeliveredFromMemory;
    /// <summary>Double checks shown to their sender before they were durable.</summary>
    public long DeliveredAhead;
    public long DeliveredFromLog;
    public long Redelivered;
    public long Acknowledged;
    public long Rejected;

    /// <summary>Entries whose life was over and is recorded as such; they go once their senders are told.</summary>
    public long Expired;
    public long ReceiptsAsked;
    public long EphemeralForwarded;
    public long EphemeralShed;
    public long OfflineEvents;
    public long Parked;
    public long ProtocolErrors;

    /// <summary>Pings written because a device was silent, and sessions ended because none of these was answered.</summary>
    public long Probes;
    public long DeadPeers;
    public long WindowsForgotten;

    private const int TemporaryReasons = 16;
    private const int FinalReasons = 16;

    /// <summary>Sends refused for this reason. Any thread.</summary>
    public long RefusedFor(RefusalReason reason) => Volatile.Read(ref _refusedFor[IndexOf(reason)]);

    internal void CountRefusal(RefusalReason reason)
    {
        if (reason.IsFinal()) RefusedFinal++;
        else RefusedTemporary++;
        _refusedFor[IndexOf(reason)]++;
    }

    private static int IndexOf(RefusalReason reason) =>
        reason.IsFinal() ? TemporaryReasons + (reason - RefusalReason.FirstFinal) : (int)reason;
}
