namespace Gateway.Transport.Inbox;

/// <summary>Work that any thread asks a reactor to do: a bounded ring behind a lock. For operators and tests, never on a message's path.</summary>
internal sealed class PostQueue(int capacity, MonotonicClock clock)
{
    private readonly Lock _gate = new();
    private readonly Action<IReactorHandler>?[] _work = new Action<IReactorHandler>?[capacity];
    private readonly long[] _addedAtMs = new long[capacity];
    private int _head;
    private int _count;
    private long _high;
    private long _taken;
    private bool _closed;

    /// <summary>Read without the lock: the reactor looks again after each wake.</summary>
    public bool HasWork => Volatile.Read(ref _count) != 0;

    public bool TryAdd(Action<IReactorHandler> work)
    {
        lock (_gate)
        {
            if (_closed || _count == _work.Length) return false;
            var place = (_head + _count) % _work.Length;
            _work[place] = work;
            _addedAtMs[place] = clock.NowUs() / 1000;
            Volatile.Write(ref _count, _count + 1);
            _high = Math.Max(_high, _count);
            return true;
        }
    }

    public bool TryTake(out Action<IReactorHandler> work)
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                work = null!;
                return false;
            }

            work = _work[_head]!;
            _work[_head] = null;
            _head = (_head + 1) % _work.Length;
            _taken++;
            Volatile.Write(ref _count, _count - 1);
            return true;
        }
    }

    /// <summary>
    /// Any thread, without the lock, which the reactor takes too: between an addition and its count the figures may be one apart, and the age
    /// may be that of the entry taken last.
    /// </summary>
    public QueueCounts Read(string name, long nowMs)
    {
        var depth = Volatile.Read(ref _count);
        var taken = Volatile.Read(ref _taken);
        var since = depth == 0 ? nowMs : Volatile.Read(ref _addedAtMs[Volatile.Read(ref _head)]);
        return (name, depth, capacity, Volatile.Read(ref _high), taken + depth, taken, TimeSpan.FromMilliseconds(Math.Max(0, nowMs - since)));
    }

    /// <summary>Takes no more work.</summary>
    public void Close()
    {
        lock (_gate) _closed = true;
    }
}
