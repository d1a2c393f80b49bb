using Gateway.Transport.Buffers;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Inbox;

/// <summary>
/// A reactor's move records: each comes back through the lane on which it left, and is kept for the next moves while there are some of late.
/// Owned by the reactor's thread.
/// </summary>
/// <param name="lanes">The reactor's lanes to all others.</param>
internal sealed class SpareRecords(Lanes[] lanes) : IElastic
{
    private readonly Stack<MoveRecord> _records = new();
    private KeptCount _kept;

    /// <summary>Those at hand, and those that came back and wait in their lane.</summary>
    public int Count => _records.Count + lanes.Sum(l => l.Moves.Emptied);

    public MoveRecord Take()
    {
        if (!_records.TryPop(out var record)) return new MoveRecord();
        _kept.Took();
        return record;
    }

    /// <summary>Collects what came back from there. Before each move, or the lane would have no room for more.</summary>
    public void Collect(int from)
    {
        while (lanes[from].Moves.TryTakeBack(out var record)) Put(record);
    }

    /// <summary>A record for a connection that did not leave.</summary>
    public void Put(MoveRecord record)
    {
        record.Clear();
        _records.Push(record);
        _kept.Put();
    }

    public void Roll()
    {
        for (var i = 0; i < lanes.Length; i++) Collect(i);
        _kept.Roll();
    }

    public bool GiveBack()
    {
        if (!_kept.TryTakeSurplus()) return false;
        _ = _records.Pop();
        return true;
    }
}
