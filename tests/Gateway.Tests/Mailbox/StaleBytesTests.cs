using System.Buffers.Binary;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// What a segment's file held in an earlier life lies behind the log's end, to the byte where the next record would stand, and is not taken for the
/// log's. And a log of the format before, which had nothing there but zeros.
/// </summary>
public class StaleBytesTests
{
    private const int Header = SegmentHeader.Bytes;
    private const int PageBytes = 4096;
    private const int SegmentBytes = 64 * 1024;

    /// <summary>Above every sequence that a test gives out, so that only its seal keeps a record out.</summary>
    private const ulong HighSequence = (1UL << 52) - 2;

    public static TheoryData<string, long, ulong> Strangers => new()
    {
        // Of an earlier segment of this log; of a later one; and of this one as a sender would write it into a body, who does not know the identity.
        { "earlier", 0, MailboxHarness.Identity },
        { "later", 9, MailboxHarness.Identity },
        { "forged", 1, 0 },
        { "format 1's", -1, MailboxHarness.Identity },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public void A_stale_record_exactly_at_the_end_is_not_the_log_s(string of, long segment, ulong identity)
    {
        var stale = new byte[4 + RecordLayout.MessageFixedBytes];
        BinaryPrimitives.WriteInt32LittleEndian(stale, RecordLayout.MessageFixedBytes);
        RecordLayout.Write(stale.AsSpan(4), new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = HighSequence, Sender = 7 }, default);
        SealOf(segment, identity).Apply(stale.AsSpan(4));
        OpensWithout(stale, of);
    }

    [Theory]
    [MemberData(nameof(Strangers))]
    public void A_stale_mark_behind_the_end_proves_nothing(string of, long segment, ulong identity)
    {
        // It says that more was durable than there is: of this log that would be damage.
        var stale = new byte[4 + RecordLayout.MarkBytes];
        BinaryPrimitives.WriteInt32LittleEndian(stale, RecordLayout.MarkBytes);
        RecordLayout.WriteMark(stale.AsSpan(4), MailboxHarness.Identity, 2 * SegmentBytes - 8);
        SealOf(segment, identity).Apply(stale.AsSpan(4));
        OpensWithout(stale, of);
        OpensWithout([.. new byte[400], .. stale], of);
    }

