using Gateway.Messaging;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>
/// What <see cref="Home"/> relies on in a log, whatever the engine: SEAMS.md, 3. An engine's tests derive from this class and say how a bed
/// is made; every engine passes the same tests.
/// </summary>
public abstract partial class HomeLogContract
{
    private const ulong Anna = 0x1000_0000_0000_0400;
    private const ulong Ben = 0x1000_0000_0000_0800;
    private const ulong Cleo = 0x1000_0000_0000_0C00;

    /// <summary>A bed with an empty log of one home, which owns every mailbox.</summary>
    protected abstract HomeLogBed CreateBed();

    [Fact]
    public void An_append_is_not_durable_until_it_was_submitted_and_committed()
    {
        using var bed = CreateBed();

        var position = Append(bed, Message(bed, Ben));
        Assert.True(bed.Log.CommittedThrough < position);

        bed.Log.Submit();
        bed.Commit();
        Assert.True(bed.Log.CommittedThrough >= position);
        Assert.Equal(LogOutcome.Committed, bed.Log.Outcome);
    }

    [Fact]
    public void Positions_rise_with_every_record_of_every_type()
    {
        using var bed = CreateBed();
        var last = 0L;
        for (var i = 0; i < 20; i++)
        {
            var message = Message(bed, Ben);
            Rises(Append(bed, message));
            Rises(Append(bed, Receipt(bed, Anna)));
            Rises(Append(bed, new Entry(LogRecordType.AckUpTo, Ben, message.Sequence)));
            // What removes nothing need not be written; its position is then the last one's.
            Assert.True(Append(bed, new Entry(LogRecordType.Remove, Ben, message.Sequence) { Kind = (byte)RemoveReason.Expired }) >= last);
            Rises(Append(bed, new Entry(LogRecordType.Window, Ben, 0) { Incarnation = 5, Low = 1, EnqueuedAt = 10 }));
            Rises(Append(bed, new Entry(LogRecordType.Device, Ben, 0) { Incarnation = 1 }));
        }

        void Rises(long position)
        {
            Assert.True(position > last);
            last = position;
        }
    }

    [Fact]
    public void Sequences_rise_and_the_floor_is_the_last_one()
    {
        using var bed = CreateBed();
        var last = bed.Log.Floor;
        for (var i = 0; i < 10_000; i++)
        {
            var next = bed.Log.NextSequence();
            Assert.True(next > last);
            Assert.Equal(next, bed.Log.Floor);
            last = next;
        }
    }

    [Fact]
    public void Sequences_are_about_microseconds_since_1970()
    {
        using var bed = CreateBed();
        var microsOf2020 = 1_577_836_800_000_000UL;
        Assert.InRange(bed.Log.NextSequence(), microsOf2020, 2 * microsOf2020);
    }

    [Fact]
    public void An_empty_mailbox_has_no_state()
    {
        using var bed = CreateBed();
        Assert.Equal(default, bed.Log.State(Ben));
    }

    [Fact]
    public void The_state_counts_what_was_appended_at_once_and_mailbox_by_mailbox()
    {
        using var bed = CreateBed();
        var first = Message(bed, Ben, "12345");
        var second = Receipt(bed, Ben);
        var other = Message(bed, Cleo, "x");
        Append(bed, first);
        Append(bed, second);
        Append(bed, other);

        Holds(bed.Log.State(Ben), entries: 2, bodyBytes: 5 + second.Body.Length, first: first.Sequence, last: second.Sequence);
        Holds(bed.Log.State(Cleo), entries: 1, bodyBytes: 1, first: other.Sequence, last: other.Sequence);
    }

    [Fact]
    public void A_page_holds_every_field_as_it_was_appended()
    {
        using var bed = CreateBed();
        var message = Message(bed, Ben, "body of the message") with
        {
            Previous = 17, Sender = Anna, Incarnation = 0xFEDC_BA98, Number = ulong.MaxValue / 3, Low = 99, EnqueuedAt = 1_800_000_000, ExpiresAt = 1_900_000_000,
        };
        var receipt = Receipt(bed, Ben) with { Previous = message.Sequence, Sender = Cleo, EnqueuedAt = 1_800_000_001, Kind = 3, Reason = 65_535 };
        Append(bed, message);
        Append(bed, receipt);
        Commit(bed);

        Assert.Equal([message, receipt], Read(bed, Ben));
    }

