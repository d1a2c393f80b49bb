namespace Gateway.Server.Operator;

/// <summary>POST /ops/gc: what a forced collection did. The pause is the runtime's own figure: how long all managed threads stood still.</summary>
internal sealed record CollectionBody(long HeapBeforeBytes, long HeapAfterBytes, double PauseMs, bool Compacted)
{
    private static readonly SemaphoreSlim OneAtATime = new(1);

    /// <summary>
    /// A blocking collection of everything (generation 2), as the runtime would do when memory is short; it decides itself whether to compact. One at a
    /// time: what is measured of one must not be another's.
    /// </summary>
    public static async Task<CollectionBody> CollectAsync(CancellationToken cancel)
    {
        await OneAtATime.WaitAsync(cancel);
        try
        {
            // Not on the caller's thread: it stands still with all others.
            return await Task.Run(Collect, cancel);
        }
        finally
        {
            OneAtATime.Release();
        }
    }

    private static CollectionBody Collect()
    {
        var before = GC.GetTotalMemory(forceFullCollection: false);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true);
        var done = GC.GetGCMemoryInfo(GCKind.FullBlocking);
        return new CollectionBody(before, GC.GetTotalMemory(forceFullCollection: false), CollectorBody.Milliseconds(done), done.Compacted);
    }
}

/// <summary>The collector in /status: its last pause, of whatever generation, that of its last full blocking one, all of them together, and how many there were of each generation.</summary>
internal sealed record CollectorBody(double LastPauseMs, int LastGeneration, double LastFullPauseMs, double PausedMs, IReadOnlyList<int> Collections, long HeapBytes)
{
    public static CollectorBody Now()
    {
        var last = GC.GetGCMemoryInfo(GCKind.Any);
        return new CollectorBody(
            Milliseconds(last), last.Generation, Milliseconds(GC.GetGCMemoryInfo(GCKind.FullBlocking)), Round(GC.GetTotalPauseDuration()),
            [.. Enumerable.Range(0, GC.MaxGeneration + 1).Select(GC.CollectionCount)], last.HeapSizeBytes);
    }

    /// <summary>A background collection has two pauses; together they are what its threads lost.</summary>
    public static double Milliseconds(in GCMemoryInfo collection)
    {
        var sum = TimeSpan.Zero;
        foreach (var pause in collection.PauseDurations) sum += pause;
        return Round(sum);
    }

    private static double Round(TimeSpan time) => Math.Round(time.TotalMilliseconds, 3);
}
