namespace Gateway.Transport;

/// <summary>Why a connection is not read.</summary>
[Flags]
public enum ReadingPauses : byte
{
    None = 0,
    /// <summary>By <see cref="Reactor.PauseReading"/>.</summary>
    Application = 1,
    /// <summary>It has more than <see cref="ReactorGroupOptions.MaxUnsentBytes"/> of output that its kernel buffer does not take.</summary>
    Unsent = 2,
    /// <summary>Buffers are over their budget, and it holds some.</summary>
    Budget = 4,
}

/// <summary>A connection as it stands at one moment, for an operator.</summary>
/// <param name="Id">On its reactor.</param>
/// <param name="Tag">The application's.</param>
/// <param name="InHandshake">Not yet <see cref="Reactor.MarkEstablished"/>.</param>
/// <param name="Closing">Flushes, or waits for its peer's end.</param>
/// <param name="UnsentBytes">Output that the kernel has not taken.</param>
/// <param name="KeptBytes">Input that the handler has not consumed.</param>
/// <param name="SilentMs">Since its last byte arrived, or since it came where none did; exact to a tick, and short while it is not read.</param>
/// <param name="Pauses">Why it is not read.</param>
public readonly record struct ConnectionReading(
    ConnectionId Id, ulong Tag, bool InHandshake, bool Closing, long UnsentBytes, long KeptBytes, long SilentMs, ReadingPauses Pauses);
