namespace Gateway.Client;

/// <summary>
/// When to acknowledge what, in one session. Acknowledgements are cumulative, so they are saved up: at most N entries or T milliseconds behind, and at
/// once when what was processed uses half of the credit. No I/O, no clock, no lock: its session holds one.
/// Invariant: what is acknowledged was seen in this session (the node forbids more) and is covered by the durable position.
/// </summary>
internal sealed class Acknowledger(int every, long withinMs, int creditMessages, int creditBytes, ulong position)
{
    // Seen and not yet covered by the position, rising: bounded by what the inbox takes.
    private readonly Queue<(ulong Sequence, int Bytes)> _seen = [];
    private ulong _position = position;
    private ulong _seenThrough;
    private ulong _ready;
    private int _readyCount;
    private long _readyBytes;

    /// <summary>When the next acknowledgement must leave; <see cref="long.MaxValue"/>: nothing to acknowledge.</summary>
    public long DueMs { get; private set; } = long.MaxValue;

    /// <summary>The highest sequence acknowledged in this session, 0: none.</summary>
    public ulong Acknowledged { get; private set; }

    /// <summary>The highest sequence delivered in this session, 0: none.</summary>
    public ulong SeenThrough => _seenThrough;

    /// <summary>The node delivered an entry, for the first time or again.</summary>
    public void OnSeen(ulong sequence, int bytes, long nowMs)
    {
        if (sequence > _seenThrough)
        {
            _seenThrough = sequence;
            _seen.Enqueue((sequence, bytes));
            Advance(nowMs);
        }
        else if (sequence <= Acknowledged && _readyCount == 0)
        {
            // A repeat within the session: the acknowledgement seems not to have been heard.
            _ready = Acknowledged;
            _readyCount = 1;
            DueMs = nowMs + withinMs;
        }
    }

    /// <summary>Everything through <paramref name="position"/> was processed and stored.</summary>
    public void OnProcessed(ulong position, long nowMs)
    {
        if (position > _position) _position = position;
        Advance(nowMs);
    }

    /// <summary>The session is about to end: what can be acknowledged is due.</summary>
    public void Hurry(long nowMs)
    {
        if (_readyCount != 0) DueMs = nowMs;
    }

    public bool TryTake(long nowMs, out ulong sequence)
    {
        sequence = _ready;
        if (nowMs < DueMs) return false;
        Acknowledged = _ready;
        _readyCount = 0;
        _readyBytes = 0;
        DueMs = long.MaxValue;
        return true;
    }

    private void Advance(long nowMs)
    {
        while (_seen.TryPeek(out var entry) && entry.Sequence <= _position)
        {
            _seen.Dequeue();
            _ready = entry.Sequence;
            if (_readyCount++ == 0) DueMs = nowMs + withinMs;
            _readyBytes += entry.Bytes;
        }

        if (_readyCount >= every || (_readyCount != 0 && (2L * _readyCount >= creditMessages || 2 * _readyBytes >= creditBytes))) DueMs = nowMs;
    }
}
