using System.Buffers.Binary;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>What a log's end may look like after a crash, and what it must not: torn tails are cut, damage is refused.</summary>
public class RecoveryTests
{
    private const int Header = SegmentHeader.Bytes;

    private static RecordSeal SealOfFirst => RecordSeal.Of(RecordLayout.FormatVersion, MailboxHarness.Identity, 0);

    [Theory]
    [InlineData("zeros", 1)]
    [InlineData("end of file", 5)]
    [InlineData("garbage", 3)]
    public void A_log_cut_at_any_byte_of_its_last_batch_opens_with_what_is_whole(string behind, int step)
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, time: time);
        live.Send(5, "first");
        live.Commit();
        var ends = new List<long> { live.LastPosition };
        for (var i = 0; i < 3; i++)
        {
            // Multiples of 4, so that a record's last byte is its own and not padding.
            live.Send(5, "last one" + new string('z', 8 * i));
            ends.Add(live.LastPosition);
        }

        live.Commit();
        using var image = folder.Copy();
        var random = new Random(3);
        var segment = File.ReadAllBytes(image.Segments[0]);
        for (var cut = ends[0]; cut <= ends[^1]; cut += step)
        {
            var torn = segment[..(int)(Header + cut)];
            if (behind != "end of file") Array.Resize(ref torn, segment.Length);
            if (behind == "garbage") random.NextBytes(torn.AsSpan((int)(Header + cut), 5000));
            File.WriteAllBytes(image.Segments[0], torn);

            var whole = ends.Count(end => end <= cut);
            using (var log = new MailboxHarness(image.Path, time: time))
            {
                Assert.Equal(whole, log.P.State(5).Entries);
                Assert.Equal(whole, log.ReadAll(5).Count);
                if (cut % 16 == 0)
                {
                    log.Send(5, "after the crash");
                    log.Commit();
                }
            }

            if (cut % 16 == 0)
            {
                using var again = new MailboxHarness(image.Path, time: time);
                Assert.Equal("after the crash", again.ReadAll(5)[^1].Body);
            }

            folder.CopyOver(image);
        }
    }

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
    public void What_lay_behind_a_torn_record_does_not_come_back_when_the_log_has_grown_up_to_it()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, time: time);
        live.Send(5, "kept");
        var torn = live.LastPosition;
        for (var i = 0; i < 20; i++) live.Send(5, "dropped " + i);
        live.Commit();
        using var image = folder.Copy();

        // The first of the dropped is torn; the others are whole. They take 88 bytes of log each, and what every later run writes, a
        // message of 148 bytes and its mark of 28, ends just where one of them begins.
        var body = new string('n', 72);
        Flip(image.Segments[0], Header + torn + 30);
        for (var run = 1; run < 6; run++)
        {
            using var log = new MailboxHarness(image.Path, time: time);
            Assert.Equal(run, log.P.State(5).Entries);
            log.Send(5, body);
            Assert.Equal(torn + (run - 1) * 176 + 148, log.LastPosition);
            log.Commit();
        }

        using var last = new MailboxHarness(image.Path, time: time);
        Assert.Equal(["kept", body, body, body, body, body], last.ReadAll(5).Select(m => m.Body));
    }

    [Fact]
    public void A_lost_write_in_mid_batch_is_not_taken_for_the_unused_end_of_a_page()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, s => s.MemoryBytes = 1 << 20, time);
        live.Send(5, "durable");
        live.Commit();
        var durable = live.LastPosition;
        var positions = new List<long>();
        for (var i = 0; i < 40; i++)
        {
            live.Send(5, new string('b', 300));
            positions.Add(live.LastPosition);
        }

        live.Commit();
        Assert.True(positions[^1] > 3 * 4096);
        using var image = folder.Copy();

        // The disk lost the sectors at the end of the first page, and kept the pages that follow it. However many batches the pump made of
        // this, let it have been one: no mark names anything in it.
        var bytes = File.ReadAllBytes(image.Segments[0]);
        foreach (var (start, length) in RecordsOf(bytes, 64 * 1024))
        {
            var record = bytes.AsSpan((int)(Header + start + 4), length);
            if (RecordLayout.TypeOf(record) == RecordType.Mark && start >= durable)
            {
                RecordLayout.WriteMark(record, MailboxHarness.Identity, durable);
                SealOfFirst.Apply(record);
            }
        }

        var lastWhole = positions.Last(p => p < 4096 - 512);
        bytes.AsSpan((int)(Header + lastWhole), (int)(4096 - lastWhole)).Clear();
        File.WriteAllBytes(image.Segments[0], bytes);

        using var log = new MailboxHarness(image.Path, time: time);
        Assert.Equal(1 + positions.IndexOf(lastWhole) + 1, log.P.State(5).Entries);
    }

    [Fact]
    public void A_page_is_sealed_behind_its_last_record()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        for (var i = 0; i < 100; i++) log.Send(5, new string('c', 700 + 13 * (i % 20)));
        log.Commit();
        var segment = File.ReadAllBytes(folder.Segments[0]);
        for (var page = 0; page < 10; page++)
        {
            var offset = page == 0 ? 64 : 0;
            while (offset < 4096)
            {
                var length = BinaryPrimitives.ReadUInt32LittleEndian(segment.AsSpan(Header + page * 4096 + offset));
                Assert.NotEqual(0u, length);
                if (length == SealOfFirst.EndOfPage) break;
                offset += RecordLayout.LogBytes((int)length);
            }
        }
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

    /// <summary>Start address and record length of everything up to an address.</summary>
    private static List<(long Start, int Length)> RecordsOf(byte[] segment, long until)
    {
        var records = new List<(long, int)>();
        for (var at = RecordLayout.FirstAddress; at < until;)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(segment.AsSpan((int)(Header + at)));
            if (length == 0) break;
            if (length == SealOfFirst.EndOfPage)
            {
                at = (at | 4095) + 1;
                continue;
            }

            records.Add((at, (int)length));
            at += RecordLayout.LogBytes((int)length);
        }

        return records;
    }

    private static void Flip(string path, long offset)
    {
        using var file = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        var b = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(b ^ 1));
    }
}
