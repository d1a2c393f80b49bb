using Gateway.Transport.Connections;

namespace Gateway.Transport.Inbox;

/// <summary>
/// A connection on its way between two reactors: what its backend handed over, what its handler gave along, and its bytes that nobody has consumed or
/// sent. Filled by the reactor it leaves, published through a <see cref="MoveLane"/>, owned by the one it enters until that gives it back.
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

    /// <summary>Bytes on their way, charged to the node's budget by who sends them off and released by who takes them in.</summary>
    public int BytesUnderWay => _unread.Bytes.Length + _unsent.Bytes.Length;

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
