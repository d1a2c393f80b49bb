using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Xunit;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>A damaged log is made to open again with every record that is surely one, and what is lost is counted and kept aside.</summary>
public class RepairTests
{
    [Fact]
    public void A_byte_flipped_anywhere_in_a_record_loses_that_record_and_no_other()
    {
        using var source = new DamagedFolder();
        for (var i = 3; i < source.Records.Count; i += 23)
        {
            var record = source.Records[i];
            for (var offset = 4 + i % 5; offset < 4 + record.Length; offset += 61)
            {
                using var folder = source.Copy();
                folder.Flip(record.Address + offset);
                var damage = Assert.Single(folder.Survey().Damage);
                Assert.Equal((DamageKind.Record, record.Address), (damage.Kind, damage.Place.Address));
                folder.RepairTo(folder.PendingWithout(r => r == record));
            }
        }
    }

    [Fact]
    public void A_damaged_length_loses_nothing()
    {
        using var source = new DamagedFolder();
        for (var i = 2; i < source.Records.Count; i += 37)
        {
            foreach (byte[] length in new byte[][] { [0, 0, 0, 0], [255, 255, 255, 255], [(byte)i, 3, 0, 0], [8, 0, 0, 0], [7, 7, 7, 7] })
            {
                using var folder = source.Copy();
                folder.Write(folder.Records[i].Address, length);
                var damage = Assert.Single(folder.Survey().Damage);
                Assert.Equal(DamageKind.Length, damage.Kind);
                folder.RepairTo(DamagedFolder.PendingOf(folder.Records));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(255)]
    public void A_sector_that_reads_as_nothing_loses_what_lay_up_to_the_next_proven_place(byte fill)
    {
        using var source = new DamagedFolder();
        for (var sector = 1024L; sector + 512 < source.End; sector += 512 * 13)
        {
            using var folder = source.Copy();
            folder.Write(sector, Enumerable.Repeat(fill, 512).ToArray());
            if (folder.Read(sector, 512).SequenceEqual(source.Read(sector, 512))) continue;
            var first = folder.Records.First(r => r.Overlaps(sector, sector + 512)).Address;
            var proven = first;
            while (proven < sector + 512 && proven < folder.End) proven = folder.ProvenAfter(proven, sector + 512);

            // The first may have been touched in its padding alone, the last be recognised by the lengths that lead to it.
            var possible = folder.PendingWithout(r => r.Overlaps(first, proven));
            var survey = folder.Survey();
            Assert.Equal(LogState.Damaged, survey.State);
            Assert.InRange(survey.Damage[0].Place.Address, first, sector + 512);
            Assert.True(survey.Damage[^1].Place.Address + survey.Damage[^1].Bytes <= proven);
            var outcome = folder.Repair();
            var opened = folder.Opened(out _);
            var lost = survey.Damage.Where(d => d.Kind != DamageKind.Length).ToList();
            Assert.Equal(folder.PendingWithout(r => lost.Any(d => r.Overlaps(d.Place.Address, d.Place.Address + d.Bytes))), opened);
            Assert.All(folder.Records.Where(r => lost.Any(d => r.Overlaps(d.Place.Address, d.Place.Address + d.Bytes))), r => Assert.True(r.Overlaps(first, proven)));
        }
    }

    [Fact]
    public void A_lost_page_and_a_lost_segment_lose_what_they_held()
    {
        using var source = new DamagedFolder();
        for (var page = 0L; page < source.End; page += 5 * DamagedFolder.PageBytes)
        {
            using var folder = source.Copy();
            folder.Write(page, new byte[DamagedFolder.PageBytes]);
            folder.RepairTo(folder.PendingWithout(r => r.Overlaps(page, page + DamagedFolder.PageBytes)));
        }

        for (var segment = 0; segment * DamagedFolder.SegmentBytes < source.End; segment++)
        {
            var first = segment * DamagedFolder.SegmentBytes;
            using var folder = source.Copy();
            File.Delete(folder.SegmentOf(first));
            folder.RepairTo(folder.PendingWithout(r => r.Overlaps(first, first + DamagedFolder.SegmentBytes)));
        }
    }

    [Fact]
    public void A_file_cut_short_loses_what_was_cut_and_nothing_behind_it()
    {
        using var source = new DamagedFolder();
        foreach (var cut in new long[] { 100, 4096, 5000, 40_000 })
        {
            using var folder = source.Copy();
            using (var file = File.Open(folder.SegmentOf(0), FileMode.Open)) file.SetLength(DamagedFolder.Header + cut);
            folder.RepairTo(folder.PendingWithout(r => r.Address < DamagedFolder.SegmentBytes && r.End > cut && r.Address + 4 + r.Length > cut));
        }
    }

    [Fact]
    public void A_damaged_header_loses_nothing()
    {
        using var source = new DamagedFolder();
        foreach (var offset in new[] { 0, 9, 17, 41 })
        {
            using var folder = source.Copy();
            DamagedFolder.WriteFile(folder.SegmentOf(DamagedFolder.SegmentBytes), offset, [0xA5]);
            folder.RepairTo(DamagedFolder.PendingOf(folder.Records));
        }
    }

    [Fact]
    public void A_segment_of_another_place_is_replaced_and_kept_aside()
    {
        using var folder = new DamagedFolder();
        var foreign = File.ReadAllBytes(folder.SegmentOf(0));
        File.WriteAllBytes(folder.SegmentOf(DamagedFolder.SegmentBytes), foreign);
        var quarantined = File.ReadAllBytes(Copied(folder, folder.PendingWithout(r => r.Overlaps(DamagedFolder.SegmentBytes, 2 * DamagedFolder.SegmentBytes))));
        Assert.Equal(foreign, quarantined.AsSpan(0, foreign.Length).ToArray());

        static string Copied(DamagedFolder folder, SortedSet<(ulong, ulong)> pending)
        {
            Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path, time: folder.Time));
            var outcome = folder.Repair();
            Assert.Equal(pending, folder.Opened(out _));
            return outcome.QuarantinedBytes;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_superblock_that_is_gone_or_worthless_is_made_again_from_the_segments(bool gone)
    {
        using var folder = new DamagedFolder();
        var path = Path.Combine(folder.Path, Superblock.FileName);
        if (gone) File.Delete(path);
        else File.WriteAllBytes(path, new byte[Superblock.FileBytes]);

        var survey = folder.RepairTo(DamagedFolder.PendingOf(folder.Records));

        Assert.False(survey.Superblock.WasRebuilt);
        Assert.True(survey.Superblock.ReservedSequence >= folder.Time.Microseconds);
    }

    [Fact]
    public void A_log_that_nothing_names_any_more_is_refused_and_left_alone()
    {
        using var folder = new DamagedFolder();
        File.Delete(Path.Combine(folder.Path, Superblock.FileName));
        foreach (var segment in Directory.GetFiles(folder.Path, "*.segment")) DamagedFolder.WriteFile(segment, 0, new byte[64]);

        Assert.Throws<LogCorruptException>(() => folder.Survey());
    }

    [Fact]
    public void Lost_messages_and_receipts_are_counted_as_accepted_and_lost()
    {
        using var folder = new DamagedFolder();
        _ = folder.Opened(out var before);
        var pending = DamagedFolder.PendingOf(folder.Records);
        var message = folder.Records.Last(r => r.Type == RecordType.Message && pending.Contains((r.Mailbox, r.Sequence)));
        var receipt = folder.Records.Last(r => r.Type == RecordType.Receipt && pending.Contains((r.Mailbox, r.Sequence)));
        folder.Flip(message.Address + 80);
        folder.Flip(receipt.Address + 80);

        var survey = folder.RepairTo(folder.PendingWithout(r => r == message || r == receipt));

        Assert.Equal(before.Messages with { Lost = 1 }, survey.Ledger.Messages);
        Assert.Equal(before.Receipts with { Lost = 1 }, survey.Ledger.Receipts);
        Assert.Equal(2, survey.EarlierGaps.Stretches);
    }

    [Fact]
    public void A_message_that_was_acknowledged_behind_the_damage_is_not_counted_as_lost()
    {
        using var folder = new DamagedFolder(log =>
        {
            var first = log.Send(1, "delivered");
            log.Commit();
            log.Ack(1, first);
            log.Send(1, "pending");
            log.Commit();
        });
        folder.Flip(folder.Records.First(r => r.Type == RecordType.Message).Address + 80);

        var survey = folder.RepairTo(folder.PendingWithout(r => r.Sequence == folder.Records.First(f => f.Type == RecordType.Message).Sequence));

        Assert.Equal(new LedgerColumn(2, 1, 0, 0, 0, 0), survey.Ledger.Messages);
    }

    [Fact]
    public void A_moved_entry_is_lost_with_its_last_record_and_with_no_other()
    {
        using var source = DamagedFolder.Compacted();
        _ = source.Opened(out var before);
        var pending = DamagedFolder.PendingOf(source.Records);
        var only = source.Records.Last(r => r.Type == RecordType.Moved && source.Records.Count(o => o.Type is RecordType.Message or RecordType.Moved && o.Mailbox == r.Mailbox && o.Sequence == r.Sequence) == 1);
        Assert.Contains((only.Mailbox, only.Sequence), pending);
        using var folder = source.Copy();
        folder.Flip(only.Address + 30);

        var survey = folder.RepairTo(folder.PendingWithout(r => r == only));

        Assert.Equal(1, survey.Ledger.Messages.Lost + survey.Ledger.Receipts.Lost);
        Assert.Equal(before.Messages.Accepted + before.Receipts.Accepted, survey.Ledger.Messages.Accepted + survey.Ledger.Receipts.Accepted);
    }

    [Fact]
    public void An_entry_whose_acknowledgement_was_lost_and_then_covered_by_a_later_one_leaves_the_ledger_adding_up()
    {
        using var folder = new DamagedFolder(log =>
        {
            var first = log.Send(1, "delivered, but the record of it is lost");
            log.Ack(1, first);
            var second = log.Send(1, "delivered");
            log.Ack(1, second);
            log.Send(1, "pending");
            log.Commit();
        });
        var ack = folder.Records.First(r => r.Type == RecordType.AckUpTo);
        folder.Flip(ack.Address + 20);

        var survey = folder.RepairTo(folder.PendingWithout(r => r == ack));

        Assert.Equal(new LedgerColumn(3, 2, 0, 0, 0, 0), survey.Ledger.Messages);
    }

    [Fact]
    public void An_entry_that_only_its_successor_names_is_counted_as_lost_once_however_often_the_log_is_repaired()
    {
        using var folder = new DamagedFolder(log =>
        {
            for (var i = 0; i < 40; i++)
            {
                log.Send(1, $"message {i} " + new string('x', 300));
                log.Commit();
            }
        });
        folder.Write(DamagedFolder.PageBytes, new byte[DamagedFolder.PageBytes]);
        var first = folder.Repair().After;
        Assert.Equal(1, first.Ledger.Messages.Lost);

        var later = folder.Records.Last(r => r.Type == RecordType.Message);
        folder.Flip(later.Address + 80);
        var second = folder.Repair().After;

        Assert.Equal(2, second.Ledger.Messages.Lost);
        Assert.Equal(second.Pending.Messages, second.Ledger.Messages.Outstanding);
    }

    [Fact]
    public void Records_forged_in_a_body_do_not_become_real_when_the_message_that_holds_them_is_damaged()
    {
        // A body that is nothing but whole, sound records: messages to a stranger, with lengths as in the log.
        var forged = new byte[900];
        var at = 0;
        for (; at + 80 <= forged.Length; at += 80)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(forged.AsSpan(at), 76);
            var record = forged.AsSpan(at + 4, 76);
            RecordLayout.Write(record[..72], new MailboxRecord { Type = RecordType.Message, Mailbox = 666, Sequence = 1_000_000 + (ulong)at, Sender = 1, Body = record[72..] }, default);
        }

        using var source = new DamagedFolder(log =>
        {
            for (var i = 0; i < 6; i++) log.Send(1, forged);
            log.Commit();
            log.Send(1, "behind");
            log.Commit();
        });
        foreach (var holder in source.Records.Where(r => r.Type == RecordType.Message && r.Length > 900))
        {
            // Its length shortened so that the forged ones would follow, and its content damaged too; its head gone; its sector gone.
            foreach (var damage in new Action<DamagedFolder>[]
            {
                f => { f.Flip(holder.Address + 20); f.Write(holder.Address, [4, 0, 0, 0]); },
                f => f.Write(holder.Address, new byte[76]),
                f => f.Write(holder.Address, new byte[300]),
                f => { f.Flip(holder.Address + 20); f.Write(holder.Address, [68, 0, 0, 0]); },
            })
            {
                using var folder = source.Copy();
                damage(folder);
                folder.Repair();
                using var log = StoppedLog.Open(folder.Path);
                log.Export(null, (in MailboxRecord record) => Assert.NotEqual(666ul, record.Mailbox));
            }
        }
    }

    [Fact]
    public void What_is_taken_out_is_kept_byte_for_byte_with_where_it_came_from()
    {
        using var folder = new DamagedFolder();
        folder.Flip(folder.Records[20].Address + 33);
        folder.Write(3 * DamagedFolder.PageBytes, new byte[100]);
        var before = folder.Survey();
        var expected = before.Damage.SelectMany(d => File.ReadAllBytes(d.Place.File).AsSpan((int)d.Place.Offset, (int)d.Bytes).ToArray()).ToArray();

        var outcome = folder.Repair();

        Assert.Equal(expected, File.ReadAllBytes(outcome.QuarantinedBytes));
        var lines = File.ReadAllLines(outcome.QuarantineIndex);
        Assert.Equal(before.Damage.Count, lines.Length);
        Assert.Contains($"\"address\":{folder.Records[20].Address},", lines[0], StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(outcome.QuarantinedBytes));
    }

    [Fact]
    public void A_sound_record_that_contradicts_the_log_is_given_up_alone()
    {
        using var folder = new DamagedFolder();
        var messages = folder.Records.Where(r => r.Type == RecordType.Message && r.Mailbox == 1).ToList();
        var late = messages[^1];
        var record = folder.Read(late.Address + 4, late.Length);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(RecordLayout.SequenceOffset), messages[0].Sequence - 1);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Compute(record.AsSpan(4)));
        DamagedFolder.SealOf(late.Address).Apply(record);
        folder.Write(late.Address + 4, record);

        folder.RepairTo(folder.PendingWithout(r => r == late));
    }
}
