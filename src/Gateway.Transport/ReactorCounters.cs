namespace Gateway.Transport;

/// <summary>
/// What one reactor has done and holds. Read from any thread; each value is whole, the set is not one instant. "High" is the highest
/// value so far.
/// </summary>
public readonly record struct ReactorCounters
{
    public required long Turns { get; init; }
    public required long Events { get; init; }
    public required long ReceivedBytes { get; init; }
    public required long SentBytes { get; init; }

    /// <summary>Managed bytes that the reactor's thread allocated, as of its last tick.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>Microseconds spent outside waits: the reactor's utilisation.</summary>
    public required long BusyUs { get; init; }

    /// <summary>The longest a turn kept other connections waiting, in microseconds.</summary>
    public required long LongestTurnUs { get; init; }

    public required long Accepted { get; init; }
    public required long Connected { get; init; }
    public required long MovedIn { get; init; }
    public required long MovedOut { get; init; }
    public required long Closed { get; init; }

    /// <summary>Times the kernel was short of descriptors or memory at an accept; each paused accepting.</summary>
    public required long AcceptBackoffs { get; init; }

    /// <summary>Times accepting was suspended, for whatever reason.</summary>
    public required long AcceptSuspensions { get; init; }

    /// <summary>Completions dropped because their connection was gone.</summary>
    public required long StaleCompletions { get; init; }

    public required long RequestsRefused { get; init; }
    public required long NoticesShed { get; init; }

    /// <summary>Outputs that waited for others of their connection and went out with them, and that no other came for.</summary>
    public required long OutputsJoined { get; init; }
    public required long OutputsInVain { get; init; }

    public required int SlotsInUse { get; init; }
    public required int SlotsHigh { get; init; }
    public required int Handshakes { get; init; }
    public required int LeasesOut { get; init; }
    public required int LeasesHigh { get; init; }
    public required int OutputsOut { get; init; }
    public required int OutputsHigh { get; init; }
    public required int SegmentsOut { get; init; }

    /// <summary>Buffer memory out, in bytes.</summary>
    public required long BufferedBytes { get; init; }
    public required long BufferedHighBytes { get; init; }

    /// <summary>Connections not read because of the buffer budget.</summary>
    public required int PausedByBudget { get; init; }
}
