namespace Gateway.Messaging;

/// <summary>
/// The sockets of this home's reactor, as messaging sees them. A connection is an opaque 64-bit id that is never reused; every verb on one
/// that is gone does nothing. Called on the home's thread only.
/// </summary>
public interface IConnections
{
    /// <summary>Room for at least <paramref name="sizeBytes"/> of output; it goes out at the end of the turn.</summary>
    Span<byte> GetSpan(ulong connection, int sizeBytes);

    /// <summary>Commits <paramref name="bytes"/> of the span given last.</summary>
    void Advance(ulong connection, int bytes);

    /// <summary>The same, of output that may wait a few milliseconds to go with what is written next.</summary>
    void AdvanceWithNext(ulong connection, int bytes);

    /// <summary>Output that the kernel has not taken, this turn's included.</summary>
    int UnsentBytes(ulong connection);

    /// <summary>When the last byte came, on the monotonic clock; now while the connection is not read, or is gone.</summary>
    long HeardAtMs(ulong connection);

    /// <summary>Stops handing over received frames; what was not consumed is kept and handed over again after <see cref="Resume"/>.</summary>
    void Pause(ulong connection);

    void Resume(ulong connection);

    /// <summary>Sends what was written, then closes.</summary>
    void Close(ulong connection);

    /// <summary>Asks for <see cref="Home.OnTimer"/> at <paramref name="dueMs"/> on the monotonic clock; a later call replaces an earlier.</summary>
    void SetTimer(ulong connection, long dueMs);
}
