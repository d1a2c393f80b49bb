using FsCheck;
using FsCheck.Fluent;
using Gateway.Mailbox;
using Gateway.Mailbox.Index;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>The index against a dictionary of sorted lists, and against its memory bars.</summary>
public class IndexTests
{

    [Fact]
    public void The_index_does_what_a_dictionary_of_sorted_lists_does()
    {
        // Few mailboxes and many operations on each, so that chains grow, shrink and repack.
        var step = from mailbox in Gen.Choose(1, 6)
                   from kind in Gen.Frequency((6, Gen.Constant(0)), (1, Gen.Constant(1)), (3, Gen.Constant(2)), (1, Gen.Constant(3)), (1, Gen.Constant(4)))
                   from amount in Gen.Choose(1, 40)
                   from place in Gen.Choose(0, 1000)
                   select (mailbox, kind, amount, place);
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(60).WithEndSize(400),
            Prop.ForAll(Arb.From(step.ListOf()), steps => Agree(steps)));
    }

    [Fact]
    public void A_life_is_rounded_up_by_a_quarter_at_most_and_the_lives_people_name_not_at_all()
    {
        const uint Enqueued = 1_000_000;
        foreach (var days in new uint[] { 1, 2, 3, 7, 14, 30, 60, 90, 180, 365 })
            Assert.Equal(days * 24 * 3600, Life.SecondsOf(Life.StepFor(Enqueued, Enqueued + days * 24 * 3600)));
        for (uint seconds = 1; seconds < 3650 * 24 * 3600U; seconds += 1 + seconds / 100)
        {
            var step = Life.StepFor(Enqueued, Enqueued + seconds);
            Assert.InRange(step, Life.Endless + 1, Life.Expired - 1);
            Assert.InRange(Life.SecondsOf(step), seconds, Math.Max(seconds + 1, seconds * 5L / 4));
        }

        Assert.Equal(Life.Endless, Life.StepFor(Enqueued, 0));
        Assert.Equal(Life.Endless, Life.StepFor(Enqueued, uint.MaxValue));
        Assert.Equal(1u, Life.SecondsOf(Life.StepFor(Enqueued, Enqueued - 1))); // over before it began
    }

    [Fact]
    public void An_entry_keeps_what_it_is_when_it_expires_and_when_it_moves()
    {
        var entry = new IndexEntry(IndexEntry.MaxSequence, IndexEntry.MaxAddress, IndexEntry.MaxBytes, isReceipt: true, life: 100);
        foreach (var same in new[] { entry, entry.At(64), entry.Expired(), entry.Expired().At(64) })
            Assert.Equal((IndexEntry.MaxSequence, IndexEntry.MaxBytes, true), (same.Sequence, same.Bytes, same.IsReceipt));
        Assert.Equal((100, 100, Life.Expired, Life.Expired), (entry.Life, entry.At(64).Life, entry.Expired().Life, entry.Expired().At(64).Life));
        Assert.Equal(0UL, entry.Expired().Word1 >> 63);
    }

    [Fact]
    public void A_duplicate_is_told_and_changes_nothing_and_so_is_what_is_out_of_order()
    {
        using var index = new MailboxIndex(seed: 1);
        foreach (var sequence in new ulong[] { 10, 20, 30 }) Assert.Equal(AddResult.Added, index.Add(1, Entry(sequence)));
        Assert.Equal(AddResult.Duplicate, index.Add(1, Entry(20)));
        Assert.Equal(AddResult.Duplicate, index.Add(1, Entry(30)));
        Assert.Equal(AddResult.OutOfOrder, index.Add(1, Entry(25)));
        Assert.Equal(3, index.State(1).Entries);
    }

    [Fact]
    public void Live_bytes_are_those_of_what_is_pending()
    {
        using var index = new MailboxIndex(seed: 1);
        index.Add(1, new IndexEntry(1, 64, 100, false));
        index.Add(1, new IndexEntry(2, 1 << 16, 200, false));
        index.Add(2, new IndexEntry(3, (40 << 16) + 8, 300, true));
        Assert.Equal(600, index.LiveBytes);
        index.AckUpTo(1, 1);
        index.Remove(2, 3);
        Assert.Equal(200, index.LiveBytes);
    }

    [Theory]
    [InlineData(1, 200_000, 120)]
    [InlineData(2, 100_000, 120)]
    [InlineData(10, 20_000, 36)]
    [InlineData(100_000, 4, 20)]
    public void A_pending_entry_costs_at_most_its_bar(int aMailbox, int mailboxes, int barBytes)
    {
        using var index = Filled(mailboxes, aMailbox);
        var bytes = (double)index.MemoryBytes / ((double)mailboxes * aMailbox);
        Assert.True(bytes <= barBytes, $"{bytes:F1} bytes a pending entry at {aMailbox} a mailbox");
    }

    [Fact]
    public void The_bars_hold_at_any_number_of_mailboxes_and_not_only_just_before_a_table_grows()
    {
        using var index = new MailboxIndex(seed: 3);
        ulong sequence = 0;
        for (ulong mailbox = 1; mailbox <= 60_000; mailbox++)
        {
            for (var i = 0; i < 2; i++) index.Add(mailbox, Entry(++sequence));
            if (mailbox < 5000) continue;
            var bytes = index.MemoryBytes / (2.0 * mailbox);
            if (bytes > 120) Assert.Fail($"{bytes:F1} bytes a pending entry at {mailbox} mailboxes");
        }
    }

    [Fact]
    public void Mailboxes_that_were_emptied_cost_nothing()
    {
        using var index = new MailboxIndex(seed: 3);
        var empty = index.MemoryBytes;
        Fill(index, 100_000, 3);
        for (ulong mailbox = 1; mailbox <= 100_000; mailbox++) Assert.Equal(3, index.AckUpTo(mailbox, ulong.MaxValue >> 12).Messages);
        Assert.Equal(0, index.Mailboxes);

        // What remains is bookkeeping of the tables that once were, a few spare blocks, and no slot or chunk of any mailbox.
        Assert.True(index.MemoryBytes - empty < 400_000, $"{index.MemoryBytes - empty} bytes for 100,000 empty mailboxes");
    }

    [Fact]
    public void Chunks_are_used_again_after_churn()
    {
        using var index = new MailboxIndex(seed: 3);
        Fill(index, 1000, 50);
        var filled = index.MemoryBytes;
        ulong sequence = 1_000_000;
        for (var round = 0; round < 20; round++)
        {
            for (ulong mailbox = 1; mailbox <= 1000; mailbox++)
            {
                index.AckUpTo(mailbox, ulong.MaxValue >> 12);
                for (var i = 0; i < 50; i++) index.Add(mailbox, Entry(++sequence));
            }
        }

        index.CheckInvariant();
        Assert.True(index.MemoryBytes <= filled * 1.2, $"{filled} bytes grew to {index.MemoryBytes}");
    }

    [Fact]
    public void A_mailbox_that_was_drained_from_thousands_to_a_few_gives_its_chunks_back()
    {
        using var index = new MailboxIndex(seed: 3);
        ulong sequence = 0;
        for (ulong mailbox = 1; mailbox <= 500; mailbox++)
        {
            for (var i = 0; i < 2000; i++) index.Add(mailbox, Entry(++sequence));
            index.AckUpTo(mailbox, sequence - 2);
            Assert.Equal(2, index.State(mailbox).Entries);
        }

        var bytes = index.MemoryBytes / 1000.0;

        // Seven classes of chunks may each hold a part-filled block, and four are spare.
        Assert.True(bytes <= 120 + 11 * 65.536, $"{bytes:F1} bytes an entry");
    }

    private static MailboxIndex Filled(int mailboxes, int aMailbox)
    {
        var index = new MailboxIndex(seed: 2);
        Fill(index, mailboxes, aMailbox);
        return index;
    }

    private static void Fill(MailboxIndex index, int mailboxes, int aMailbox)
    {
        // Round robin, as a node sees it: chains of different mailboxes interleave.
        ulong sequence = 0;
        for (var i = 0; i < aMailbox; i++)
        {
            for (ulong mailbox = 1; mailbox <= (ulong)mailboxes; mailbox++) index.Add(mailbox, Entry(++sequence));
        }
    }

    private static IndexEntry Entry(ulong sequence) => new(sequence, (long)(sequence % 1000) * 64, 80, false);

    private static bool Agree(IEnumerable<(int Mailbox, int Kind, int Amount, int Place)> steps)
    {
        using var index = new MailboxIndex(seed: 7);
        var model = new SortedDictionary<ulong, List<IndexEntry>>();
        ulong sequence = 0;
        foreach (var (mailboxNumber, kind, amount, place) in steps)
        {
            var mailbox = (ulong)mailboxNumber;
            var list = model.TryGetValue(mailbox, out var found) ? found : model[mailbox] = [];
            switch (kind)
            {
                case 0 or 1:
                    for (var i = 0; i < amount; i++)
                    {
                        sequence += (ulong)place % 7 + 1;
                        var entry = new IndexEntry(sequence, (long)sequence * 4, 4 * (i + 1), kind == 1);
                        Assert.Equal(AddResult.Added, index.Add(mailbox, entry));
                        list.Add(entry);
                    }

                    break;
                case 2:
                    var upTo = list.Count == 0 ? 5ul : list[(int)((long)place * (list.Count - 1) / 1000)].Sequence + (ulong)(amount % 3) - 1;
                    var acked = list.TakeWhile(e => e.Sequence <= upTo).ToList();
                    Assert.Equal(new RemovedEntries(acked.Count(e => !e.IsReceipt), acked.Count(e => e.IsReceipt), acked.Sum(e => (long)e.Bytes)), index.AckUpTo(mailbox, upTo));
                    list.RemoveRange(0, acked.Count);
                    break;
                case 3:
                    if (list.Count == 0) break;
                    var at = (int)((long)place * (list.Count - 1) / 1000);
                    Assert.True(index.Contains(mailbox, list[at].Sequence));
                    Assert.Equal(list[at].Bytes, index.Remove(mailbox, list[at].Sequence).Bytes);
                    Assert.False(index.Contains(mailbox, list[at].Sequence));
                    Assert.Equal(default, index.Remove(mailbox, list[at].Sequence));
                    list.RemoveAt(at);
                    break;
                case 4:
                    var after = list.Count == 0 ? 0 : list[(int)((long)place * (list.Count - 1) / 1000)].Sequence;
                    var committed = (long)sequence * 4 - place;
                    var into = new IndexEntry[amount];
                    var taken = index.Collect(mailbox, after, committed, maxBytes: amount * 30, maxFirstBytes: 10_000, into);
                    Assert.Equal(Page(list, after, committed, amount * 30, amount), into[..taken]);
                    break;
            }

            var state = index.State(mailbox);
            Assert.Equal(
                new MailboxState(list.Count, list.Sum(e => (long)e.Bytes), list.Count == 0 ? 0 : list[0].Sequence, list.Count == 0 ? 0 : list[^1].Sequence), state);
        }

        index.CheckInvariant();
        var all = model.Values.SelectMany(l => l).ToList();
        Assert.Equal(
            new PendingCount(all.Count(e => !e.IsReceipt), all.Count(e => e.IsReceipt), all.Sum(e => (long)e.Bytes), model.Values.Count(l => l.Count > 0)), index.CountPending());
        return true;
    }

    private static List<IndexEntry> Page(List<IndexEntry> list, ulong after, long committed, int maxBytes, int maxEntries)
    {
        var page = new List<IndexEntry>();
        foreach (var entry in list.Where(e => e.Sequence > after))
        {
            if (page.Count == maxEntries || entry.Address + entry.Bytes > committed) break;
            if (page.Count > 0 && page.Sum(e => e.Bytes) + entry.Bytes > maxBytes) break;
            page.Add(entry);
        }

        return page;
    }
}
