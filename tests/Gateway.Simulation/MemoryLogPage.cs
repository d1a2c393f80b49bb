using Gateway.Messaging;

namespace Gateway.Simulation;

/// <summary>A page of a <see cref="MemoryLog"/>.</summary>
internal sealed class MemoryLogPage : ILogPage
{
    private readonly MemoryLog _log;
    private readonly List<StoredRecord> _entries = [];
    private int _next;
    private bool _out;

    public MemoryLogPage(MemoryLog log) => _log = log;

    public ulong Token { get; private set; }

    public int Count => _entries.Count;

    public void Begin(ulong token)
    {
        Token = token;
        _entries.Clear();
        _next = 0;
        _out = true;
    }

    public void Add(StoredRecord record) => _entries.Add(record);

    public bool TryNext(out LogRecord record)
    {
        if (!_out) throw new InvalidOperationException("The page was given back.");
        record = default;
        if (_next == _entries.Count) return false;
        record = _entries[_next++].Record;
        return true;
    }

    public void Release()
    {
        if (!_out) throw new InvalidOperationException("The page was given back already.");
        _out = false;
        _log.GiveBack(this);
    }
}
