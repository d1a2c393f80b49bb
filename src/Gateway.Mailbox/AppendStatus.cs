namespace Gateway.Mailbox;

/// <summary>What <see cref="MailboxPartition.Append"/> did with a record. Nothing was written unless it is <see cref="Ok"/>.</summary>
public enum AppendStatus : byte
{
    /// <summary>In the log's memory and in the index; durable once <see cref="MailboxLog.CommittedThrough"/> reached its position.</summary>
    Ok = 0,
    /// <summary>The disk has no room for further segments. Messages are refused first, acknowledgements and receipts when their reserve is gone too.</summary>
    Full = 1,
    /// <summary>Too much is waiting for the disk, or the next segment is still being made; try again after the next commit.</summary>
    Busy = 2,
    /// <summary>The log has stopped for good (fail stop); nothing is ever written again by this process.</summary>
    Failed = 3,
}
