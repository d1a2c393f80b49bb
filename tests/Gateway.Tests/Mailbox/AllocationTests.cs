using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// What a message and a commit cost the garbage collector, by each thread's own count. A collection that other tests cause closes every
/// thread's allocation window and counts what was left of it, up to 8 KiB; so a round is repeated, and the least of several counts.
/// </summary>
public class AllocationTests
{
    private const int Warm = 40_000;
    private const int Measured = 20_000;
    private const int Rounds = 5;

    [Fact]
    public void A_warm_append_allocates_at_most_a_quarter_of_a_byte()
    {
        using var folder = new DataFolder();
        using var log = Open(folder);
        var partition = log.Partition(0);
        Append(log, partition, Warm);
        var least = long.MaxValue;
        for (var round = 0; round < Rounds; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            Append(log, partition, Measured);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        var each = least / (double)Measured;
        Assert.True(each <= 0.25, $"{each:F3} bytes an append");
    }

    [Fact]
    public void Reading_pages_allocates_nothing_on_the_owner_s_thread_or_the_reader_s()
    {
        using var folder = new DataFolder();
        var onReader = new List<long>(4096);
        using var log = Open(folder, onPageReady: _ => onReader.Add(GC.GetAllocatedBytesForCurrentThread()));
        var partition = log.Partition(0);
        var last = Append(log, partition, 5000);
        MailboxHarness.WaitFor(() => log.CommittedThrough >= last);
        Read(partition, pages: 50);
        var (onOwner, onReaders) = (long.MaxValue, long.MaxValue);
        for (var round = 0; round < Rounds; round++)
        {
            var (before, first) = (GC.GetAllocatedBytesForCurrentThread(), onReader.Count);
            Assert.True(Read(partition, pages: 100) > 500);
            onOwner = Math.Min(onOwner, GC.GetAllocatedBytesForCurrentThread() - before);
            onReaders = Math.Min(onReaders, onReader[^1] - onReader[first]);
        }

        Assert.Equal((0, 0), (onOwner, onReaders));
    }

    [Fact]
    public void A_commit_allocates_at_most_two_kilobytes()
    {
        using var folder = new DataFolder();
        var onPump = new List<long>(4096);
        using var log = Open(folder, onCommitted: () => onPump.Add(GC.GetAllocatedBytesForCurrentThread()));
        var partition = log.Partition(0);
        for (var i = 0; i < 400; i++)
        {
            var position = Append(log, partition, 3);
            while (log.CommittedThrough < position) Thread.Yield();
        }

        var commits = onPump.Count - 100;
        var each = (onPump[^1] - onPump[^commits]) / (double)commits;
        Assert.True(each <= 2048, $"{each:F0} bytes a commit");
    }

    private static MailboxLog Open(DataFolder folder, Action? onCommitted = null, Action<int>? onPageReady = null) => MailboxLog.Open(
        new MailboxLogOptions
        {
            Folder = folder.Path,
            NewLogIdentity = MailboxHarness.Identity,
            MemoryBytes = 8 << 20,
            SegmentBytes = 32 << 20,
            OnCommitted = onCommitted,
            OnPageReady = onPageReady,
        },
        new RecordingObserver(), TimeProvider.System);

    private static long Append(MailboxLog log, MailboxPartition partition, int count)
    {
        Span<byte> body = stackalloc byte[200];
        long position = 0;
        for (var i = 0; i < count; i++)
        {
            ulong sequence;
            while ((sequence = partition.NextSequence()) == 0) Thread.Yield();
            var record = new MailboxRecord { Type = RecordType.Message, Mailbox = (ulong)(i % 100 + 1), Sequence = sequence, Body = body };
            while (partition.Append(record, out position) != AppendStatus.Ok)
            {
                partition.EndBatch();
                Thread.Yield();
                if (log.FailureCause is not null) throw log.FailureCause;
            }

            // Acknowledged in between, so that the index reaches a steady state too.
            if (i % 10 == 9) partition.Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = record.Mailbox, Sequence = sequence - 1 }, out _);
            if (i % 50 == 49) partition.EndBatch();
        }

        partition.EndBatch();
        return position;
    }

    private static int Read(MailboxPartition partition, int pages)
    {
        var messages = 0;
        for (var i = 0; i < pages; i++)
        {
            if (!partition.TryBeginRead((ulong)(i % 100 + 1), 0, 100, 100_000, 0)) throw new InvalidOperationException("no page");
            MailboxPage page;
            while (!partition.TryTakePage(out page)) Thread.Yield();
            while (page.TryNext(out _)) messages++;
            page.Release();
        }

        return messages;
    }
}