    [Fact]
    public void Bodies_of_every_size_come_back_intact()
    {
        using var bed = CreateBed();
        int[] sizes = [0, 1, 7, 8, 9, 255, 256, 4095, 4096, 65_535, 65_536];
        var expected = new List<Entry>();
        foreach (var size in sizes)
        {
            var entry = Message(bed, Ben) with { Body = new string((char)('a' + size % 26), size) };
            Append(bed, entry);
            expected.Add(entry);
        }

        Commit(bed);
        var found = new List<Entry>();
        while (Read(bed, Ben, after: found.Count == 0 ? 0 : found[^1].Sequence, maxBytes: 1 << 20) is { Count: > 0 } page) found.AddRange(page); // a page may be smaller than asked for
        Assert.Equal(expected, found);
    }

    [Fact]
    public void A_page_holds_nothing_that_is_not_committed()
    {
        using var bed = CreateBed();
        var first = Message(bed, Ben, "committed");
        Append(bed, first);
        Commit(bed);
        Append(bed, Message(bed, Ben, "not committed"));

        Assert.Equal([first], Read(bed, Ben));
    }

    [Fact]
    public void A_page_holds_what_comes_after_the_sequence_asked_for_in_order()
    {
        using var bed = CreateBed();
        var entries = Enumerable.Range(0, 10).Select(i => AppendMessage(bed, Ben, $"{i}")).ToList();
        AppendMessage(bed, Cleo, "not his");
        Commit(bed);

        Assert.Equal(entries, Read(bed, Ben));
        Assert.Equal(entries[4..], Read(bed, Ben, after: entries[3].Sequence));
        Assert.Equal(entries[4..], Read(bed, Ben, after: entries[4].Sequence - 1));
        Assert.Empty(Read(bed, Ben, after: entries[9].Sequence));
        Assert.Empty(Read(bed, Anna));
    }

    [Fact]
    public void A_page_keeps_to_its_limits_but_always_holds_one_entry()
    {
        using var bed = CreateBed();
        var entries = Enumerable.Range(0, 10).Select(i => AppendMessage(bed, Ben, new string((char)('0' + i), 1000))).ToList();
        Commit(bed);

        Assert.Equal(entries[..3], Read(bed, Ben, maxEntries: 3));
        Assert.Equal(entries[..1], Read(bed, Ben, maxBytes: 10));
        var some = Read(bed, Ben, maxBytes: 3500);
        Assert.InRange(some.Count, 1, 4);
        Assert.Equal(entries[..some.Count], some);
    }

    [Fact]
    public void Every_read_is_answered_by_a_page_with_its_token()
    {
        using var bed = CreateBed();
        AppendMessage(bed, Ben, "b");
        AppendMessage(bed, Cleo, "c");
        Commit(bed);
        Assert.True(bed.Log.TryBeginRead(Ben, 0, 10, 1000, token: 0xFFFF_FFFF_0000_0001));
        Assert.True(bed.Log.TryBeginRead(Cleo, 0, 10, 1000, token: 2));
        Assert.True(bed.Log.TryBeginRead(Anna, 0, 10, 1000, token: 3));

        var bodies = new Dictionary<ulong, string>();
        for (var i = 0; i < 3; i++)
        {
            var page = bed.TakePage();
            bodies.Add(page.Token, string.Concat(Entries(page).Select(e => e.Body)));
            page.Release();
        }

        Assert.Equal(new Dictionary<ulong, string> { [0xFFFF_FFFF_0000_0001] = "b", [2] = "c", [3] = "" }, bodies);
    }

    [Fact]
    public void When_every_page_is_out_a_read_is_refused_until_one_comes_back()
    {
        using var bed = CreateBed();
        AppendMessage(bed, Ben, "b");
        Commit(bed);
        var asked = 0;
        while (bed.Log.TryBeginRead(Ben, 0, 1, 1000, token: 1)) Assert.True(++asked < 100_000, "pages are not bounded");
        Assert.True(asked > 0);

        var page = bed.TakePage();
        Assert.False(bed.Log.TryBeginRead(Ben, 0, 1, 1000, token: 1));
        page.Release();
        Assert.True(bed.Log.TryBeginRead(Ben, 0, 1, 1000, token: 1));
        for (; asked > 0; asked--) bed.TakePage().Release();
    }

