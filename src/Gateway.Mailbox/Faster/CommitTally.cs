using FASTER.core;

namespace Gateway.Mailbox.Faster;

/// <summary>
/// FASTER's commit policy. The pump has one commit in flight and reads durability from the flushed address on its own thread; FASTER's
/// own notice of a commit comes later, from the thread pool. This counts how far the pool lags, so that the pump can bound it.
/// </summary>
internal sealed class CommitTally : LogCommitPolicy
{
    private long _created;
    private long _finished;

    /// <summary>Commits whose bookkeeping waits for a pool thread.</summary>
    public long Unfinished => Volatile.Read(ref _created) - Volatile.Read(ref _finished);

    public override void OnAttached(FasterLog log)
    {
    }

    public override bool AdmitCommit(long currentTail, bool commitRequired) => commitRequired;

    public override void OnCommitCreated(FasterLogRecoveryInfo info) => Interlocked.Increment(ref _created);

    public override void OnCommitFinished(FasterLogRecoveryInfo info) => Interlocked.Increment(ref _finished);
}
