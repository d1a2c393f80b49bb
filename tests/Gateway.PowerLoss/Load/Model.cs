using Gateway.Mailbox;

namespace Gateway.PowerLoss.Load;

/// <summary>What replaying entries in order makes: mailboxes and the ledger, in the simplest way that can be written.</summary>
internal sealed class Model
{
    private readonly Dictionary<ulong, List<Entry>> _mailboxes = [];
    private readonly long[] _messages = new long[6];
    private readonly long[] _receipts = new long[6];

    public Model(IEnumerable<Entry> entries)
    {
        foreach (var entry in entries) Apply(entry);
    }

    public IEnumerable<ulong> Mailboxes => _mailboxes.Keys;

    public Ledger Ledger => new(Column(_messages), Column(_receipts));

    /// <summary>Sequences whose expiry is recorded: pending, but neither read nor acknowledged.</summary>
    private readonly HashSet<(ulong Mailbox, ulong Sequence)> _expired = [];

    public bool HasExpired(Entry entry) => _expired.Contains((entry.Mailbox, entry.Sequence));

    public IReadOnlyList<Entry> Pending(ulong mailbox) => _mailboxes.TryGetValue(mailbox, out var pending) ? pending : [];

    private void Apply(Entry entry)
    {
        switch (entry.Type)
        {
            case RecordType.Message or RecordType.Receipt:
                if (!_mailboxes.TryGetValue(entry.Mailbox, out var pending)) _mailboxes[entry.Mailbox] = pending = [];
                pending.Add(entry);
                Count(entry, 0);
                break;
            case RecordType.AckUpTo:
                Take(entry.Mailbox, e => e.Sequence <= entry.Sequence && !HasExpired(e), 1);
                break;
            case RecordType.Expire:
                _expired.Add((entry.Mailbox, entry.Sequence));
                break;
            case RecordType.Remove:
                Take(entry.Mailbox, e => e.Sequence == entry.Sequence, 1 + entry.Kind);
                break;
        }
    }

    private void Take(ulong mailbox, Predicate<Entry> which, int column)
    {
        if (!_mailboxes.TryGetValue(mailbox, out var pending)) return;
        foreach (var entry in pending.FindAll(which)) Count(entry, column);
        pending.RemoveAll(which);
    }

    private void Count(Entry entry, int column) => (entry.Type == RecordType.Receipt ? _receipts : _messages)[column]++;

    private static LedgerColumn Column(long[] counts) => new(counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]);
}
