using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>Several owners at once on one log.</summary>
public class ConcurrencyTests
{
    private const int Partitions = 4;
    private const int MessagesEach = 2500;

    [Theory]
    [InlineData(Durability.Fsync)]
    [InlineData(Durability.Os)]
    public void Owners_appending_acknowledging_and_reading_at_once_keep_order_and_lose_nothing(Durability durability)
    {
        using var folder = new DataFolder();
        var time = TimeProvider.System;
        var pending = new Dictionary<ulong, List<ulong>>[Partitions];
        Ledger total;
        using (var log = new MailboxHarness(folder.Path, s => Configure(s, durability), time))
        {
            var errors = new List<Exception>();
            var threads = Enumerable.Range(0, Partitions).Select(p => new Thread(() =>
            {
                try
                {
                    pending[p] = Own(log, p);
                }
                catch (Exception e)
                {
                    lock (errors) errors.Add(e);
                }
            })).ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());
            Assert.Empty(errors);
            for (var p = 0; p < Partitions; p++) log.Log.Partition(p).ReleaseThread();
            total = Totals(log);
            Assert.Equal(Partitions * MessagesEach, total.Messages.Accepted);
            MailboxHarness.WaitFor(() => log.Log.Counters.UncommittedBytes == 0);
            for (var p = 0; p < Partitions; p++) log.Log.Partition(p).Index.CheckInvariant();
        }

        using var again = new MailboxHarness(folder.Path, s => Configure(s, durability), time);
        Assert.Equal(total, Totals(again));
        for (var p = 0; p < Partitions; p++)
        {
            foreach (var (mailbox, sequences) in pending[p]) Assert.Equal(sequences, again.ReadAll(mailbox).Select(m => m.Sequence));
        }
    }

    private static void Configure(MailboxHarness.Settings s, Durability durability)
    {
        // Small memory, so that pages are flushed by appenders and the throttle is met; small segments, so that many are crossed.
        (s.Partitions, s.Durability, s.MemoryBytes, s.SegmentBytes, s.PageBuffers) = (Partitions, durability, 128 * 1024, 512 * 1024, 4);
    }

    private static Ledger Totals(MailboxHarness log)
    {
        var total = Enumerable.Range(0, Partitions).Select(p => log.Log.Partition(p).Ledger).Aggregate((a, b) => a + b);
        var messages = Enumerable.Range(0, Partitions).Sum(p => log.Log.Partition(p).CountPending().Messages);
        Assert.Equal(total.Messages.Outstanding, messages);
        return total;
    }

    private static Dictionary<ulong, List<ulong>> Own(MailboxHarness log, int index)
    {
        var partition = log.Log.Partition(index);
        var random = new Random(100 + index);
        var pending = new Dictionary<ulong, List<ulong>>();
        var body = new byte[700];
        for (var sent = 0; sent < MessagesEach;)
        {
            Assert.Null(log.Log.FailureCause);
            var mailbox = (ulong)(random.Next(0, 20) * Partitions + index) + Partitions;
            var sequence = partition.NextSequence();
            if (sequence == 0) continue;
            var status = partition.Append(
                new MailboxRecord { Type = RecordType.Message, Mailbox = mailbox, Sequence = sequence, Previous = partition.State(mailbox).Last, Body = body.AsSpan(0, random.Next(0, 700)) }, out _);
            if (status != AppendStatus.Ok)
            {
                Assert.Equal(AppendStatus.Busy, status);
                partition.EndBatch();
                Thread.Yield();
                continue;
            }

            sent++;
            if (!pending.TryGetValue(mailbox, out var list)) pending[mailbox] = list = [];
            list.Add(sequence);
            if (random.Next(12) == 0) partition.EndBatch();
            if (random.Next(9) == 0) ReadAndAcknowledge(log, partition, mailbox, list, random);
        }

        partition.EndBatch();
        return pending;
    }

    private static void ReadAndAcknowledge(MailboxHarness log, MailboxPartition partition, ulong mailbox, List<ulong> list, Random random)
    {
        if (!partition.TryBeginRead(mailbox, 0, 50, 20_000, mailbox)) return;
        MailboxPage page;
        while (!partition.TryTakePage(out page))
        {
            Assert.Null(log.Log.FailureCause);
            Thread.Yield();
        }

        var read = 0;
        while (page.TryNext(out var record)) Assert.Equal(list[read++], record.Sequence);
        page.Release();
        if (read == 0) return;
        var acknowledged = random.Next(1, read + 1);
        while (partition.Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = mailbox, Sequence = list[acknowledged - 1] }, out _) != AppendStatus.Ok)
        {
            Assert.Null(log.Log.FailureCause);
            partition.EndBatch();
            Thread.Yield();
        }

        list.RemoveRange(0, acknowledged);
    }
}
