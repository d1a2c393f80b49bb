namespace Gateway.Mailbox.Commit;

/// <summary>
/// What time it is for whatever is judged by its age: seconds since 1970 that never run ahead of the monotonic clock while the log is open, and
/// between two openings by no more than <see cref="MostBetween"/>. A system clock that is years ahead, or was set back, makes nothing old. The
/// price is lag: a log that was closed for a month is at first almost a month behind, and catches up by a day with each opening.
/// Any thread. Invariant: never falls, but for what passed since the superblock was written last when the process is killed.
/// </summary>
internal sealed class SteadyClock
{
    /// <summary>How much an opening believes of the time that passed since the superblock was written last.</summary>
    public static readonly TimeSpan MostBetween = TimeSpan.FromDays(1);

    private readonly TimeProvider _time;
    private readonly long _openedAt;
    private readonly uint _atOpening;

    /// <param name="time">Wall clock, read once, and monotonic clock.</param>
    /// <param name="last">What this clock said when the superblock was written last, s since 1970; 0 when nobody knows: then the wall clock is believed.</param>
    public SteadyClock(TimeProvider time, uint last)
    {
        _time = time;
        _openedAt = time.GetTimestamp();
        var wall = (uint)Math.Clamp(time.GetUtcNow().ToUnixTimeSeconds(), 0, uint.MaxValue);
        _atOpening = last == 0 ? wall : Math.Clamp(wall, last, (uint)Math.Min(uint.MaxValue, last + (long)MostBetween.TotalSeconds));
    }

    public uint Seconds => _atOpening + (uint)_time.GetElapsedTime(_openedAt).TotalSeconds;
}
