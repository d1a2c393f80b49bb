using Gateway.Benchmarks.Mailbox.Bars;
using Gateway.Mailbox;
using Gateway.Mailbox.Commit;

namespace Gateway.Benchmarks.Mailbox;

/// <summary>A log of one partition, and short ways to fill it. One thread, but for the callbacks.</summary>
internal sealed class LogUnderTest : IPairLog
{
    /// <summary>Of every log that is made for a measurement.</summary>
    public const ulong Identity = 0xBE7C_0001;

    /// <summary>Of what is sent without saying by whom.</summary>
    private const ulong OneSender = 77;

    private const int MovedBytesPerTurn = 64 * 1024;
    private const int CarriedPerTurn = 64;

    private readonly DirectoryInfo? _own;
    private readonly WakeSignal _committed = new();

    /// <summary>In a folder that goes away with it.</summary>
    public LogUnderTest(Durability durability)
        : this(
            Directory.CreateTempSubdirectory("gateway-bench-"),
            f => new MailboxLogOptions { Folder = f, NewLogIdentity = Identity, Durability = durability, MemoryBytes = 16L << 20 }, TimeProvider.System)
    {
    }

    /// <param name="options">With <see cref="MailboxLogOptions.OnCommitted"/> leading to <see cref="OnCommitted"/> if it is to be waited for.</param>
    /// <param name="time">The log's.</param>
    public LogUnderTest(Func<LogUnderTest, MailboxLogOptions> options, TimeProvider time)
    {
        Log = MailboxLog.Open(options(this), new Nobody(), time);
        Partition = Log.Partition(0);
    }

    private LogUnderTest(DirectoryInfo own, Func<string, MailboxLogOptions> options, TimeProvider time)
        : this(_ => options(own.FullName), time) => _own = own;

    public MailboxLog Log { get; }

    public MailboxPartition Partition { get; }

    public long CommittedThrough => Log.CommittedThrough;

    public PairLogCommits Commits
    {
        get
        {
            var counters = Log.Counters;
            return new PairLogCommits(counters.Commits, counters.Syncs, counters.SyncMicroseconds);
        }
    }

    public ulong Send(ulong mailbox, ReadOnlySpan<byte> body, out long position) => Send(mailbox, OneSender, 1, body, out position);

    public ulong Send(ulong mailbox, ulong sender, ulong number, ReadOnlySpan<byte> body, out long position)
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
            Sender = sender,
            Incarnation = 1,
            Number = number,
            Low = number,
            EnqueuedAt = 1_800_000_000,
            Body = body,
        });
        return sequence;
    }

    public long Acknowledge(ulong mailbox, ulong sequence) =>
        Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = mailbox, Sequence = sequence });

    /// <summary>Full and busy pass: the commit thread empties what they are about.</summary>
    public long Append(in MailboxRecord record)
    {
        AppendStatus status;
        long position;
        while ((status = Partition.Append(in record, out position)) != AppendStatus.Ok)
        {
            if (status == AppendStatus.Failed) throw new InvalidOperationException("The log has failed.", Log.FailureCause);
            Partition.EndBatch();
            Thread.Yield();
        }

        return position;
    }

    public void EndBatch() => Partition.EndBatch();

    /// <summary>What a home does for compaction in a turn.</summary>
    /// <param name="lowOf">A device's low mark: the number that it will use next.</param>
    public void Compact(Func<ulong, ulong> lowOf)
    {
        if (!Partition.HasCompaction) return;
        Partition.Compact(MovedBytesPerTurn);
        for (var carried = 0; carried < CarriedPerTurn && Partition.PeekCarried(out _) is [var device, ..]; carried++)
        {
            Append(new MailboxRecord
            {
                Type = RecordType.Window,
                Mailbox = device.Device,
                Incarnation = 1,
                Low = lowOf(device.Device),
                EnqueuedAt = 1_800_000_000,
            });
            Partition.Carried(1);
        }
    }

    /// <summary>The log's commit thread: <see cref="AwaitCommit()"/> has something.</summary>
    public void OnCommitted() => _committed.Set();

    public void AwaitCommit()
    {
        _committed.Wait(timeoutMs: 100);
        if (Log.FailureCause is { } cause) throw new InvalidOperationException("The log has failed.", cause);
    }

    /// <summary>Also without <see cref="OnCommitted"/>.</summary>
    public void AwaitCommit(long position)
    {
        Partition.EndBatch();
        var spin = new SpinWait();
        while (Log.CommittedThrough < position) spin.SpinOnce();
    }

    public void Dispose()
    {
        Log.Dispose();
        _committed.Dispose();
        _own?.Delete(recursive: true);
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
