using System.Diagnostics.CodeAnalysis;
using Gateway.Messaging;
using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Simulation;

/// <summary>One home's part of a <see cref="MemoryLogStore"/>.</summary>
public sealed class MemoryLog : IHomeLog
{
    private readonly MemoryLogStore _store;
    private readonly int _homes;
    private readonly int _home;
    private readonly MemoryMailboxes _mailboxes = new();
    private readonly List<MemoryLogPage> _asked = [];
    private readonly Queue<MemoryLogPage> _arrived = new();
    private readonly Stack<MemoryLogPage> _idle = new();
    private int _listed;

    internal MemoryLog(MemoryLogStore store, int homes, int home, ulong floor)
    {
        _store = store;
        _homes = homes;
        _home = home;
        Floor = floor;
    }

    public ulong Floor { get; private set; }

    public uint SteadySeconds => _store.SteadySeconds;

    public long CommittedThrough => _store.CommittedThrough + _store.ClaimsAhead;

    public LogOutcome Outcome => _store.Outcome;

    public LedgerTotals Messages => _mailboxes.Messages;
    public LedgerTotals Receipts => _mailboxes.Receipts;

    /// <summary>Pages asked for and not yet arrived.</summary>
    public int ReadsUnderWay => _asked.Count;

    /// <summary>Pages ever asked for.</summary>
    public long ReadsBegun { get; private set; }

    /// <summary>Pages asked for, arrived or taken, and not given back.</summary>
    public int PagesOut { get; private set; }

    /// <summary>The position of the first record whose batch is not submitted; 0 when there is none.</summary>
    internal long FirstStaged { get; private set; }

    public ulong NextSequence()
    {
        var next = _store.SequenceAfter(Floor);
        if (next != 0) Floor = next;
        return next;
    }

    public LogStatus Append(in LogRecord record, out long position)
    {
        if (HomeMap.HomeOf(record.Mailbox, _homes) != _home)
            throw new InvalidOperationException($"Mailbox {record.Mailbox:x} is no business of home {_home}.");
        if (record.Type is LogRecordType.Message or LogRecordType.Receipt && record.Sequence > Floor)
            throw new InvalidOperationException($"Sequence {record.Sequence} was never issued; the floor is {Floor}.");

        position = 0;
        var status = _store.AdmissionOf(record.Type);
        if (status != LogStatus.Appended) return status;
        var stored = new StoredRecord(in record);
        position = _store.Add(stored);
        if (FirstStaged == 0) FirstStaged = position;
        _mailboxes.Apply(stored, position);
        return LogStatus.Appended;
    }

    public void Submit()
    {
        FirstStaged = 0;
        if (_store.CommitsOnSubmit) _store.CommitAll();
    }

    public long PendingBytes => _mailboxes.PendingBytes;

    public MailboxState State(ulong mailbox) => _mailboxes.State(mailbox);

    public bool IsEmpty => _mailboxes.IsEmpty;

    public bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token) =>
        TryBeginRead(mailbox, afterSequence, maxEntries, maxBytes, token, expired: false);

    public int ListMailboxes(Span<ulong> into, out bool ended)
    {
        var found = 0;
        foreach (var mailbox in _mailboxes.Numbers.Skip(_listed).Take(into.Length)) into[found++] = mailbox;
        ended = found < into.Length;
        _listed = ended ? 0 : _listed + found;
        return found;
    }

    public bool TryBeginExpiredRead(ulong mailbox, int maxEntries, int maxBytes, ulong token) =>
        TryBeginRead(mailbox, 0, maxEntries, maxBytes, token, expired: true);

    /// <summary>A sweep is one call, but for what finds no room: that is found by the next.</summary>
    public int FindOverdue(uint nowSeconds, long through, int most, Span<OverdueEntry> into, out bool ended)
    {
        ended = true;
        var found = 0;
        foreach (var mailbox in _mailboxes.Numbers)
        {
            foreach (var entry in _mailboxes.Pending(mailbox))
            {
                if (found < into.Length && entry.Position <= through && entry.IsOver(nowSeconds)) into[found++] = (mailbox, entry.Sequence, entry.HasExpired);
            }
        }

        return found;
    }

    private bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token, bool expired)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxEntries, 1);
        if (PagesOut >= _store.PagesPerHome) return false;
        PagesOut++;
        ReadsBegun++;
        if (!_idle.TryPop(out var page)) page = new MemoryLogPage(this);
        page.Begin(token);
        // Like the node's engine: what the page will hold is settled now, by the index; only the bodies come later.
        var bytes = 0L;
        foreach (var entry in _mailboxes.Pending(mailbox))
        {
            if (entry.Sequence <= afterSequence || entry.HasExpired != expired) continue;
            if (entry.Position > _store.CommittedThrough || page.Count == maxEntries) break;
            bytes += entry.BodyBytes;
            if (page.Count != 0 && bytes > maxBytes) break;
            page.Add(_store[entry.Position]);
        }

        _asked.Add(page);
        return true;
    }

    public bool TryTakePage([NotNullWhen(true)] out ILogPage? page)
    {
        if (_store.ReadsAtOnce) CompleteReads();
        var any = _arrived.TryDequeue(out var arrived);
        page = arrived;
        return any;
    }

    public void CompleteReads()
    {
        while (_asked.Count != 0) CompleteRead(0);
    }

    /// <summary>Lets one page arrive, of those asked for: reads may overtake each other.</summary>
    public void CompleteRead(int index)
    {
        _arrived.Enqueue(_asked[index]);
        _asked.RemoveAt(index);
    }

    internal void Recover(StoredRecord record, long position) => _mailboxes.Apply(record, position);

    internal void GiveBack(MemoryLogPage page)
    {
        PagesOut--;
        _idle.Push(page);
    }
}
