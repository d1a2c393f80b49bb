using System.Buffers.Binary;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Xunit;
using static Gateway.Tests.Mailbox.SegmentFile;

namespace Gateway.Tests.Mailbox;

/// <summary>What a crash may leave of the last batch: what is whole before the first torn record is kept, and nothing behind it comes back later.</summary>
public sealed class TornTailTests
{
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

    /// <summary>A write pads its last block with zeros, which wipes out what lies there; what lies from the next page on only clearing does.</summary>
    [Fact]
    public void What_lay_on_the_pages_behind_a_torn_one_does_not_come_back_when_the_log_has_filled_that()
    {
        const int Page = 4096;
        const int MarkLogBytes = 28;
        const int Overhead = 4 + 72;
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, time: time);
        live.Send(5, "kept");
        var torn = live.LastPosition;
        FillPage(live, 'd', spare: 0);
        Assert.Equal(Page, live.LastPosition);
        for (var i = 0; i < 10; i++) live.Send(5, "dropped " + i);
        live.Commit();
        using var image = folder.Copy();
        LetItBeOneBatch(image.Segments[0], RecordLayout.FirstAddress);
        Flip(image.Segments[0], Header + torn + 30);

        List<string> written;
        using (var log = new MailboxHarness(image.Path, time: time))
        {
            Assert.Equal(1, log.P.State(5).Entries);
            written = FillPage(log, 'n', MarkLogBytes);
            log.Commit();
            Assert.Equal(Page - MarkLogBytes, log.LastPosition);
            using var killed = image.Copy();
            using var last = new MailboxHarness(killed.Path, time: time);
            Assert.Equal(["kept", .. written], last.ReadAll(5).Select(m => m.Body));
        }

        List<string> FillPage(MailboxHarness log, char letter, int spare)
        {
            var bodies = new List<string>();
            for (var left = (int)(Page - torn) - spare; left > 0;)
            {
                var record = left > 1_100 ? 800 : left;
                bodies.Add(new string(letter, record - Overhead));
                log.Send(5, bodies[^1]);
                left -= record;
            }

            return bodies;
        }
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

        // The disk lost the sectors at the end of the first page, and kept the pages that follow it.
        LetItBeOneBatch(image.Segments[0], durable);
        var bytes = File.ReadAllBytes(image.Segments[0]);
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

    /// <summary>However many batches the pump made of what lies behind an address: now no mark names anything in it.</summary>
    private static void LetItBeOneBatch(string path, long durable)
    {
        var bytes = File.ReadAllBytes(path);
        foreach (var (start, length) in RecordsOf(bytes, 64 * 1024))
        {
            var record = bytes.AsSpan((int)(Header + start + RecordLayout.LengthBytes), length);
            if (RecordLayout.TypeOf(record) != RecordType.Mark || start < durable) continue;
            RecordLayout.WriteMark(record, MailboxHarness.Identity, durable);
            SealOfFirst.Apply(record);
        }

        File.WriteAllBytes(path, bytes);
    }
}
