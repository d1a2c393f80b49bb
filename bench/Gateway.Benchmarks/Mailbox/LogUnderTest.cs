using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox;

/// <summary>A log of one partition in a folder that goes away with it, and short ways to fill it. One thread.</summary>
internal sealed class LogUnderTest : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-bench-");
    private readonly MailboxLog _log;

    public LogUnderTest(Durability durability)
    {
        _log = MailboxLog.Open(
            new MailboxLogOptions { Folder = _folder.FullName, NewLogIdentity = 0xBE7C_0001, Durability = durability, MemoryBytes = 16L << 20 },
            new Nobody(), TimeProvider.System);
        Partition = _log.Partition(0);
    }

    public MailboxPartition Partition { get; }

    public ulong Send(ulong mailbox, ReadOnlySpan<byte> body, out long position)
    {
        var sequence = Partition.NextSequence();
        while (sequence == 0)
        {
            Thread.Yield();
            sequence = Partition.NextSequence();
        }

        position = Append(new MailboxRecord
        {
            Type = RecordType.Message,
            Mailbox = mailbox,
            Sequence = sequence,
            Previous = Partition.State(mailbox).Last,
            Sender = 77,
            Incarnation = 1,
            Number = 1,
            Low = 1,
            EnqueuedAt = 1_800_000_000,
            Body = body,
        });
        return sequence;
    }

    public long Acknowledge(ulong mailbox, ulong sequence) =>
        Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = mailbox, Sequence = sequence });

    public void AwaitCommit(long position)
    {
        Partition.EndBatch();
        var spin = new SpinWait();
        while (_log.CommittedThrough < position) spin.SpinOnce();
    }

    public void Dispose()
    {
        _log.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>Full and busy pass: the commit thread empties what they are about.</summary>
    private long Append(in MailboxRecord record)
    {
        AppendStatus status;
        long position;
        while ((status = Partition.Append(in record, out position)) != AppendStatus.Ok)
        {
            if (status == AppendStatus.Failed) throw new InvalidOperationException("The log has failed.");
            Partition.EndBatch();
            Thread.Yield();
        }

        return position;
    }

    private sealed class Nobody : IRecoveryObserver
    {
        public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt)
        {
        }

        public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low)
        {
        }

        public void OnDevice(ulong device, uint keyEpoch)
        {
        }

        public void OnProgress(long scannedBytes, long totalBytes)
        {
        }
    }
}
