using Gateway.Mailbox;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Mailbox;

/// <summary>The log's oldest segment goes, and nothing that anybody still needs goes with it.</summary>
public class CompactionTests(ITestOutputHelper output)
{
    [Fact]
    public void What_was_acknowledged_leaves_the_disk_and_what_is_pending_stays_in_order()
    {
        using var folder = new DataFolder();
        using var log = Open(folder);
        var kept = new List<string>();
        for (var i = 0; i < 4_000; i++)
        {
            var sequence = log.Send(5, $"{i} " + new string('m', 300));
            if (i % 20 == 0) kept.Add($"{i} " + new string('m', 300));
            else log.Remove(5, sequence, RemoveReason.Discarded);
            log.Work();
        }

        log.Settle();
        var counters = log.Log.Counters;
        Assert.True(counters.TruncatedSegments > 5, $"{counters.TruncatedSegments} segments went");
        Assert.True(counters.LogBytes <= 2.2 * counters.LiveBytes + 2 * 64 * 1024, $"{counters.LogBytes} bytes of log, {counters.LiveBytes} live");
        Assert.Equal(counters.Segments, folder.Segments.Length);
        Assert.Equal(kept, log.ReadAll(5).Select(e => e.Body));
        Assert.Equal(new LedgerColumn(4_000, 0, 0, 0, 3_800, 0), log.P.Ledger.Messages);
    }

    [Fact]
    public void A_restart_finds_the_same_entries_totals_and_order()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        Ledger ledger;
        List<(ulong Sequence, ulong Previous, string Body)> entries;
        using (var log = Open(folder, time))
        {
            for (var i = 0; i < 2_000; i++)
            {
                var sequence = log.Send((ulong)(1 + i % 7), new string('m', 300));
                log.Send((ulong)(1 + i % 7), new byte[16], RecordType.Receipt);
                if (i % 3 == 0) log.Append(new MailboxRecord { Type = RecordType.Remove, Mailbox = (ulong)(1 + i % 7), Sequence = sequence, Kind = (byte)RemoveReason.Rejected, Reason = (ushort)(i % 5) });
                else if (i % 50 != 1) log.Ack((ulong)(1 + i % 7), sequence);
                log.Work();
            }

            log.Settle();
            Assert.True(log.Log.Counters.TruncatedSegments > 5);
            (ledger, entries) = (log.P.Ledger, [.. Enumerable.Range(1, 7).SelectMany(m => log.ReadAll((ulong)m))]);
        }

