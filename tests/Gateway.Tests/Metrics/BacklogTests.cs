using Gateway.Mailbox;
using Gateway.Mailbox.Index;
using Gateway.Tests.Mailbox;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>The running totals of what is pending are what a walk over the index counts, at every moment and after a restart.</summary>
public sealed class BacklogTests
{

    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 40)]
    [InlineData(3, 2000)]
    public void Totals_and_thresholds_agree_with_a_walk_over_the_index(int seed, int mailboxes)
    {
        var random = new Random(seed);
        using var index = new MailboxIndex(seed: 9) { Backlog = new Backlog() };
        var sequences = new Dictionary<ulong, List<ulong>>();
        ulong sequence = 1_800_000_000_000_000;
        for (var step = 0; step < 30_000; step++)
        {
            sequence += (ulong)random.Next(1, 5_000);
            var mailbox = 1 + (ulong)random.Next(mailboxes);
            if (!sequences.TryGetValue(mailbox, out var pending)) sequences[mailbox] = pending = [];
            switch (random.Next(40))
            {
                case 0 when pending.Count > 0:
                    var up = random.Next(pending.Count);
                    index.AckUpTo(mailbox, pending[up]);
                    pending.RemoveRange(0, up + 1);
                    break;
                case < 8 when pending.Count > 0:
                    var one = random.Next(pending.Count);
                    index.Remove(mailbox, pending[one]);
                    pending.RemoveAt(one);
                    break;
                default:
                    index.Add(mailbox, new IndexEntry(sequence, 64 + step * 512L, 4 * random.Next(20, 200), random.Next(3) == 0));
                    pending.Add(sequence);
                    break;
            }

            if (step % 500 == 0 || step > 29_900) Agree(index, sequences, sequence);
        }

        foreach (var (mailbox, _) in sequences) index.AckUpTo(mailbox, ulong.MaxValue);
        Assert.Equal(Told(default), Told(index.Backlog.Read()));
        Assert.Equal(0, index.Backlog.ReadQueue((long)sequence).Depth);
    }

    [Fact]
    public void A_restart_finds_the_totals_the_ages_and_the_reasons_again()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        PendingBacklog before;
        ulong oldest;
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            oldest = log.Send(1, "first");
            time.Advance(TimeSpan.FromSeconds(100));
            for (var i = 0; i < 12; i++) log.Send(2, "more");
            var rejected = log.Send(3, "poison");
            log.Append(new MailboxRecord { Type = RecordType.Remove, Mailbox = 3, Sequence = rejected, Kind = (byte)RemoveReason.Rejected, Reason = 5 });
            rejected = log.Send(3, "poison");
            log.Append(new MailboxRecord { Type = RecordType.Remove, Mailbox = 3, Sequence = rejected, Kind = (byte)RemoveReason.Rejected, Reason = 999 });
            log.Commit();
            before = log.P.ReadBacklog();
            IsTold(log, before);
        }

        time.Advance(TimeSpan.FromHours(1));
        using var again = new MailboxHarness(folder.Path, time: time);
        IsTold(again, before);

        void IsTold(MailboxHarness log, PendingBacklog expected)
        {
            Assert.Equal(Told(expected), Told(log.P.ReadBacklog()));
            Assert.Equal((13, 0, 2, 1), (expected.Messages, expected.Receipts, expected.MailboxesHolding(0), expected.MailboxesHolding(1)));
            Assert.Equal((1, 1, 0), (log.P.MessagesRejected(5), log.P.MessagesRejected(MailboxPartition.RejectionReasons - 1), log.P.MessagesRejected(0)));
            Assert.Equal(2, log.P.Ledger.Messages.Rejected);

            var queues = new List<QueueCounts>();
            log.P.ReadQueues(queues);
            var backlog = queues.Single(q => q.Name == "mailbox_backlog");
            var age = (time.Microseconds - oldest) / 1e6;
            Assert.Equal(13, backlog.Depth);
            Assert.InRange(backlog.OldestAge.TotalSeconds, age - 0.001, age * 16 / 15 + 0.002);
        }
    }

    [Fact]
    public void A_cold_read_is_counted_from_its_asking_to_its_taking()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, time: time);
        log.Send(1, "first");
        log.Commit();

        Assert.True(log.P.TryBeginRead(1, 0, 10, 4096, token: 1));
        time.Advance(TimeSpan.FromMilliseconds(30));
        var waiting = ColdReads(log);
        Assert.Equal((1, 1, 0), (waiting.Depth, waiting.In, waiting.Out));
        Assert.InRange(waiting.OldestAge.TotalMilliseconds, 29, 32);

        log.Take(log.P).Release();
        var done = ColdReads(log);
        Assert.Equal((0, 1, 1, 1, TimeSpan.Zero), (done.Depth, done.In, done.Out, done.HighMark, done.OldestAge));
        Assert.True(done.Capacity > 0);
    }

    private static IReadOnlyList<long> Told(PendingBacklog backlog) =>
        [backlog.Messages, backlog.Receipts, backlog.Bytes, .. Enumerable.Range(0, PendingBacklog.Decades).Select(backlog.MailboxesHolding)];

    private static QueueCounts ColdReads(MailboxHarness log)
    {
        var queues = new List<QueueCounts>();
        log.P.ReadQueues(queues);
        return queues.Single(q => q.Name == "cold_reads");
    }

    private static void Agree(MailboxIndex index, Dictionary<ulong, List<ulong>> sequences, ulong now)
    {
        var walked = index.CountPending();
        var told = index.Backlog!.Read();
        Assert.Equal((walked.Messages, walked.Receipts, walked.Bytes), (told.Messages, told.Receipts, told.Bytes));
        Assert.Equal(walked.Mailboxes, told.MailboxesHolding(0));
        long threshold = 1;
        for (var decade = 0; decade < PendingBacklog.Decades; decade++, threshold *= 10)
            Assert.Equal(sequences.Values.Count(s => s.Count >= threshold), told.MailboxesHolding(decade));

        var queue = index.Backlog.ReadQueue((long)now);
        Assert.Equal(walked.Messages + walked.Receipts, queue.Depth);
        if (queue.Depth == 0) return;
        var age = now - sequences.Values.SelectMany(s => s).Min();
        Assert.InRange(queue.OldestAge.TotalMicroseconds, age, age * 16.0 / 15 + 2048);
    }
}
