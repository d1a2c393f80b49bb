namespace Gateway.PowerLoss.Images;

/// <summary>How much was tried, over all runs. Any thread.</summary>
internal sealed class CrashTally
{
    private long _images;
    private long _damaged;
    private long _lives;
    private long _records;
    private long _events;
    private long _usedAgain;

    /// <summary>Images that a legal crash may leave, each opened and checked.</summary>
    public long Images => Volatile.Read(ref _images);

    /// <summary>Images damaged where the log was proven durable, each refused.</summary>
    public long Damaged => Volatile.Read(ref _damaged);

    /// <summary>Openings that were loaded.</summary>
    public long Lives => Volatile.Read(ref _lives);

    /// <summary>Records that images were checked against.</summary>
    public long Records => Volatile.Read(ref _records);

    /// <summary>Writes, syncs and changes of the folder that were recorded.</summary>
    public long Events => Volatile.Read(ref _events);

    /// <summary>Files of segments that became later ones in a recording.</summary>
    public long UsedAgain => Volatile.Read(ref _usedAgain);

    public void OnImage(int records)
    {
        Interlocked.Increment(ref _images);
        Interlocked.Add(ref _records, records);
    }

    public void OnDamaged() => Interlocked.Increment(ref _damaged);

    public void OnLife() => Interlocked.Increment(ref _lives);

    public void OnRecording(int events, int usedAgain)
    {
        Interlocked.Add(ref _events, events);
        Interlocked.Add(ref _usedAgain, usedAgain);
    }
}
