namespace Gateway.Transport.Inbox;

/// <summary>Work that any thread asks a reactor to do: a bounded ring behind a lock. For operators and tests, never on a message's path.</summary>
internal sealed class PostQueue(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Action<IReactorHandler>?[] _work = new Action<IReactorHandler>?[capacity];
    private int _head;
    private int _count;
    private bool _closed;

    /// <summary>Read without the lock: the reactor looks again after each wake.</summary>
    public bool HasWork => Volatile.Read(ref _count) != 0;

    public bool TryAdd(Action<IReactorHandler> work)
    {
        lock (_gate)
        {
            if (_closed || _count == _work.Length) return false;
            _work[(_head + _count) % _work.Length] = work;
            Volatile.Write(ref _count, _count + 1);
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
            Volatile.Write(ref _count, _count - 1);
            return true;
        }
    }

    /// <summary>Takes no more work.</summary>
    public void Close()
    {
        lock (_gate) _closed = true;
    }
}
