using Gateway.Transport.Buffers;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Inbox;

/// <summary>Move records kept for the next moves, while there are some of late. Owned by the reactor's thread.</summary>
internal sealed class SpareRecords : IElastic
{
    private readonly Stack<MoveRecord> _records = new();
    private KeptCount _kept;

    public int Count => _records.Count;

    public MoveRecord Take()
    {
        if (!_records.TryPop(out var record)) return new MoveRecord();
        _kept.Took();
        return record;
    }

    public void Put(MoveRecord record)
    {
        record.Clear();
        _records.Push(record);
        _kept.Put();
    }

    public void Roll() => _kept.Roll();

    public bool GiveBack()
    {
        if (!_kept.TryTakeSurplus()) return false;
        _ = _records.Pop();
        return true;
    }
}
