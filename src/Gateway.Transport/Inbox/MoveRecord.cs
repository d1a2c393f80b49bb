using Gateway.Transport.Connections;

namespace Gateway.Transport.Inbox;

/// <summary>
/// A connection on its way between two reactors: what its backend handed over, what its handler gave along, and its bytes that nobody has consumed or
/// sent. Filled by the reactor it leaves, published through a <see cref="MoveLane"/>, then owned by the one it enters.
/// </summary>
internal sealed class MoveRecord
{
    private readonly byte[] _context = new byte[Reactor.MaxMoveContextBytes];
    private readonly CarriedBytes _unread = new();
    private readonly CarriedBytes _unsent = new();
    private int _contextBytes;

    public int Handed { get; set; }

    public SlotFlags Flags { get; set; }

    /// <summary>Tick of the handshake deadline; reactors of a group share the tick counter.</summary>
    public uint Deadline { get; set; }

    public uint LastReceived { get; set; }

    /// <summary>When it was published, in the low 32 bits of the group's milliseconds.</summary>
    public uint PublishedAtMs { get; set; }

    public ReadOnlySpan<byte> Unread => _unread.Bytes;

    public ReadOnlySpan<byte> Unsent => _unsent.Bytes;

    /// <summary>Room for what was received and not consumed.</summary>
    public Span<byte> CarryUnread(int bytes) => _unread.Take(bytes);

    /// <summary>Room for what was written and not sent.</summary>
    public Span<byte> CarryUnsent(int bytes) => _unsent.Take(bytes);

    public ReadOnlySpan<byte> Context => _context.AsSpan(0, _contextBytes);

    public void SetContext(ReadOnlySpan<byte> context)
    {
        context.CopyTo(_context);
        _contextBytes = context.Length;
    }

    public void Clear()
    {
        Handed = -1;
        _contextBytes = 0;
        _unread.Clear();
        _unsent.Clear();
    }

    /// <summary>Bytes on their way, in an array that the record keeps for its next connection unless it is a large one.</summary>
    private sealed class CarriedBytes
    {
        private const int MaxKeptBytes = 4096;

        private byte[] _array = [];
        private int _length;

        public ReadOnlySpan<byte> Bytes => _array.AsSpan(0, _length);

        public Span<byte> Take(int bytes)
        {
            if (bytes > _array.Length) _array = new byte[Math.Max(256, bytes)];
            _length = bytes;
            return _array.AsSpan(0, bytes);
        }

        public void Clear()
        {
            _length = 0;
            if (_array.Length > MaxKeptBytes) _array = [];
        }
    }
}

/// <summary>
/// Moves from one reactor to another: a bounded ring of references with one producer and one consumer. A move that finds it full waits
/// in its own slot at the producer, so a move never fails and no connection is lost.
/// </summary>
internal sealed class MoveLane(int capacity)
{
    private readonly MoveRecord?[] _records = new MoveRecord?[capacity];
    private long _tail;
    private long _head;

    public bool HasMessages => Volatile.Read(ref _tail) != Volatile.Read(ref _head);

    /// <summary>Moves published and not yet taken. Either side.</summary>
    public int Count => (int)(Volatile.Read(ref _tail) - Volatile.Read(ref _head));

    /// <summary>Moves published so far. Any thread.</summary>
    public long Written => Volatile.Read(ref _tail);

    /// <summary>Moves taken so far. Any thread.</summary>
    public long Taken => Volatile.Read(ref _head);

    /// <summary>When the oldest move that is not taken was published; false when there is none. Any thread.</summary>
    public bool TryReadOldest(out uint publishedAtMs)
    {
        while (true)
        {
            var head = Volatile.Read(ref _head);
            publishedAtMs = 0;
            if (Volatile.Read(ref _tail) == head) return false;
            // Taken meanwhile, the record may be gone, or filled for another move already: the second look at the head tells.
            publishedAtMs = Volatile.Read(ref _records[head % _records.Length])?.PublishedAtMs ?? 0;
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _head) == head) return true;
        }
    }

    /// <summary>Producer: whether the next <see cref="TryWrite"/> will succeed.</summary>
    public bool CanWrite => Count < _records.Length;

    public bool TryWrite(MoveRecord record)
    {
        if (!CanWrite) return false;
        _records[_tail % _records.Length] = record;
        // Release: the record's fields before its place in the ring.
        Volatile.Write(ref _tail, _tail + 1);
        return true;
    }

    public bool TryRead(out MoveRecord record)
    {
        var index = _head % _records.Length;
        if (Volatile.Read(ref _tail) == _head)
        {
            record = null!;
            return false;
        }

        record = _records[index]!;
        _records[index] = null;
        Volatile.Write(ref _head, _head + 1);
        return true;
    }
}
