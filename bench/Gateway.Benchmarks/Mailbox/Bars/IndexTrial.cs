using Gateway.Benchmarks.Reports;
using Gateway.Mailbox.Index;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Native memory of the index by how much a mailbox holds. Deterministic.</summary>
internal sealed class IndexTrial : Trial
{
    private static readonly (int AMailbox, int Mailboxes)[] Shapes = [(100_000, 40), (10, 400_000), (2, 1_000_000)];

    private MailboxSettings _settings = null!;

    public override string Name => "index";

    public override string What =>
        "`MailboxIndex` filled round by round, so that every mailbox grows as mailboxes do; its native memory, in use or not, by entries. Then everything is " +
        "acknowledged: what is left, by mailboxes that were.";

    public override int MostRounds => 1;

    public override void Prepare(string folder, MailboxSettings settings) => _settings = settings;

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        foreach (var (aMailbox, full) in Shapes)
        {
            using var index = new MailboxIndex(LogUnderTest.Identity);
            var empty = index.MemoryBytes;
            var mailboxes = _settings.Sized(full, 4);
            var (sequence, address) = (1UL, 64L);
            for (var n = 0; n < aMailbox; n++)
            {
                for (var mailbox = 1UL; mailbox <= (ulong)mailboxes; mailbox++, address += 276) index.Add(mailbox, new IndexEntry(sequence++, address, 276, isReceipt: false));
            }

            into.Add($"bytes_per_entry_at_{aMailbox}", (double)index.MemoryBytes / ((double)aMailbox * mailboxes));
            for (var mailbox = 1UL; mailbox <= (ulong)mailboxes; mailbox++) index.AckUpTo(mailbox, IndexEntry.MaxSequence);
            if (index.Mailboxes != 0) throw new MeasuringException($"{index.Mailboxes} mailboxes are left of those that were emptied");
            // Of the shape with most mailboxes: it says most about one.
            if (aMailbox == 2) into.Add("bytes_per_emptied_mailbox", (double)(index.MemoryBytes - empty) / mailboxes);
        }
    }
}
