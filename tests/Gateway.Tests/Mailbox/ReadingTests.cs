using System.Text;
using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>Pages: order, limits, and the rules for whoever holds one.</summary>
public class ReadingTests
{
    [Fact]
    public void A_page_holds_at_most_the_entries_and_bytes_asked_for()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var sent = Enumerable.Range(0, 10).Select(i => log.Send(5, new string('m', 100))).ToList();
        log.Commit();
        var record = log.P.State(5).Bytes / 10;
        Assert.Equal(sent[..3], log.Read(5, maxEntries: 3).Select(m => m.Sequence));
        Assert.Equal(sent[..4], log.Read(5, maxBytes: (int)(5 * record - 1)).Select(m => m.Sequence));
        Assert.Equal(sent[4..6], log.Read(5, after: sent[3], maxEntries: 2).Select(m => m.Sequence));
        Assert.Equal(sent[4..6], log.Read(5, after: sent[4] - 1, maxEntries: 2).Select(m => m.Sequence));
        Assert.Empty(log.Read(5, after: sent[9]));
        Assert.Empty(log.Read(6));
        Assert.Empty(log.Read(5, maxEntries: 0));
    }

    [Fact]
    public void One_message_may_exceed_the_bytes_asked_for()
    {
        // Rule 11's other half: a window smaller than one message must not stop a mailbox.
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        log.Send(5, new string('a', 900));
        log.Send(5, new string('b', 900));
        log.Commit();
        Assert.Equal(new string('a', 900), log.Read(5, maxBytes: 1).Single().Body);
    }

    [Fact]
    public void The_largest_message_fits_a_page_whatever_the_page_s_size()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path, s => (s.MaxBodyBytes, s.PageBufferBytes, s.PageBytes, s.SegmentBytes, s.MemoryBytes) = (14_000, 4096, 16384, 65536, 1 << 18));
        var body = new string('x', 14_000);
        log.Send(5, body);
        log.Commit();
        Assert.Equal(body, log.Read(5).Single().Body);
        Assert.Throws<ArgumentException>(() => log.P.Append(
            new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = log.P.NextSequence(), Body = new byte[14_001] }, out _));
    }

    [Fact]
    public void Scattered_adjacent_and_page_crossing_records_come_back_alike()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path, s => s.PageBufferBytes = 64 * 1024);
        var random = new Random(11);
        var sent = new List<string>();
        for (var i = 0; i < 400; i++)
        {
            var body = $"{i}:" + new string('p', random.Next(0, 700));
            sent.Add(body);
            log.Send(5, body);
            for (var j = random.Next(0, 4); j > 0; j--) log.Send(6, new string('q', random.Next(0, 1000)));
        }

        log.Commit();
        Assert.True(folder.Segments.Length > 3);
        Assert.Equal(sent, log.ReadAll(5).Select(m => m.Body));
        Assert.True(log.Log.Counters.RecordsRead >= 400);
    }

    [Fact]
    public void When_all_page_buffers_are_out_the_next_read_waits_for_a_release()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path, s => s.PageBuffers = 3);
        log.Send(5, "m");
        log.Commit();
        for (ulong token = 1; token <= 3; token++) Assert.True(log.P.TryBeginRead(5, 0, 1, 1000, token));
        Assert.False(log.P.TryBeginRead(5, 0, 1, 1000, 4));
        var pages = Enumerable.Range(1, 3).Select(_ => log.Take(log.P)).ToList();
        Assert.Equal([1ul, 2ul, 3ul], pages.Select(p => p.Token));
        Assert.False(log.P.TryBeginRead(5, 0, 1, 1000, 4));
        pages[1].Release();
        Assert.True(log.P.TryBeginRead(5, 0, 1, 1000, 5));
        Assert.Equal(5ul, log.Take(log.P).Token);
        Assert.True(pages[0].TryNext(out var record));
        Assert.Equal("m", Encoding.UTF8.GetString(record.Body));
    }

    [Fact]
    public void A_released_page_cannot_be_read_or_released_again()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        log.Send(5, "m");
        log.Commit();
        Assert.True(log.P.TryBeginRead(5, 0, 1, 1000, 0));
        var page = log.Take(log.P);
        page.Release();
        Assert.Throws<InvalidOperationException>(() => page.TryNext(out _));
        Assert.Throws<InvalidOperationException>(page.Release);
    }

    [Fact]
    public void Entries_acknowledged_while_their_page_is_read_are_still_on_it()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var sequence = log.Send(5, "m");
        log.Commit();
        Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, 0));
        log.Ack(5, sequence);
        var page = log.Take(log.P);
        Assert.Equal(1, page.Count);
        page.Release();
        Assert.Empty(log.Read(5));
    }

    [Fact]
    public void Every_partition_gets_its_pages_from_however_many_readers()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path, s => s.Partitions = 5);
        for (ulong mailbox = 1; mailbox <= 50; mailbox++) log.Send(mailbox, "for " + mailbox);
        log.Commit();
        for (ulong mailbox = 1; mailbox <= 50; mailbox++) Assert.Equal("for " + mailbox, log.Read(mailbox).Single().Body);
        Assert.Equal([0, 1, 2, 3, 4], log.PagesReady.Distinct().Order());
    }
}