    [Theory]
    [MemberData(nameof(Strangers))]
    public void A_stale_end_mark_exactly_at_the_end_does_not_lead_to_what_lies_on_the_next_page(string of, long segment, ulong identity)
    {
        var stale = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(stale, SealOf(segment, identity).EndOfPage);
        // What a torn batch of this very segment left on the next page: sound, and behind records that are lost.
        var lost = new byte[4 + RecordLayout.MessageFixedBytes];
        BinaryPrimitives.WriteInt32LittleEndian(lost, RecordLayout.MessageFixedBytes);
        RecordLayout.Write(lost.AsSpan(4), new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = HighSequence, Sender = 7 }, default);
        SealOf(1, MailboxHarness.Identity).Apply(lost.AsSpan(4));
        OpensWithout(stale, of, onNextPage: lost);
    }

    [Fact]
    public void Checksums_and_end_marks_in_the_files_bear_their_segment_s_seal_and_no_other()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            for (var i = 0; i < 300; i++) log.Send(5, new string('s', 100 + i % 800));
            log.Commit();
        }

        Assert.True(folder.Segments.Length > 2);
        var (records, endMarks) = (0, 0);
        for (var segment = 0; segment < folder.Segments.Length; segment++)
        {
            var bytes = File.ReadAllBytes(folder.Segments[segment]).AsSpan(Header);
            var seal = SealOf(segment, MailboxHarness.Identity);
            for (var at = segment == 0 ? 64 : 0; at < SegmentBytes;)
            {
                var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
                if (length == 0) break;
                if (length == seal.EndOfPage)
                {
                    endMarks++;
                    at = (at | (PageBytes - 1)) + 1;
                    continue;
                }

                var record = bytes.Slice(at + 4, (int)length);
                Assert.Equal((true, false), (seal.Holds(record), SealOf(segment + 1, MailboxHarness.Identity).Holds(record)));
                records++;
                at += RecordLayout.LogBytes((int)length);
            }
        }

        Assert.True(records > 300 && endMarks > 20, $"{records} records, {endMarks} end marks");
    }

    [Fact]
    public void A_log_of_format_1_is_written_on_in_it_and_goes_on_in_format_2()
    {
        using var folder = new DataFolder();
        foreach (var file in Directory.GetFiles(RepositoryRoot.File("tests", "golden", "format-1"))) File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        File.Delete(Path.Combine(folder.Path, "expected.txt"));
        Assert.All(folder.Segments, path => Assert.Equal(1u, FormatOf(path)));
        var time = new ManualTime();
        var oldLast = 0L;
        List<(ulong Sequence, ulong Previous, string Body)> anna;
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            anna = log.ReadAll(1);
            Assert.Equal(2, anna.Count);
            log.Send(9, "in the last segment of format 1");
            log.Commit();
            oldLast = (log.LastPosition - 1) / SegmentBytes;
            var path = Path.Combine(folder.Path, SegmentHeader.FileName(oldLast));
            Assert.Equal(1u, FormatOf(path));
            var start = (int)(Header + (log.LastPosition - RecordLayout.LogBytes(RecordLayout.MessageFixedBytes + 31)) % SegmentBytes);
            Assert.True(RecordSeal.Of(1, 0, 0).Holds(File.ReadAllBytes(path).AsSpan(start + 4, RecordLayout.MessageFixedBytes + 31)));
            // The superblock's newest slot says so: an older build would not understand what comes next.
            var superblock = File.ReadAllBytes(Path.Combine(folder.Path, "superblock"));
            Assert.Contains((byte)2, new[] { superblock[8], superblock[Superblock.SlotBytes + 8] });
            for (var i = 0; i < 200; i++) log.Ack(9, log.Send(9, new string('n', 900)));
            log.Commit();
            Assert.True(log.LastPosition / SegmentBytes > oldLast + 1);
            // Sealed all the way, in either format.
            Assert.Equal(anna, log.ReadAll(1));
        }

        using (var log = new MailboxHarness(folder.Path, s => s.Compacts = true, time))
        {
            Assert.Equal(anna, log.ReadAll(1));
            MailboxHarness.WaitFor(() =>
            {
                for (var i = 0; i < 20; i++) log.Ack(9, log.Send(9, new string('n', 900)));
                log.Commit();
                log.Work();
                return log.Log.Counters.LogBytes > 0 && !File.Exists(Path.Combine(folder.Path, SegmentHeader.FileName(oldLast)));
            });
            log.Settle();
            Assert.All(folder.Segments, path => Assert.Equal(2u, FormatOf(path)));
            Assert.Equal(anna.Select(m => (m.Sequence, m.Body)), log.ReadAll(1).Select(m => (m.Sequence, m.Body)));
        }

        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal(anna.Select(m => (m.Sequence, m.Body)), again.ReadAll(1).Select(m => (m.Sequence, m.Body)));
        Assert.Equal(again.P.Ledger.Messages.Outstanding, again.P.CountPending().Messages);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_segment_whose_header_is_damaged_gets_one_of_the_format_that_its_records_are_in(uint format)
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        if (format == 1)
        {
            foreach (var file in Directory.GetFiles(RepositoryRoot.File("tests", "golden", "format-1"))) File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
            File.Delete(Path.Combine(folder.Path, "expected.txt"));
        }
        else
        {
            using var log = new MailboxHarness(folder.Path, time: time);
            for (var i = 0; i < 100; i++) log.Send(1, new string('h', 500));
            log.Commit();
        }

        var damaged = folder.Segments[0];
        var bytes = File.ReadAllBytes(damaged);
        bytes[30] ^= 4;
        File.WriteAllBytes(damaged, bytes);
        Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path, time: time));
        using (var stopped = StoppedLog.Open(folder.Path))
        {
            Assert.Equal(DamageKind.Header, Assert.Single(stopped.Survey().Damage).Kind);
            stopped.Repair(time);
        }

        Assert.Equal(format, FormatOf(damaged));
        using var opened = new MailboxHarness(folder.Path, time: time);
        Assert.Equal(format == 1 ? 2 : 100, opened.ReadAll(1).Count);
    }

    [Fact]
    public void A_look_at_a_log_in_files_used_again_tells_a_torn_end_from_what_was_there_before()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, s => s.Compacts = true, time);
        // With room for what follows: where a segment begins, the superblock says how far the log is durable, and what is torn before that is damage.
        for (var turns = 0; log.LastPosition % SegmentBytes > SegmentBytes / 2 || !SegmentHeader.IsUsedAgain(File.ReadAllBytes(LastSegment())); turns++)
        {
            Assert.True(turns < 200, "no segment was used again");
            for (var i = 0; i < 20; i++) log.Ack(9, log.Send(9, new string('n', 900)));
            log.Settle();
        }

        log.Send(5, "kept");
        log.Commit();
        LogSurvey survey;
        // A torn record that begins with a sector cannot be told from what the file held before; the one after it begins with none.
        do
        {
            log.Send(5, "in the last batch");
            log.Commit();
            using var image = folder.Copy();
            long end;
            using (var stopped = StoppedLog.Open(image.Path))
            {
                var sound = stopped.Survey();
                Assert.Equal((LogState.Sound, 0L), (sound.State, sound.CutBytes));
                end = sound.End.Address;
                Assert.True(end >= log.LastPosition);
            }

            var last = Path.Combine(image.Path, SegmentHeader.FileName((end - 1) / SegmentBytes));
            var bytes = File.ReadAllBytes(last);
            bytes[Header + (int)((end - 1) % SegmentBytes) - 8] ^= 1;
            File.WriteAllBytes(last, bytes);
            using var torn = StoppedLog.Open(image.Path);
            survey = torn.Survey();
            Assert.True(survey.End.Address < end);
        }
        while (survey.End.Address % TornEnd.SectorBytes == 0);

        Assert.Equal(LogState.TornTail, survey.State);
        Assert.InRange(survey.CutBytes, 1, TornEnd.SectorBytes);

        string LastSegment() => Path.Combine(folder.Path, SegmentHeader.FileName(log.LastPosition / SegmentBytes));
    }

    private static RecordSeal SealOf(long segment, ulong identity) => segment < 0 ? RecordSeal.Of(1, identity, 0) : RecordSeal.Of(2, identity, segment);

    private static uint FormatOf(string segment) => SegmentHeader.FormatOf(File.ReadAllBytes(segment));

    /// <summary>Puts this where the next record of a killed log would stand, in its second segment, opens it, writes up to it and beyond, and opens again.</summary>
    private static void OpensWithout(byte[] stale, string of, byte[]? onNextPage = null)
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, time: time);
        var sent = new List<string>();
        while (live.LastPosition < SegmentBytes + 2 * PageBytes)
        {
            sent.Add(new string('s', 700));
            live.Send(5, sent[^1]);
            live.Commit();
        }

        var end = live.LastPosition;
        Assert.Equal(1, end / SegmentBytes);
        using var image = folder.Copy();
        var bytes = File.ReadAllBytes(image.Segments[1]);
        var nextPage = (end | (PageBytes - 1)) + 1;
        // The batch's mark stands behind its messages.
        bytes.AsSpan((int)(Header + end % SegmentBytes), (int)(nextPage - end)).Clear();
        stale.CopyTo(bytes, Header + end % SegmentBytes);
        onNextPage?.CopyTo(bytes, Header + nextPage % SegmentBytes);
        File.WriteAllBytes(image.Segments[1], bytes);
        using (var log = new MailboxHarness(image.Path, time: time))
        {
            Assert.True(sent.SequenceEqual(log.ReadAll(5).Select(m => m.Body)), $"what is {of} was taken for the log's");
            Assert.Equal(end, log.Log.CommittedThrough);
            while (log.LastPosition < nextPage + PageBytes)
            {
                sent.Add(new string('t', 500));
                log.Send(5, sent[^1]);
                log.Commit();
            }
        }

        using var again = new MailboxHarness(image.Path, time: time);
        Assert.Equal(sent, again.ReadAll(5).Select(m => m.Body));
    }
}