    [Fact]
    public void An_acknowledgement_takes_everything_up_to_it_and_a_second_one_takes_nothing_more()
    {
        using var bed = CreateBed();
        var entries = Enumerable.Range(0, 5).Select(i => AppendMessage(bed, Ben, $"{i}")).ToList();
        var other = AppendMessage(bed, Cleo, "other");
        Commit(bed);

        for (var i = 0; i < 2; i++)
        {
            Append(bed, new Entry(LogRecordType.AckUpTo, Ben, entries[2].Sequence));
            Holds(bed.Log.State(Ben), entries: 2, bodyBytes: 2, first: entries[3].Sequence, last: entries[4].Sequence);
        }

        Commit(bed);
        Assert.Equal(entries[3..], Read(bed, Ben));
        Assert.Equal([other], Read(bed, Cleo));
        Assert.Equal(new LedgerTotals(6, 3, 3, 0, 0, 0, 0), bed.Messages);
    }

    [Fact]
    public void An_acknowledgement_between_two_sequences_takes_the_lower()
    {
        using var bed = CreateBed();
        var first = AppendMessage(bed, Ben, "1");
        bed.Log.NextSequence();
        var second = AppendMessage(bed, Ben, "2");
        Commit(bed);

        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, second.Sequence - 1));
        Assert.NotEqual(first.Sequence, second.Sequence - 1);
        Holds(bed.Log.State(Ben), entries: 1, bodyBytes: 1, first: second.Sequence, last: second.Sequence);
    }

    [Fact]
    public void An_acknowledged_mailbox_is_empty_and_takes_entries_again()
    {
        using var bed = CreateBed();
        var first = AppendMessage(bed, Ben, "first");
        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, first.Sequence));
        Assert.Equal(default, bed.Log.State(Ben));

        var second = AppendMessage(bed, Ben, "second");
        Commit(bed);
        Assert.Equal([second], Read(bed, Ben));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(4)]
    public void A_removal_takes_one_entry_wherever_it_lies_and_only_once(int index)
    {
        using var bed = CreateBed();
        var entries = Enumerable.Range(0, 5).Select(i => AppendMessage(bed, Ben, $"{i}")).ToList();
        Commit(bed);

        for (var i = 0; i < 2; i++) Append(bed, new Entry(LogRecordType.Remove, Ben, entries[index].Sequence) { Kind = (byte)RemoveReason.Rejected });
        Commit(bed);

        entries.RemoveAt(index);
        Assert.Equal(entries, Read(bed, Ben));
        Holds(bed.Log.State(Ben), entries: 4, bodyBytes: 4, first: entries[0].Sequence, last: entries[3].Sequence);
        Assert.Equal(new LedgerTotals(5, 0, 4, 1, 0, 0, 0), bed.Messages);
    }

    [Fact]
    public void The_ledger_tells_messages_from_receipts_and_one_removal_from_another()
    {
        using var bed = CreateBed();
        foreach (var reason in new[] { RemoveReason.Rejected, RemoveReason.Expired, RemoveReason.Discarded, RemoveReason.Lost })
        {
            var message = AppendMessage(bed, Ben, "m");
            var receipt = Receipt(bed, Cleo);
            Append(bed, receipt);
            Append(bed, new Entry(LogRecordType.Remove, Ben, message.Sequence) { Kind = (byte)reason });
            Append(bed, new Entry(LogRecordType.Remove, Cleo, receipt.Sequence) { Kind = (byte)reason });
        }

        var last = AppendMessage(bed, Ben, "delivered");
        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, last.Sequence));
        Append(bed, Receipt(bed, Cleo));
        Commit(bed);

        Assert.Equal(new LedgerTotals(5, 1, 0, 1, 1, 1, 1), bed.Messages);
        Assert.Equal(new LedgerTotals(5, 0, 1, 1, 1, 1, 1), bed.Receipts);
    }

    [Fact]
    public void An_acknowledgement_removes_only_what_lies_before_it()
    {
        using var bed = CreateBed();
        var first = AppendMessage(bed, Ben, "before");
        var later = Message(bed, Ben, "after");
        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, later.Sequence));
        Append(bed, later);
        Commit(bed);
        Assert.Equal([later], Read(bed, Ben));

        bed.Reopen(new Recovered());
        Assert.Equal([later], Read(bed, Ben));
        Assert.True(first.Sequence < later.Sequence);
    }

    [Fact]
    public void Reopening_finds_the_same_pending_entries_and_the_same_ledger()
    {
        using var bed = CreateBed();
        var ben = Enumerable.Range(0, 6).Select(i => AppendMessage(bed, Ben, $"{i}")).ToList();
        var cleo = AppendMessage(bed, Cleo, "for Cleo");
        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, ben[1].Sequence));
        Append(bed, new Entry(LogRecordType.Remove, Ben, ben[3].Sequence) { Kind = (byte)RemoveReason.Expired });
        Commit(bed);
        var ledger = bed.Messages;

        for (var i = 0; i < 2; i++)
        {
            bed.Reopen(new Recovered());
            Assert.Equal([ben[2], ben[4], ben[5]], Read(bed, Ben));
            Assert.Equal([cleo], Read(bed, Cleo));
            Holds(bed.Log.State(Ben), entries: 3, bodyBytes: 3, first: ben[2].Sequence, last: ben[5].Sequence);
            Assert.Equal(ledger, bed.Messages);
            Assert.True(bed.Messages.Balances);
        }
    }

    [Fact]
    public void Reopening_streams_windows_devices_and_the_origins_of_messages_and_sent_receipts()
    {
        using var bed = CreateBed();
        Append(bed, new Entry(LogRecordType.Window, Anna, 0) { Incarnation = 7, Low = 1, EnqueuedAt = 1_800_000_000 });
        Append(bed, new Entry(LogRecordType.Window, Ben, 0) { Incarnation = 8, Low = 40, Number = 0b1011, EnqueuedAt = 1_800_000_001 });
        Append(bed, Message(bed, Ben) with { Sender = Anna, Incarnation = 7, Number = 1, Low = 1 });
        Append(bed, Receipt(bed, Ben) with { Sender = Anna, Incarnation = 7, Number = 2, Low = 1 });
        Append(bed, Receipt(bed, Anna) with { Sender = Ben });
        var acknowledged = Message(bed, Cleo) with { Sender = Anna, Incarnation = 7, Number = 3, Low = 2 };
        Append(bed, acknowledged);
        Append(bed, new Entry(LogRecordType.AckUpTo, Cleo, acknowledged.Sequence));
        Append(bed, new Entry(LogRecordType.Device, Cleo, 0) { Incarnation = 3 });
        Commit(bed);

        for (var i = 0; i < 2; i++)
        {
            var recovered = new Recovered();
            bed.Reopen(recovered);
            Assert.Contains((Anna, 7u, 1UL, 0UL, 1_800_000_000u), recovered.Windows);
            Assert.Contains((Ben, 8u, 40UL, 0b1011UL, 1_800_000_001u), recovered.Windows);
            Assert.Equal([(Anna, 7u, 1UL, 1UL), (Anna, 7u, 2UL, 1UL), (Anna, 7u, 3UL, 2UL)], recovered.Origins);
            Assert.Equal((Cleo, 3u), recovered.Devices.Last(d => d.Device == Cleo));
        }
    }

    [Fact]
    public void No_sequence_is_issued_twice_not_even_by_another_run_that_lost_the_entries()
    {
        using var bed = CreateBed();
        var highest = 0UL;
        for (var run = 0; run < 4; run++)
        {
            Assert.True(bed.Log.Floor >= highest, "the floor fell");
            for (var i = 0; i < 5000; i++)
            {
                var next = bed.Log.NextSequence();
                Assert.True(next > highest);
                highest = next;
            }

            if (run % 2 == 0) bed.Crash(new Recovered());
            else bed.Reopen(new Recovered());
        }
    }

    [Fact]
    public void A_crash_loses_nothing_that_was_committed()
    {
        using var bed = CreateBed();
        var kept = Enumerable.Range(0, 100).Select(i => AppendMessage(bed, Ben, $"kept {i}")).ToList();
        Commit(bed);
        var doubtful = AppendMessage(bed, Ben, "appended and not committed");

        bed.Crash(new Recovered());
        var found = Read(bed, Ben, maxEntries: 1000, maxBytes: 1 << 20);
        Assert.Equal(kept, found.Take(100));
        Assert.True(found.Count == 100 || found.Skip(100).SequenceEqual([doubtful]), "it found what was never appended");
        Assert.Equal(found.Count, bed.Messages.Accepted);
    }

    [Fact]
    public void What_another_run_appends_comes_after_what_it_found()
    {
        using var bed = CreateBed();
        var before = AppendMessage(bed, Ben, "before");
        Commit(bed);
        bed.Reopen(new Recovered());
        var after = AppendMessage(bed, Ben, "after");
        Commit(bed);
        Assert.Equal([before, after], Read(bed, Ben));
        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, before.Sequence));
        Commit(bed);
        bed.Reopen(new Recovered());
        Assert.Equal([after], Read(bed, Ben));
    }

    /// <summary>Bytes are the engine's own measure, bodies included.</summary>
    private static void Holds(MailboxState state, long entries, long bodyBytes, ulong first, ulong last)
    {
        Assert.Equal((entries, first, last), (state.Entries, state.First, state.Last));
        Assert.True(state.Bytes >= bodyBytes, $"{state.Bytes} bytes for bodies of {bodyBytes}");
    }

    /// <summary>A record that compares by value; the body one character a byte.</summary>
    private protected sealed record Entry(LogRecordType Type, ulong Mailbox, ulong Sequence)
    {
        public ulong Previous { get; init; }
        public ulong Sender { get; init; }
        public uint Incarnation { get; init; }
        public ulong Number { get; init; }
        public ulong Low { get; init; }
        public uint EnqueuedAt { get; init; }
        public uint ExpiresAt { get; init; }
        public byte Kind { get; init; }
        public ushort Reason { get; init; }
        public string Body { get; init; } = "";
    }

    private static Entry Message(HomeLogBed bed, ulong mailbox, string body = "hello") =>
        new(LogRecordType.Message, mailbox, bed.Log.NextSequence()) { Sender = Anna, Incarnation = 1, Number = 1, Low = 1, Body = body };

    private static Entry Receipt(HomeLogBed bed, ulong mailbox) =>
        new(LogRecordType.Receipt, mailbox, bed.Log.NextSequence()) { Sender = Anna, Kind = 1, Body = new string('\u0001', 16) };

    private static Entry AppendMessage(HomeLogBed bed, ulong mailbox, string body)
    {
        var entry = Message(bed, mailbox, body);
        Append(bed, entry);
        return entry;
    }

    private static long Append(HomeLogBed bed, Entry entry)
    {
        var record = new LogRecord
        {
            Type = entry.Type, Mailbox = entry.Mailbox, Sequence = entry.Sequence, Previous = entry.Previous, Sender = entry.Sender,
            Incarnation = entry.Incarnation, Number = entry.Number, Low = entry.Low, EnqueuedAt = entry.EnqueuedAt, ExpiresAt = entry.ExpiresAt,
            Kind = entry.Kind, Reason = entry.Reason, Body = System.Text.Encoding.Latin1.GetBytes(entry.Body),
        };
        Assert.Equal(LogStatus.Appended, bed.Log.Append(in record, out var position));
        return position;
    }

    private static void Commit(HomeLogBed bed)
    {
        bed.Log.Submit();
        bed.Commit();
    }

    private static List<Entry> Read(HomeLogBed bed, ulong mailbox, ulong after = 0, int maxEntries = 100, int maxBytes = 65_536)
    {
        Assert.True(bed.Log.TryBeginRead(mailbox, after, maxEntries, maxBytes, token: 1));
        var page = bed.TakePage();
        var entries = Entries(page);
        page.Release();
        return entries;
    }

    private static List<Entry> Entries(ILogPage page)
    {
        var entries = new List<Entry>();
        while (page.TryNext(out var r))
        {
            entries.Add(new Entry(r.Type, r.Mailbox, r.Sequence)
            {
                Previous = r.Previous, Sender = r.Sender, Incarnation = r.Incarnation, Number = r.Number, Low = r.Low, EnqueuedAt = r.EnqueuedAt,
                ExpiresAt = r.ExpiresAt, Kind = r.Kind, Reason = r.Reason, Body = System.Text.Encoding.Latin1.GetString(r.Body),
            });
        }

        return entries;
    }
}
