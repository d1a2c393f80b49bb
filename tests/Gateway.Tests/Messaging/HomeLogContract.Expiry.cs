using Gateway.Messaging;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Entries that have outlived their life.</summary>
public abstract partial class HomeLogContract
{
    [Fact]
    public void An_entry_is_overdue_when_its_life_is_over_and_not_before()
    {
        using var bed = CreateBed();
        var brief = Message(bed, Ben) with { EnqueuedAt = 1000, ExpiresAt = 1060 };
        Append(bed, brief);
        Append(bed, Message(bed, Ben));
        var longer = Message(bed, Cleo) with { EnqueuedAt = 1000, ExpiresAt = 1000 + 24 * 3600 };
        Append(bed, longer);
        Commit(bed);

        var born = (uint)(brief.Sequence / 1_000_000);
        Assert.Empty(Overdue(bed, born + 60));
        Assert.Equal([(Ben, brief.Sequence, false)], Overdue(bed, born + 62));
        Assert.Equal([(Ben, brief.Sequence, false), (Cleo, longer.Sequence, false)], Overdue(bed, born + 24 * 3600 + 2).Order());
        Assert.Empty(Overdue(bed, 0));
        Assert.Empty(Overdue(bed, born + 62, through: 0));
    }

    [Fact]
    public void An_expired_entry_is_neither_read_nor_acknowledged_and_is_there_until_it_is_removed()
    {
        using var bed = CreateBed();
        var entries = Enumerable.Range(0, 5).Select(i => AppendMessage(bed, Ben, $"{i}")).ToList();
        Commit(bed);
        Append(bed, new Entry(LogRecordType.Expire, Ben, entries[0].Sequence));
        Append(bed, new Entry(LogRecordType.Expire, Ben, entries[2].Sequence));
        Commit(bed);
        Assert.Equal([entries[1], entries[3], entries[4]], Read(bed, Ben));
        Assert.Equal([entries[0], entries[2]], ReadExpired(bed, Ben));
        Assert.Contains((Ben, entries[0].Sequence, true), Overdue(bed, 0));

        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, entries[3].Sequence));
        Holds(bed.Log.State(Ben), entries: 3, bodyBytes: 3, first: entries[0].Sequence, last: entries[4].Sequence);
        Commit(bed);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal([entries[4]], Read(bed, Ben));
            Assert.Equal([entries[0], entries[2]], ReadExpired(bed, Ben));
            Assert.Equal(new LedgerTotals(5, 2, 3, 0, 0, 0, 0), bed.Messages);
            bed.Reopen(new Recovered());
        }

        Append(bed, new Entry(LogRecordType.Remove, Ben, entries[0].Sequence) { Kind = (byte)RemoveReason.Expired });
        Append(bed, new Entry(LogRecordType.Remove, Ben, entries[2].Sequence) { Kind = (byte)RemoveReason.Expired });
        Commit(bed);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(new LedgerTotals(5, 2, 1, 0, 2, 0, 0), bed.Messages);
            Assert.Equal([entries[4]], Read(bed, Ben));
            Assert.Empty(Overdue(bed, 0));
            bed.Reopen(new Recovered());
        }
    }

    [Fact]
    public void The_only_entry_of_a_mailbox_expires_like_any_other()
    {
        using var bed = CreateBed();
        var only = AppendMessage(bed, Ben, "only");
        Commit(bed);
        for (var i = 0; i < 2; i++) Append(bed, new Entry(LogRecordType.Expire, Ben, only.Sequence)); // the second says nothing new
        Append(bed, new Entry(LogRecordType.Expire, Ben, only.Sequence + 1)); // nor does one of what is not pending
        Append(bed, new Entry(LogRecordType.AckUpTo, Ben, only.Sequence));
        Commit(bed);
        Assert.Empty(Read(bed, Ben));
        Assert.Equal([only], ReadExpired(bed, Ben));
        Assert.Equal(1, bed.Messages.Pending);
    }

    private static List<(ulong Mailbox, ulong Sequence, bool IsRecorded)> Overdue(HomeLogBed bed, uint nowSeconds, long through = long.MaxValue)
    {
        var found = new List<(ulong, ulong, bool)>();
        var into = new (ulong, ulong, bool)[4];
        bool ended;
        do
        {
            var count = bed.Log.FindOverdue(nowSeconds, through, most: 2, into, out ended);
            found.AddRange(into[..count]);
        }
        while (!ended);

        return found;
    }

    private static List<Entry> ReadExpired(HomeLogBed bed, ulong mailbox)
    {
        Assert.True(bed.Log.TryBeginExpiredRead(mailbox, 100, 65_536, token: 1));
        var page = bed.TakePage();
        var entries = Entries(page);
        page.Release();
        return entries;
    }
}
