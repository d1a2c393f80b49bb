using Gateway.Transport.Buffers;

namespace Gateway.Transport;

/// <summary>The numbers behind <see cref="ReactorCounters"/>: written by the reactor's thread with plain stores, read by any. Aligned words do not tear.</summary>
internal sealed class ReactorMeters
{
    public long Turns, Events, ReceivedBytes, SentBytes, AllocatedBytes, BusyUs, LongestTurnUs;
    public long Accepted, Connected, MovedIn, MovedOut, Closed, AcceptBackoffs, AcceptSuspensions, StaleCompletions, RequestsRefused, NoticesShed, OutputsJoined, OutputsInVain;
    public int SlotsInUse, SlotsHigh, Handshakes, LeasesOut, LeasesHigh, OutputsOut, OutputsHigh, SegmentsOut, PausedByBudget;
    public uint SampledTick;

    public ReactorCounters Read(BufferBudget budget) => new()
    {
        Turns = Volatile.Read(ref Turns),
        Events = Volatile.Read(ref Events),
        ReceivedBytes = Volatile.Read(ref ReceivedBytes),
        SentBytes = Volatile.Read(ref SentBytes),
        AllocatedBytes = Volatile.Read(ref AllocatedBytes),
        BusyUs = Volatile.Read(ref BusyUs),
        LongestTurnUs = Volatile.Read(ref LongestTurnUs),
        Accepted = Volatile.Read(ref Accepted),
        Connected = Volatile.Read(ref Connected),
        MovedIn = Volatile.Read(ref MovedIn),
        MovedOut = Volatile.Read(ref MovedOut),
        Closed = Volatile.Read(ref Closed),
        AcceptBackoffs = Volatile.Read(ref AcceptBackoffs),
        AcceptSuspensions = Volatile.Read(ref AcceptSuspensions),
        StaleCompletions = Volatile.Read(ref StaleCompletions),
        RequestsRefused = Volatile.Read(ref RequestsRefused),
        NoticesShed = Volatile.Read(ref NoticesShed),
        OutputsJoined = Volatile.Read(ref OutputsJoined),
        OutputsInVain = Volatile.Read(ref OutputsInVain),
        SlotsInUse = Volatile.Read(ref SlotsInUse),
        SlotsHigh = Volatile.Read(ref SlotsHigh),
        Handshakes = Volatile.Read(ref Handshakes),
        LeasesOut = Volatile.Read(ref LeasesOut),
        LeasesHigh = Volatile.Read(ref LeasesHigh),
        OutputsOut = Volatile.Read(ref OutputsOut),
        OutputsHigh = Volatile.Read(ref OutputsHigh),
        SegmentsOut = Volatile.Read(ref SegmentsOut),
        BufferedBytes = budget.Bytes,
        BufferedHighBytes = budget.HighBytes,
        PausedByBudget = Volatile.Read(ref PausedByBudget),
    };
}
