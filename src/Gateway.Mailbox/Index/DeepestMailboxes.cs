using Gateway.Mailbox.Queues;

namespace Gateway.Mailbox.Index;

/// <summary>
/// The mailboxes that hold most of one partition, by exact depth: depths are known where they change, so nothing is estimated but who is missing.
/// Kept of those that hold <see cref="Least"/> entries and more; a mailbox below costs nothing. Written by the index's thread, read by any without a lock.
/// <para>Invariant: each depth kept is its mailbox's own, and no mailbox that is not kept holds more than <c>missed</c>: the highest floor since the
/// totals last showed that everybody above it is kept.</para>
/// </summary>
internal sealed class DeepestMailboxes
{
    /// <summary>The first decade's end: what holds less than this is nobody's trouble.</summary>
    public const int Least = 10;

    public const int Places = 32;

    private readonly ulong[] _mailboxes = new ulong[Places];
    private readonly long[] _depths = new long[Places];
    private int _used;
    private long _floor = Least;
    private long _missed = Least - 1;

    /// <summary>Of who has which place; a depth alone is one word and changes at any time.</summary>
    private SequenceLock _changes;

    /// <summary>Owner: a mailbox that held so many entries holds so many now.</summary>
    public void Resize(ulong mailbox, long before, long after)
    {
        // Whoever is kept holds at least the floor, so this one is not and need not be.
        if (before < _floor && after < _floor) return;
        var place = _mailboxes.AsSpan(0, _used).IndexOf(mailbox);
        if (place >= 0)
        {
            if (after < Least) Forget(place);
            else Volatile.Write(ref _depths[place], after);
            // The floor may be too low until somebody comes in, never too high.
            if (after < _floor) _floor = Math.Max(Least, after);
            return;
        }

        if (after < Least) return;
        if (_used < Places) Take(_used, mailbox, after);
        else Displace(mailbox, after);
    }

    /// <summary>
    /// Owner, when a mailbox fell below a power of ten: if all that hold so much are kept, nobody missed does. Without this a backlog that is long gone
    /// would loosen the bound for ever.
    /// </summary>
    /// <param name="byDecade">Mailboxes with 1 to 9 entries, 10 to 99, and so on.</param>
    public void Tighten(ReadOnlySpan<long> byDecade)
    {
        long holding = 0;
        for (var decade = 1; decade < byDecade.Length; decade++) holding += byDecade[decade];
        long threshold = Least;
        for (var decade = 1; decade < byDecade.Length && threshold <= _missed; holding -= byDecade[decade++], threshold *= 10)
        {
            if (KeptFrom(threshold) != holding) continue;
            Volatile.Write(ref _missed, threshold - 1);
            return;
        }
    }

    /// <summary>Any thread. False: its owner was changing it all the while.</summary>
    /// <param name="into">Added to, in no order.</param>
    /// <param name="missed">No mailbox that is not listed holds more.</param>
    public bool TryRead(ICollection<(ulong Mailbox, long Entries)> into, out long missed)
    {
        Span<ulong> mailboxes = stackalloc ulong[Places];
        Span<long> depths = stackalloc long[Places];
        missed = 0;
        for (var tries = 0; tries < SequenceLock.Tries; tries++)
        {
            if (!_changes.TryBeginRead(out var version)) continue;
            var used = Volatile.Read(ref _used);
            for (var i = 0; i < used; i++) (mailboxes[i], depths[i]) = (Volatile.Read(ref _mailboxes[i]), Volatile.Read(ref _depths[i]));
            missed = Volatile.Read(ref _missed);
            if (!_changes.Held(version)) continue;
            for (var i = 0; i < used; i++) into.Add((mailboxes[i], depths[i]));
            return true;
        }

        return false;
    }

    private long KeptFrom(long threshold)
    {
        long kept = 0;
        foreach (var depth in _depths.AsSpan(0, _used))
        {
            if (depth >= threshold) kept++;
        }

        return kept;
    }

    private void Displace(ulong mailbox, long depth)
    {
        var least = 0;
        for (var i = 1; i < Places; i++)
        {
            if (_depths[i] < _depths[least]) least = i;
        }

        // Whoever stays below the floor is no longer looked at: it is missed as if it held just that.
        _floor = _depths[least];
        if (_floor > _missed) Volatile.Write(ref _missed, _floor);
        if (depth > _floor) Take(least, mailbox, depth);
    }

    private void Take(int place, ulong mailbox, long depth)
    {
        _changes.BeginChange();
        (_mailboxes[place], _depths[place]) = (mailbox, depth);
        if (place == _used) _used++;
        _changes.EndChange();
    }

    private void Forget(int place)
    {
        _changes.BeginChange();
        _used--;
        (_mailboxes[place], _depths[place]) = (_mailboxes[_used], _depths[_used]);
        _changes.EndChange();
    }
}
