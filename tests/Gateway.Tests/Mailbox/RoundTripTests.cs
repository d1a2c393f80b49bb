using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>What goes in comes out, before and after a restart.</summary>
public class RoundTripTests
{
    [Fact]
    public void A_committed_message_is_read_back_with_every_field()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var sequence = log.P.NextSequence();
        log.Append(new MailboxRecord
        {
            Type = RecordType.Message,
            Mailbox = 5,
            Sequence = sequence,
            Previous = 4,
            Sender = 6,
            Incarnation = 7,
            Number = 8,
            Low = 3,
            EnqueuedAt = 9,
            ExpiresAt = 10,
            Flags = 0xA5,
            Body = "hello"u8,
        });
        log.Commit();

        Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, token: 42));
        var page = log.Take(log.P);
        Assert.Equal((42ul, 5ul, 1), (page.Token, page.Mailbox, page.Count));
        Assert.True(page.TryNext(out var record));
        Assert.Equal(RecordType.Message, record.Type);
        Assert.Equal((5ul, sequence, 4ul, 6ul), (record.Mailbox, record.Sequence, record.Previous, record.Sender));
        Assert.Equal((7u, 8ul, 3ul, 9u, 10u), (record.Incarnation, record.Number, record.Low, record.EnqueuedAt, record.ExpiresAt));
        Assert.Equal(0xA5, record.Flags);
        Assert.Equal("hello"u8, record.Body);
        Assert.False(page.TryNext(out _));
        page.Release();
        Assert.Equal([0], log.PagesReady);
    }

    [Fact]
    public void A_receipt_is_read_back_with_its_kind_and_reason()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var sequence = log.P.NextSequence();
        log.Append(new MailboxRecord { Type = RecordType.Receipt, Mailbox = 5, Sequence = sequence, Sender = 6, Kind = 3, Reason = 0xBEEF, Body = new byte[16] });
        log.Commit();

        Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, token: 1));
        var page = log.Take(log.P);
        Assert.True(page.TryNext(out var record));
        Assert.Equal((RecordType.Receipt, (byte)3, (ushort)0xBEEF, 16), (record.Type, record.Kind, record.Reason, record.Body.Length));
        page.Release();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_pending_survives_a_restart_in_order(bool closed)
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        var log = new MailboxHarness(folder.Path, time: time);
        var sent = new List<(ulong, ulong, string)>();
        ulong previous = 0;
        for (var i = 0; i < 300; i++)
        {
            var body = $"message {i} " + new string('x', i % 200);
            var sequence = log.Send(5, body);
            sent.Add((sequence, previous, body));
            previous = sequence;
            log.Send(1000 + (ulong)i, "other");
            if (i % 50 == 0) log.Commit();
        }

        log.Commit();
        Assert.Equal(sent[..20], log.Read(5, maxEntries: 20));

        using var copy = folder.Copy();
        log.Dispose();
        using var again = new MailboxHarness(closed ? folder.Path : copy.Path, time: time);
        Assert.Equal(sent, again.ReadAll(5));
        Assert.Equal((600, 0), (again.P.Ledger.Messages.Accepted, again.P.Ledger.Messages.Delivered));
        Assert.Equal(600, again.P.CountPending().Messages);
        var (messages, _, mailboxes) = again.P.CountPending();
        Assert.Equal((600, 301), (messages, mailboxes));
    }

    [Fact]
    public void Appending_goes_on_after_each_of_many_restarts_and_nothing_is_overwritten()
    {
        // Trap 3: a tail page that was not loaded would be flushed back as zeros.
        using var folder = new DataFolder();
        var time = new ManualTime();
        var sent = new List<ulong>();
        for (var run = 0; run < 40; run++)
        {
            using var log = new MailboxHarness(folder.Path, time: time);
            Assert.Equal(sent.Count, log.P.State(5).Entries);
            sent.Add(log.Send(5, "run " + run + new string('y', 17 * run)));
            log.Commit();
            Assert.Equal(sent, log.ReadAll(5).Select(r => r.Sequence));
        }
    }

    [Fact]
    public void Windows_origins_and_devices_are_told_in_log_order()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            log.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 77, Incarnation = 2, Low = 10, Number = 0b101, EnqueuedAt = 33 });
            log.Send(5, "a"u8, incarnation: 2, number: 11);
            log.Append(new MailboxRecord { Type = RecordType.Device, Mailbox = 77, Incarnation = 4 });
            log.Send(5, "b"u8);
            log.Send(5, "c"u8, incarnation: 2, number: 12);
            log.Commit();
        }

        using var again = new MailboxHarness(folder.Path);
        Assert.Equal(["window 77 2 10 5 33", "origin 77 2 11 1", "device 77 4", "origin 77 2 12 1"], again.Observer.Events);
    }
}
