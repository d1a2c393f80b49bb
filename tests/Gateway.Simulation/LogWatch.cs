using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// Reads the log over the node's shoulder and holds it to what no log may ever show: a number stored twice (P5), or the messages of one device
/// to one mailbox out of order (P4). Answers whether what a device was told is durable (P1, P3).
/// </summary>
internal sealed class LogWatch
{
    private readonly MemoryLogStore _store;
    private readonly Dictionary<(ulong Sender, uint Incarnation, ulong Number), long> _origins = [];
    private readonly Dictionary<(ulong Sender, uint Incarnation, ulong Mailbox), ulong> _lastNumbers = [];
    private readonly Dictionary<(ulong Mailbox, ulong Sequence), long> _entries = [];
    private long _read;

    public LogWatch(MemoryLogStore store) => _store = store;

    /// <summary>Entries stored, by mailbox: sequence and record.</summary>
    public IEnumerable<StoredRecord> Entries => _entries.Values.Select(position => _store[position]);

    public void Read()
    {
        while (_read < _store.Appended)
        {
            var record = _store[++_read];
            if (record.Type is not (LogRecordType.Message or LogRecordType.Receipt)) continue;
            _entries.Add((record.Mailbox, record.Sequence), _read);
            if (record.Incarnation == 0) continue;
            if (!_origins.TryAdd((record.Sender, record.Incarnation, record.Number), _read))
                throw new PromiseBrokenException($"P5: number {record.Number} of {record.Sender:x} ({record.Incarnation}) was stored twice.");
            var key = (record.Sender, record.Incarnation, record.Mailbox);
            if (_lastNumbers.TryGetValue(key, out var last) && last >= record.Number)
                throw new PromiseBrokenException($"P4: number {record.Number} of {record.Sender:x} to {record.Mailbox:x} was stored after {last}.");
            _lastNumbers[key] = record.Number;
        }
    }

    public bool IsAccepted(ulong sender, uint incarnation, ulong number) =>
        _origins.TryGetValue((sender, incarnation, number), out var position) && position <= _store.CommittedThrough;

    /// <summary>Appended, durable or not.</summary>
    public bool IsStored(ulong sender, uint incarnation, ulong number) => _origins.ContainsKey((sender, incarnation, number));

    /// <summary>The entry under a sequence if it is a double check, durable or not.</summary>
    public StoredRecord? DoubleCheck(ulong mailbox, ulong sequence) =>
        _entries.TryGetValue((mailbox, sequence), out var position)
            && _store[position] is { Type: LogRecordType.Receipt, Incarnation: 0, Kind: (byte)ReceiptKind.Delivered } record ? record : null;

    /// <summary>Where the entry under a sequence was appended; there must be one.</summary>
    public long PositionOf(ulong mailbox, ulong sequence) => _entries[(mailbox, sequence)];

    /// <summary>The entry under a sequence if it is durable.</summary>
    public StoredRecord? DurableEntry(ulong mailbox, ulong sequence) =>
        _entries.TryGetValue((mailbox, sequence), out var position) && position <= _store.CommittedThrough ? _store[position] : null;
}
