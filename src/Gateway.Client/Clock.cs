namespace Gateway.Client;

/// <summary>Milliseconds of monotonic time since it was made. Any thread.</summary>
internal sealed class Clock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    public TimeProvider Time { get; } = time;
    public long NowMs => (long)Time.GetElapsedTime(_start).TotalMilliseconds;
}

/// <summary>Random spread over the application's generator, which need not be safe for threads. Any thread.</summary>
internal sealed class Jitter(Random random)
{
    private readonly Lock _gate = new();

    /// <summary>Between <paramref name="least"/> and <paramref name="most"/>.</summary>
    public double Between(double least, double most)
    {
        lock (_gate) return least + (most - least) * random.NextDouble();
    }
}
