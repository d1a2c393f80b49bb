namespace Gateway.Transport.Inbox;

/// <summary>A bounded ring of references with one producer and one consumer.</summary>
/// <param name="capacity">References that fit.</param>
internal sealed class ReferenceRing<T>(int capacity)
    where T : class
{
    private readonly T?[] _entries = new T?[capacity];
    private long _tail;
    private long _head;

    /// <summary>Written and not yet taken. Either side.</summary>
    public int Count => (int)(Volatile.Read(ref _tail) - Volatile.Read(ref _head));

    /// <summary>Written so far. Any thread.</summary>
    public long Written => Volatile.Read(ref _tail);

    /// <summary>Taken so far. Any thread.</summary>
    public long Taken => Volatile.Read(ref _head);

    /// <summary>Producer: whether the next <see cref="TryWrite"/> will succeed.</summary>
    public bool CanWrite => Count < _entries.Length;

    public bool TryWrite(T entry)
    {
        if (!CanWrite) return false;
        _entries[_tail % _entries.Length] = entry;
        // Release: what it refers to before its place in the ring.
        Volatile.Write(ref _tail, _tail + 1);
        return true;
    }

    public bool TryRead(out T entry)
    {
        var index = _head % _entries.Length;
        if (Volatile.Read(ref _tail) == _head)
        {
            entry = null!;
            return false;
        }

        entry = _entries[index]!;
        _entries[index] = null;
        Volatile.Write(ref _head, _head + 1);
        return true;
    }

    /// <summary>The next that <see cref="TryRead"/> would take, the <paramref name="at"/>th; null when it was taken while this looked. Any thread.</summary>
    public bool TryPeek(out long at, out T? entry)
    {
        at = Volatile.Read(ref _head);
        entry = null;
        if (Volatile.Read(ref _tail) == at) return false;
        entry = Volatile.Read(ref _entries[at % _entries.Length]);
        return true;
    }
}
