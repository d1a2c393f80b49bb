using System.Buffers.Binary;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Xunit;
using static Gateway.Tests.Mailbox.SegmentFile;

namespace Gateway.Tests.Mailbox;

/// <summary>What an opening makes of what lies on the disk: all that was durable, by its new owners, and a refusal that names the place of any damage.</summary>
public sealed class RecoveryTests
{
    [Fact]
    public void A_byte_flipped_anywhere_in_what_was_durable_refuses_to_open_and_says_where()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        long durable;
        using (var live = new MailboxHarness(folder.Path, time: time))
        {
            for (var i = 0; i < 3; i++) live.Send(5, "abc" + i);
            live.Commit();
            durable = live.LastPosition;
            live.Send(5, "the next batch's mark names what came before");
            live.Commit();
            using var image = folder.Copy();
            var path = image.Segments[0];
            var segment = File.ReadAllBytes(path);
            var records = RecordsOf(segment, durable);
            for (var at = RecordLayout.FirstAddress; at < durable; at++)
            {
                var (start, length) = records.Last(r => r.Start <= at);

                // The up to three bytes that pad a record to a multiple of 4 mean nothing.
                if (at >= start + RecordLayout.LengthBytes + length) continue;
                var damaged = segment.ToArray();
                damaged[Header + at] ^= 0x10;
                File.WriteAllBytes(path, damaged);
                var refusal = Assert.Throws<LogCorruptException>(() => new MailboxHarness(image.Path, time: time));
                Assert.Equal((path, Header + start), (refusal.Path, refusal.Offset));
                Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
                Assert.Contains($"offset {Header + start}", refusal.Message, StringComparison.Ordinal);
                Assert.Equal(damaged, File.ReadAllBytes(path));
            }

            File.WriteAllBytes(path, segment);
            using var sound = new MailboxHarness(image.Path, time: time);
            Assert.Equal(4, sound.P.State(5).Entries);
        }
    }

    [Fact]
    public void After_a_clean_close_even_the_last_batch_is_known_durable()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            log.Send(5, "the last");
            log.Commit();
        }

        Flip(folder.Segments[0], Header + 64 + 40);
        Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path));
    }

    [Fact]
    public void After_a_while_without_work_even_the_last_batch_is_known_durable()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, time: time);
        log.Send(5, "the last");
        log.Commit();
        var commits = log.Log.Counters.Commits;
        time.Advance(TimeSpan.FromSeconds(1.1));
        MailboxHarness.WaitFor(() => log.Log.Counters.Commits > commits);
        using var image = folder.Copy();
        Flip(image.Segments[0], Header + 64 + 40);
        Assert.Throws<LogCorruptException>(() => new MailboxHarness(image.Path));
    }

    [Fact]
    public void An_idle_log_marks_its_last_batch_once_and_then_writes_nothing()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, s => s.ReserveAhead = TimeSpan.FromHours(1), time);
        log.Send(5, "the last");
        log.Commit();
        time.Advance(TimeSpan.FromSeconds(1.1));
        var commits = log.Log.Counters.Commits;
        MailboxHarness.WaitFor(() => log.Log.Counters.Commits > commits);
        var after = log.Log.Counters;
        time.Advance(TimeSpan.FromMinutes(10));

        // The next thing the pump does is this message's commit: nothing came between.
        log.Send(5, "much later");
        log.Commit();
        Assert.Equal(after.Commits + 1, log.Log.Counters.Commits);
    }

    [Fact]
    public void A_mark_forged_in_a_message_body_proves_nothing()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var forged = new byte[4 + RecordLayout.MarkBytes];
        BinaryPrimitives.WriteInt32LittleEndian(forged, RecordLayout.MarkBytes);
        RecordLayout.WriteMark(forged.AsSpan(4), identity: 0xBAD, durable: 1 << 20);
        log.Send(5, "torn here");
        var torn = log.LastPosition;
        log.Send(5, forged);
        log.Commit();
        using var image = folder.Copy();
        Flip(image.Segments[0], Header + torn - 8);
        using var opened = new MailboxHarness(image.Path);
        Assert.Equal(0, opened.P.State(5).Entries);
    }

    [Fact]
    public void What_was_recovered_is_written_again_and_synced_before_the_log_answers()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, time: time);
        live.Send(5, "marked");
        live.Commit();
        live.Send(5, "in the page cache only, for all anybody knows");
        live.Commit();
        using var image = folder.Copy();
        var files = new FaultyFileSystem(image.Path);
        var writes = 0;
        files.OnWrite = name => writes += name.EndsWith(".segment", StringComparison.Ordinal) ? 1 : 0;
        using var log = new MailboxHarness(image.Path, s => s.FileSystem = files, time);
        Assert.True(writes > 0, "nothing was written again");
        Assert.Equal(0, files.UnsyncedWrites(".segment"));
    }

    [Fact]
    public void An_acknowledgement_removes_only_what_lies_before_it_in_the_log()
    {
        // Rule 4. The acknowledged number is above anything in the mailbox, as one from a mailbox that was ahead would be.
        using var folder = new DataFolder();
        var time = new ManualTime();
        ulong later;
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            log.Send(5, "before");
            log.Ack(5, log.P.Floor + 1_000_000);
            Assert.Equal(0, log.P.State(5).Entries);
            later = log.Send(5, "after");
            log.Commit();
        }

        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal([later], again.ReadAll(5).Select(m => m.Sequence));
    }

    [Fact]
    public void The_ledger_is_recomputed_and_adds_up()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        Ledger before;
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            var sent = Enumerable.Range(0, 20).Select(i => log.Send(5, "m" + i)).ToList();
            log.Send(6, new byte[16], RecordType.Receipt);
            var dropped = log.Send(6, new byte[16], RecordType.Receipt);
            log.Ack(5, sent[9]);
            log.Ack(5, sent[9]);
            log.Remove(5, sent[12], RemoveReason.Rejected);
            log.Remove(5, sent[13], RemoveReason.Expired);
            log.Remove(5, sent[13], RemoveReason.Expired);
            log.Remove(5, sent[14], RemoveReason.Discarded);
            log.Remove(5, sent[15], RemoveReason.Lost);
            log.Remove(6, dropped, RemoveReason.Discarded);
            log.Commit();
            before = log.P.Ledger;
            Assert.Equal(new LedgerColumn(20, 10, 1, 1, 1, 1), before.Messages);
            Assert.Equal(new LedgerColumn(2, 0, 0, 0, 1, 0), before.Receipts);
        }

        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal(before, again.P.Ledger);
        var pending = again.P.CountPending();
        Assert.Equal((before.Messages.Outstanding, before.Receipts.Outstanding), (pending.Messages, pending.Receipts));
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(4, 1)]
    [InlineData(4, 3)]
    public void Mailboxes_go_to_their_new_owners_when_the_number_of_partitions_changes(int before, int after)
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        var sent = new Dictionary<ulong, List<ulong>>();
        using (var log = new MailboxHarness(folder.Path, s => s.Partitions = before, time))
        {
            for (ulong i = 0; i < 200; i++)
            {
                var mailbox = i % 17 + 1;
                if (!sent.TryGetValue(mailbox, out var list)) sent[mailbox] = list = [];
                list.Add(log.Send(mailbox, "m"));
            }

            log.Ack(3, sent[3][4]);
            sent[3].RemoveRange(0, 5);
            log.Commit();
        }

        using var again = new MailboxHarness(folder.Path, s => s.Partitions = after, time);
        foreach (var (mailbox, sequences) in sent)
        {
            Assert.Equal(sequences, again.ReadAll(mailbox).Select(m => m.Sequence));
            Assert.True(again.Send(mailbox, "next") > sent.Values.Max(s => s[^1]));
        }

        again.Commit();
        var total = Enumerable.Range(0, after).Select(i => again.Log.Partition(i).Ledger).Aggregate((a, b) => a + b);
        Assert.Equal((217, 5), (total.Messages.Accepted, total.Messages.Delivered));
    }

    [Theory]
    [InlineData(RecordType.Generation, "Generation")]
    [InlineData((RecordType)99, "type 99")]
    public void A_record_that_a_later_version_writes_is_refused_by_name_and_place(RecordType type, string name)
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            log.Send(5, "a message that becomes something else");
            log.Commit();
        }

        var path = folder.Segments[0];
        var segment = File.ReadAllBytes(path);
        var (start, length) = RecordsOf(segment, 4096).First(r => segment[Header + r.Start + 4 + RecordLayout.TypeOffset] == (byte)RecordType.Message);
        var record = segment.AsSpan((int)(Header + start + 4), length);
        record[RecordLayout.TypeOffset] = (byte)type;
        BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Compute(record[4..]));
        SealOfFirst.Apply(record);
        File.WriteAllBytes(path, segment);

        var refusal = Assert.Throws<LogVersionException>(() => new MailboxHarness(folder.Path));
        Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
        Assert.Contains($"{path} at offset {Header + start}", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_segment_is_refused()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            for (var i = 0; i < 300; i++) log.Send(5, new string('d', 900));
            log.Commit();
        }

        Assert.True(folder.Segments.Length > 4);
        File.Delete(folder.Segments[1]);
        var refusal = Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path));
        Assert.Contains("missing", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_segment_of_another_log_or_another_place_is_refused()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            for (var i = 0; i < 100; i++) log.Send(5, new string('d', 900));
            log.Commit();
        }

        File.Copy(folder.Segments[0], folder.Segments[1], overwrite: true);
        Assert.Contains("another segment's name", Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_half_made_segment_is_made_again()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path)) log.Send(5, "x");
        var orphan = Path.Combine(folder.Path, SegmentHeader.FileName(folder.Segments.Length) + ".new");
        File.WriteAllBytes(orphan, new byte[100]);
        using var again = new MailboxHarness(folder.Path);
        Assert.False(File.Exists(orphan));
    }
}
