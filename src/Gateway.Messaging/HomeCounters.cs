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
    public long DeliveredFromMemory;
    public long DeliveredFromLog;
    public long Redelivered;
    public long Acknowledged;
    public long Rejected;
    public long ReceiptsAsked;
    public long EphemeralForwarded;
    public long EphemeralShed;
    public long OfflineEvents;
    public long Parked;
    public long ProtocolErrors;
}
