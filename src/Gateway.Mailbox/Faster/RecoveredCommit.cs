using FASTER.core;

namespace Gateway.Mailbox.Faster;

/// <summary>
/// FASTER's commit manager. Nothing is written per commit: marks in the log and the superblock say what is durable. To FASTER's recovery
/// it presents one commit, the one our own scan found, so that FASTER loads the tail page from it (its Initialize would not, and the next
/// flush would then overwrite committed bytes with zeros).
/// </summary>
internal sealed class RecoveredCommit : ILogCommitManager
{
    private readonly byte[]? _metadata;

    /// <param name="begin">The log's first kept address.</param>
    /// <param name="tail">Where the scan ended; a tail at the first address is an empty log and no commit.</param>
    public RecoveredCommit(long begin, long tail)
    {
        if (tail > Format.RecordLayout.FirstAddress) _metadata = new FasterLogRecoveryInfo { BeginAddress = begin, UntilAddress = tail, CommitNum = 1 }.ToByteArray();
    }

    public IEnumerable<long> ListCommits() => _metadata is null ? [] : [1];

    public byte[]? GetCommitMetadata(long commitNum) => commitNum == 1 ? _metadata : null;

    // FASTER would call it on a pool thread and swallow what it throws: nothing may depend on it.
    public void Commit(long beginAddress, long untilAddress, byte[] commitMetadata, long commitNum, bool forceWriteMetadata)
    {
    }

    public void OnRecovery(long commitNum)
    {
    }

    public void RemoveCommit(long commitNum)
    {
    }

    public void RemoveAllCommits()
    {
    }

    public void Dispose()
    {
    }
}
