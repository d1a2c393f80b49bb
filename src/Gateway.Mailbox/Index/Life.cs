namespace Gateway.Mailbox.Index;

/// <summary>
/// How long an entry may be pending, in the 7 bits that its index entry has for it: a step of a ladder that rises by a quarter at most and on
/// which the lives that people name stand exactly. A life is rounded up to its step, so that nothing expires before its time; an odd one is
/// over up to a quarter later.
/// </summary>
internal static class Life
{
    /// <summary>Never over.</summary>
    public const int Endless = 0;

    /// <summary>Was over, and its end is recorded: what is left is that the sender is told and the entry goes.</summary>
    public const int Expired = (1 << Bits) - 1;

    public const int Bits = 7;

    private const uint Minute = 60, Hour = 60 * Minute, Day = 24 * Hour;

    private static readonly uint[] Named =
    [
        Minute, 2 * Minute, 5 * Minute, 10 * Minute, 15 * Minute, 30 * Minute, Hour, 2 * Hour, 3 * Hour, 4 * Hour, 6 * Hour, 8 * Hour, 12 * Hour,
        Day, 2 * Day, 3 * Day, 5 * Day, 7 * Day, 10 * Day, 14 * Day, 21 * Day, 30 * Day, 45 * Day, 60 * Day, 90 * Day, 180 * Day, 365 * Day, 730 * Day,
    ];

    /// <summary>Seconds, by step; step 0 is none.</summary>
    private static readonly uint[] Steps = MakeSteps();

    /// <summary>Lives of more seconds never end.</summary>
    public static uint Longest => Steps[^1];

    /// <summary>The step for an entry with these times, seconds since 1970; 0 as the end: never.</summary>
    public static int StepFor(uint enqueuedAt, uint expiresAt)
    {
        if (expiresAt == 0) return Endless;
        var seconds = expiresAt > enqueuedAt ? expiresAt - enqueuedAt : 1;
        if (seconds > Longest) return Endless;
        var found = Array.BinarySearch(Steps, 1, Steps.Length - 1, seconds);
        return found >= 0 ? found : ~found;
    }

    /// <summary>Of a step between <see cref="Endless"/> and <see cref="Expired"/>.</summary>
    public static uint SecondsOf(int step) => Steps[step];

    private static uint[] MakeSteps()
    {
        var steps = new List<uint> { 0, 1 };
        while (steps[^1] < 3650 * Day)
        {
            var next = Math.Max(steps[^1] + 1, (uint)(steps[^1] * 5UL / 4));
            steps.Add(Named.Where(n => n > steps[^1]).Append(next).Min());
        }

        return [.. steps];
    }
}
