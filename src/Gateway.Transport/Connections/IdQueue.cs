namespace Gateway.Transport.Connections;

/// <summary>
/// A ring of connection ids that grows to the number of connections at most, since each stands in it once (a flag in its slot says so).
/// Ids that became stale meanwhile are the taker's to skip. Owned by the reactor's thread.
/// </summary>
internal sealed class IdQueue
{
    private ulong[] _items = new ulong[64];
    private int _head;

    public int Count { get; private set; }

    public void Enqueue(ConnectionId id)
    {
        if (Count == _items.Length) Grow();
        _items[(_head + Count) & (_items.Length - 1)] = id.Packed;
        Count++;
    }

    public ConnectionId Dequeue()
    {
        if (Count == 0) throw new InvalidOperationException("The queue is empty.");
        var packed = _items[_head];
        _head = (_head + 1) & (_items.Length - 1);
        Count--;
        return ConnectionId.Unpack(packed);
    }

    private void Grow()
    {
        var larger = new ulong[_items.Length * 2];
        for (var i = 0; i < Count; i++) larger[i] = _items[(_head + i) & (_items.Length - 1)];
        _items = larger;
        _head = 0;
    }
}