        for (var restart = 0; restart < 3; restart++)
        {
            using var again = Open(folder, time);
            Assert.Equal(ledger, again.P.Ledger);
            Assert.Equal(ledger.Messages.Rejected, Enumerable.Range(0, MailboxPartition.RejectionReasons).Sum(r => again.P.MessagesRejected(r)));
            Assert.Equal((ledger.Messages.Outstanding, ledger.Receipts.Outstanding), (again.P.CountPending().Messages, again.P.CountPending().Receipts));
            Assert.Equal(entries, Enumerable.Range(1, 7).SelectMany(m => again.ReadAll((ulong)m)));
            again.P.Index.CheckInvariant();
        }
    }

    [Fact]
    public void What_has_expired_and_what_is_to_expire_says_so_wherever_it_was_moved()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        ulong expired, shortLived;
        using (var log = Open(folder, time))
        {
            expired = log.Send(5, "expired");
            shortLived = log.P.NextSequence();
            log.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = shortLived, EnqueuedAt = 1000, ExpiresAt = 1060, Body = "short-lived"u8 });
            log.Append(new MailboxRecord { Type = RecordType.Expire, Mailbox = 5, Sequence = expired });
            var begin = log.Log.Counters.TruncatedSegments;
            for (var i = 0; i < 2_000; i++)
            {
                log.Remove(6, log.Send(6, new string('m', 300)), RemoveReason.Discarded);
                log.Work();
            }

            log.Settle();
            Assert.True(log.Log.Counters.TruncatedSegments > begin + 2);
            Check(log);
        }

        using var again = Open(folder, time);
        Check(again);
        again.Ack(5, shortLived);
        Assert.Equal(new LedgerColumn(2_002, 1, 0, 0, 2_000, 0), again.P.Ledger.Messages);

        void Check(MailboxHarness log)
        {
            var into = new (ulong Mailbox, ulong Sequence, bool IsRecorded)[4];
            Assert.Equal(1, log.P.FindOverdue(0, long.MaxValue, 1000, into, out _));
            Assert.Equal((5UL, expired, true), into[0]);
            Assert.Equal(2, log.P.FindOverdue((uint)(shortLived / 1_000_000) + 62, long.MaxValue, 1000, into, out _));
            Assert.Equal(["short-lived"], log.ReadAll(5).Select(e => e.Body));
        }
    }

    /// <summary>Operations, turns of compaction and kills at random, against a model. A failure prints its seed.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 1)]
    [InlineData(4, 2)]
    public void A_kill_at_any_moment_loses_and_revives_nothing(int seed, int partitions)
    {
        output.WriteLine($"seed {seed}, {partitions} partitions");
        var random = new Random(seed);
        var time = new ManualTime();
        var folder = new DataFolder();
        var model = new SortedDictionary<ulong, List<(ulong Sequence, string Body)>>();
        var totals = default(LedgerColumn);
        var truncated = 0L;
        var log = Open(folder, time, partitions);
        try
        {
            for (var step = 0; step < 6_000; step++)
            {
                var mailbox = (ulong)random.Next(1, 12);
                var entries = model.TryGetValue(mailbox, out var found) ? found : model[mailbox] = [];
                switch (random.Next(20))
                {
                    case < 9:
                        var body = $"{step} " + new string('b', random.Next(500));
                        entries.Add((log.Send(mailbox, body), body));
                        totals += new LedgerColumn(1, 0, 0, 0, 0, 0);
                        break;
                    case < 14 when entries.Count > 3:
                        var upTo = random.Next(entries.Count / 2 + 1);
                        log.Ack(mailbox, entries[upTo].Sequence);
                        totals += new LedgerColumn(0, upTo + 1, 0, 0, 0, 0);
                        entries.RemoveRange(0, upTo + 1);
                        break;
                    case < 16 when entries.Count > 0:
                        var one = random.Next(entries.Count);
                        log.Remove(mailbox, entries[one].Sequence, RemoveReason.Expired);
                        totals += new LedgerColumn(0, 0, 0, 1, 0, 0);
                        entries.RemoveAt(one);
                        break;
                    case < 18:
                        log.Work();
                        break;
                    case 18:
                        log.Commit();
                        break;
                    default:
                        if (random.Next(20) == 0) Kill();
                        break;
                }
            }

            log.Settle();
            truncated += log.Log.Counters.TruncatedSegments;
            Kill();
            output.WriteLine($"{truncated} segments went");
            Assert.True(truncated > 5, $"only {truncated} segments went");
        }
        finally
        {
            log.Dispose();
            folder.Dispose();
        }

        void Kill()
        {
            log.Commit();
            truncated += log.Log.Counters.TruncatedSegments;
            var copy = folder.Copy();
            log.Dispose();
            folder.Dispose();
            folder = copy;
            log = Open(folder, time, partitions);
            Assert.Equal(totals, Enumerable.Range(0, partitions).Select(p => log.Log.Partition(p).Ledger).Aggregate((a, b) => a + b).Messages);
            foreach (var (mailbox, entries) in model) Assert.Equal(entries, log.ReadAll(mailbox).Select(e => (e.Sequence, e.Body)));
        }
    }

    [Fact]
    public void A_kill_beside_each_write_of_the_superblock_finds_everything()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        var files = new FaultyFileSystem(folder.Path);
        var copies = new List<DataFolder>();
        var before = new List<(ulong, ulong, string)>();
        using (var log = Open(folder, time, files: files))
        {
            for (var i = 0; i < 1_500; i++)
            {
                var sequence = log.Send(5, new string('m', 300));
                if (i % 10 != 0) log.Remove(5, sequence, RemoveReason.Discarded);
            }

            log.Commit();
            before.AddRange(log.ReadAll(5));
            // Nothing but compaction writes from here on: LEDGER, then the superblock, then a segment goes.
            void CopyAt(string name)
            {
                if ((name == "superblock" || name.EndsWith(".segment", StringComparison.Ordinal)) && copies.Count < 9) copies.Add(folder.Copy());
            }

            files.OnWrite = name =>
            {
                if (name == "superblock") CopyAt(name);
            };
            files.OnSync = name =>
            {
                if (name == "superblock") CopyAt(name);
            };
            files.OnDelete = CopyAt;
            log.Settle();
            (files.OnWrite, files.OnSync, files.OnDelete) = (null, null, null);
            Assert.True(log.Log.Counters.TruncatedSegments >= 2);
        }

        Assert.True(copies.Count >= 4);
        foreach (var copy in copies)
        {
            using (var again = Open(copy, time))
            {
                Assert.Equal(before, again.ReadAll(5));
                Assert.Equal(new LedgerColumn(1_500, 0, 0, 0, 1_350, 0), again.P.Ledger.Messages);
            }

            copy.Dispose();
        }
    }

    [Fact]
    public void An_entry_acknowledged_after_it_was_moved_stays_away()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using (var log = Open(folder, time))
        {
            var first = log.Send(5, "moved, then acknowledged");
            var second = log.Send(6, "moved");
            for (var i = 0; i < 400; i++) log.Ack(7, log.Send(7, new string('m', 500)));
            // In the last segment, which stays: the moved one comes behind it in the log and before it in the mailbox.
            log.Send(5, "later");
            log.Settle();
            Assert.True(log.Log.Counters.TruncatedSegments > 0);
            Assert.Equal(["moved, then acknowledged", "later"], log.ReadAll(5).Select(e => e.Body));
            log.Ack(5, first);
            log.Commit();
            Assert.Equal(second, Assert.Single(log.ReadAll(6)).Sequence);
        }

        using var again = Open(folder, time);
        Assert.Equal("later", Assert.Single(again.ReadAll(5)).Body);
        Assert.Equal("moved", Assert.Single(again.ReadAll(6)).Body);
    }

    [Fact]
    public void What_is_being_moved_can_be_read_all_the_while()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = Open(folder, files: files);
        var bodies = Enumerable.Range(0, 20).Select(i => $"message {i}").ToList();
        foreach (var body in bodies) log.Send(5, body);
        for (var i = 0; i < 400; i++) log.Ack(7, log.Send(7, new string('m', 500)));
        log.Commit();
        using var held = new ManualResetEventSlim();
        files.OnSync = name =>
        {
            if (name.EndsWith(".segment", StringComparison.Ordinal)) held.Wait();
        };
        // Until the moves are appended, and wait for their commit.
        MailboxHarness.WaitFor(() =>
        {
            log.Work();
            return log.Log.Counters.UncommittedBytes > 20 * 72;
        });
        Assert.Equal(bodies, log.ReadAll(5).Select(e => e.Body));
        held.Set();
        log.Settle();
        Assert.True(log.Log.Counters.TruncatedSegments > 0);
        Assert.Equal(bodies, log.ReadAll(5).Select(e => e.Body));
    }

    [Fact]
    public void Devices_are_carried_before_what_tells_of_them_goes()
    {
        using var folder = new DataFolder();
        using var log = Open(folder);
        log.CarriesDevices = false;
        for (ulong number = 1; number <= 400; number++) log.Ack(5, log.Send(5, new byte[500], incarnation: 3 + (uint)(number / 300), number: number % 300));
        log.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 9, Incarnation = 8, Low = 7 });
        log.Append(new MailboxRecord { Type = RecordType.Device, Mailbox = 9, Incarnation = 2 });
        log.Commit();

        var carried = new List<CarriedDevice>();
        var segments = folder.Segments.Length;
        MailboxHarness.WaitFor(() =>
        {
            log.Work();
            return log.P.PeekCarried(out _).Length > 0;
        });
        // The owner does not answer: everything stays.
        for (var i = 0; i < 20; i++)
        {
            log.Work();
            Assert.Equal(0, log.Log.Counters.TruncatedSegments);
        }

        MailboxHarness.WaitFor(() =>
        {
            log.Work();
            while (log.P.PeekCarried(out _) is [var device, ..])
            {
                carried.Add(device);
                log.P.Carried(1);
            }

            return log.IsSettled;
        });
        Assert.True(log.Log.Counters.TruncatedSegments > 2);
        // 77 is the harness's sender; the last number of the first segment rises from segment to segment.
        Assert.All(carried, d => Assert.True(d is { Device: 77, Incarnation: 3, HasKeyEpoch: false } or { Device: 77, Incarnation: 4 } or { Device: 9, Incarnation: 8, Number: 0, HasKeyEpoch: true }));
        Assert.Equal(carried.Where(d => d is { Device: 77, Incarnation: 3 }).Select(d => d.Number).Order(), carried.Where(d => d is { Device: 77, Incarnation: 3 }).Select(d => d.Number));
    }

    [Fact]
    public void A_log_with_more_windows_than_a_segment_takes_comes_to_rest()
    {
        const int Devices = 5_000;
        const int WindowLogBytes = 44;
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path, s => (s.Compacts, s.Windows) = (true, Devices)) { CarriesDevices = false };
        var recordedAt = new long[Devices + 1];
        for (var round = 0; round < 4; round++)
        {
            for (ulong device = 1; device <= Devices; device++) AppendWindow(device);
            log.Commit();
        }

        long truncated = 0;
        var quietLooks = 0;
        MailboxHarness.WaitFor(() =>
        {
            log.Work();
            while (log.P.PeekCarried(out var through) is [var device, ..])
            {
                if (recordedAt[device.Device] <= through) AppendWindow(device.Device);
                log.P.Carried(1);
            }

            // The compactor looks four times a second: in so many of these looks it would have gone on.
            var counters = log.Log.Counters;
            quietLooks = counters.TruncatedSegments == truncated && counters.LogBytes <= 2 * Devices * WindowLogBytes + log.SegmentBytes ? quietLooks + 1 : 0;
            truncated = counters.TruncatedSegments;
            Thread.Sleep(10);
            return quietLooks >= 100;
        });
        Assert.True(truncated > 3, $"{truncated} segments went");
        Assert.True(log.Log.Counters.LogBytes > Devices * WindowLogBytes);

        void AppendWindow(ulong device)
        {
            log.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = device, Incarnation = 1, Low = 1 });
            recordedAt[device] = log.LastPosition;
        }
    }

    [Fact]
    public void A_segment_stays_while_a_page_of_it_is_being_read()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = Open(folder, files: files);
        log.Send(5, "in the first segment");
        for (var i = 0; i < 400; i++) log.Ack(7, log.Send(7, new string('m', 500)));
        log.Commit();
        using var held = new ManualResetEventSlim();
        var (reading, truncations) = (0, 0);
        files.OnSync = name =>
        {
            if (name == "superblock") Interlocked.Increment(ref truncations);
        };
        files.OnRead = _ =>
        {
            if (Thread.CurrentThread.Name?.StartsWith("mailbox reader", StringComparison.Ordinal) != true) return;
            Volatile.Write(ref reading, 1);
            held.Wait();
        };
        Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, token: 9));
        MailboxHarness.WaitFor(() => Volatile.Read(ref reading) == 1);
        MailboxHarness.WaitFor(() =>
        {
            log.Work();
            return Volatile.Read(ref truncations) > 0;
        });
        Assert.Equal(0, log.Log.Counters.TruncatedSegments);
        Assert.EndsWith("0000000000000000.segment", folder.Segments[0], StringComparison.Ordinal);
        held.Set();
        var page = log.Take(log.P);
        Assert.True(page.TryNext(out var record));
        Assert.Equal("in the first segment", System.Text.Encoding.UTF8.GetString(record.Body));
        page.Release();
        log.Settle();
        Assert.True(log.Log.Counters.TruncatedSegments > 0);
        Assert.Equal("in the first segment", Assert.Single(log.ReadAll(5)).Body);
    }

    [Fact]
    public void A_disk_that_is_full_of_what_nobody_needs_is_compacted_and_takes_messages_again()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        files.OnAllocate = (name, _) => !name.Contains(".segment", StringComparison.Ordinal) || folder.Segments.Length < 6;
        using var log = Open(folder, files: files);
        var kept = new List<ulong>();
        var all = new List<ulong>();
        MailboxHarness.WaitFor(() =>
        {
            AppendStatus status;
            do
            {
                var sequence = log.P.NextSequence();
                status = log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = sequence, Body = new byte[900] }, out _);
                if (status == AppendStatus.Ok) all.Add(sequence);
            }
            while (status == AppendStatus.Ok);
            log.P.EndBatch();
            return status == AppendStatus.Full;
        });

        // Acknowledgements in any number, to their last byte, leave compaction its room.
        for (var i = 0; i < all.Count; i++)
        {
            if (i % 10 == 0) kept.Add(all[i]);
            else log.Remove(5, all[i], RemoveReason.Discarded);
        }

        MailboxHarness.WaitFor(() =>
        {
            var status = log.P.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 9, Low = 1 }, out _);
            log.P.EndBatch();
            return status == AppendStatus.Full;
        });
        MailboxHarness.WaitFor(() =>
        {
            log.Work();
            return log.IsSettled && !log.Log.Counters.DiskFull;
        });
        Assert.True(log.Log.Counters.TruncatedSegments > 2);
        var late = log.Send(5, "there is room again");
        log.Commit();
        Assert.Equal([.. kept, late], log.ReadAll(5).Select(e => e.Sequence));
    }

    private static MailboxHarness Open(DataFolder folder, TimeProvider? time = null, int partitions = 1, FaultyFileSystem? files = null) =>
        new(folder.Path, s => (s.FileSystem, s.Partitions, s.Compacts) = (files, partitions, true), time);
}
