using Gateway.Protocol;

namespace Gateway.Benchmarks.Rungs;

/// <summary>A message that was delivered and not acknowledged: whom to tell.</summary>
internal readonly record struct RelayEntry(ulong Sequence, ulong Number, RelayMailbox Sender, uint Incarnation);

/// <summary>
/// What a relay knows of an address. Everything but the address is guarded by <see cref="Gate"/>, which guards the output of the mailbox's
/// connection too, so that sequences are written in their order. Nobody holds the gates of two mailboxes at once.
/// </summary>
internal sealed class RelayMailbox(Address address, ulong sequence)
{
    /// <summary>Entries that a device may leave unacknowledged.</summary>
    private const int MaxEntries = 1024;

    private RelayEntry[] _entries = new RelayEntry[16];
    private uint _first;
    private uint _next;

    public Lock Gate { get; } = new();

    public Address Address { get; } = address;

    /// <summary>The highest that was given out.</summary>
    public ulong Sequence { get; set; } = sequence;
    public uint Incarnation { get; set; }
    public uint Session { get; set; }
    public RelayPeer? Peer { get; set; }

    /// <summary>The oldest unacknowledged entry.</summary>
    public bool TryPeek(out RelayEntry entry)
    {
        entry = _entries[_first & (uint)(_entries.Length - 1)];
        return _first != _next;
    }

    public void RemoveFirst() => _first++;

    /// <summary>False: there are as many as there may be.</summary>
    public bool TryAdd(RelayEntry entry)
    {
        if (_next - _first == _entries.Length)
        {
            if (_entries.Length == MaxEntries) return false;
            var larger = new RelayEntry[2 * _entries.Length];
            for (var i = _first; i != _next; i++) larger[i & (uint)(larger.Length - 1)] = _entries[i & (uint)(_entries.Length - 1)];
            _entries = larger;
        }

        _entries[_next++ & (uint)(_entries.Length - 1)] = entry;
        return true;
    }

    public void Clear() => _first = _next;
}
