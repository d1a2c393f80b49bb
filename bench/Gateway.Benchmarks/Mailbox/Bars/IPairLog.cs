namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>A log that is given messages and their acknowledgements by one thread and says what is committed. Positions are ends of records.</summary>
internal interface IPairLog : IDisposable
{
    /// <summary>Everything before it is committed.</summary>
    long CommittedThrough { get; }

    /// <summary>Since it was opened.</summary>
    PairLogCommits Commits { get; }

    /// <summary>Appends a message; waits while the log's memory is full. Returns its sequence.</summary>
    ulong Send(ulong mailbox, ReadOnlySpan<byte> body, out long position);

    /// <summary>Appends the acknowledgement of everything in the mailbox up to this sequence. Returns its position.</summary>
    long Acknowledge(ulong mailbox, ulong sequence);

    /// <summary>What was appended may be committed now.</summary>
    void EndBatch();

    /// <summary>Sleeps until there was a commit since the last call, 100 ms at most.</summary>
    void AwaitCommit();
}

/// <summary>What commits there were, and the time that their fdatasyncs took.</summary>
internal readonly record struct PairLogCommits(long Count, long Syncs, long SyncMicroseconds)
{
    public static PairLogCommits operator -(PairLogCommits later, PairLogCommits earlier) =>
        new(later.Count - earlier.Count, later.Syncs - earlier.Syncs, later.SyncMicroseconds - earlier.SyncMicroseconds);
}
