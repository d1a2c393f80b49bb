namespace Gateway.Mailbox.Commit;

/// <summary>
/// Sequences are given out only up to a durable reservation, a few seconds ahead of the clock. Partitions read it on their threads and ask
/// for more; the pump alone raises it, after the record that says so is durable.
/// </summary>
internal sealed class ReservedSequences(TimeProvider time, TimeSpan ahead, WakeSignal pump)
{
    private const ulong MostAhead = 3600UL * 1_000_000;

    private ulong _ahead = (ulong)(ahead.Ticks / TimeSpan.TicksPerMicrosecond);
    private ulong _through;
    private ulong _renewAbove;
    private int _wanted;

    public ulong Through => Volatile.Read(ref _through);

    /// <summary>Microseconds since 1970.</summary>
    public ulong ClockMicroseconds => (ulong)Math.Max(0, (time.GetUtcNow().UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);

    /// <summary>A partition is about to give out <paramref name="sequence"/>. Asks for a renewal past the middle; false when it is above the reservation.</summary>
    public bool TryUse(ulong sequence)
    {
        if (sequence <= Volatile.Read(ref _renewAbove)) return true;
        if (Interlocked.Exchange(ref _wanted, 1) == 0) pump.Set();
        return sequence <= Volatile.Read(ref _through);
    }

    /// <summary>What to reserve next for floors up to this one.</summary>
    public ulong Next(ulong highestFloor) => Math.Max(ClockMicroseconds, highestFloor) + _ahead;

    /// <summary>Pump: whether it is time, because somebody asked or the clock passed the middle.</summary>
    public bool IsDue => Volatile.Read(ref _wanted) != 0 || ClockMicroseconds > Volatile.Read(ref _renewAbove);

    /// <summary>The record that says so is durable.</summary>
    public void Raise(ulong through)
    {
        // On a disk that is slower than half the reservation is long, it is due again, or over, when it is durable; and so would be each one
        // after it, and no message would ever get a sequence.
        if (ClockMicroseconds > through - _ahead / 2) _ahead = Math.Min(_ahead * 2, Math.Max(_ahead, MostAhead));
        Volatile.Write(ref _through, through);
        Volatile.Write(ref _renewAbove, through - _ahead / 2);
        Volatile.Write(ref _wanted, 0);
    }
}
