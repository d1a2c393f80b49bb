namespace Gateway.Load.Measure;

/// <summary>What a fleet, a process or the whole load has counted at one moment: a copy, summed up by <see cref="Add"/>.</summary>
internal sealed class LoadSnapshot
{
    public Counters Counters { get; } = new();
    public Histogram DoubleCheck { get; } = new();
    public Histogram Accept { get; } = new();
    public Histogram Login { get; } = new();

    /// <summary>Absent recipients: from the welcome to the last message that waited.</summary>
    public Histogram Drain { get; } = new();

    /// <summary>Open loop: from the intended time to the send, for whatever reason.</summary>
    public Histogram Lag { get; } = new();

    public SortedDictionary<string, long> Errors { get; } = new(StringComparer.Ordinal);

    /// <summary>User and system CPU time of the load's processes, seconds.</summary>
    public double CpuSeconds { get; set; }

    /// <summary>Managed bytes allocated by the load's reactors.</summary>
    public long AllocatedBytes { get; set; }

    public long this[Counter counter] => Counters[counter];

    public void Clear()
    {
        Counters.Clear();
        foreach (var histogram in (ReadOnlySpan<Histogram>)[DoubleCheck, Accept, Login, Drain, Lag]) histogram.Clear();
        Errors.Clear();
        CpuSeconds = 0;
        AllocatedBytes = 0;
    }

    public void AddErrors(IEnumerable<KeyValuePair<string, long>> errors)
    {
        foreach (var (kind, count) in errors) Errors[kind] = Errors.GetValueOrDefault(kind) + count;
    }

    public void Add(LoadSnapshot other)
    {
        Counters.Add(other.Counters);
        DoubleCheck.Add(other.DoubleCheck);
        Accept.Add(other.Accept);
        Login.Add(other.Login);
        Drain.Add(other.Drain);
        Lag.Add(other.Lag);
        AddErrors(other.Errors);
        CpuSeconds += other.CpuSeconds;
        AllocatedBytes += other.AllocatedBytes;
    }
}
