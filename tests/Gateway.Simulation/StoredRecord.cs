using Gateway.Messaging;

namespace Gateway.Simulation;

/// <summary>A <see cref="LogRecord"/> that outlives its caller's buffers.</summary>
internal sealed class StoredRecord
{
    private readonly byte[] _body;

    public StoredRecord(in LogRecord record)
    {
        Type = record.Type;
        Mailbox = record.Mailbox;
        Sequence = record.Sequence;
        Previous = record.Previous;
        Sender = record.Sender;
        Incarnation = record.Incarnation;
        Number = record.Number;
        Low = record.Low;
        EnqueuedAt = record.EnqueuedAt;
        ExpiresAt = record.ExpiresAt;
        Kind = record.Kind;
        Reason = record.Reason;
        _body = record.Body.ToArray();
    }

    public LogRecordType Type { get; }
    public ulong Mailbox { get; }
    public ulong Sequence { get; }
    public ulong Previous { get; }
    public ulong Sender { get; }
    public uint Incarnation { get; }
    public ulong Number { get; }
    public ulong Low { get; }
    public uint EnqueuedAt { get; }
    public uint ExpiresAt { get; }
    public byte Kind { get; }
    public ushort Reason { get; }
    public int BodyBytes => _body.Length;

    public LogRecord Record => new()
    {
        Type = Type,
        Mailbox = Mailbox,
        Sequence = Sequence,
        Previous = Previous,
        Sender = Sender,
        Incarnation = Incarnation,
        Number = Number,
        Low = Low,
        EnqueuedAt = EnqueuedAt,
        ExpiresAt = ExpiresAt,
        Kind = Kind,
        Reason = Reason,
        Body = _body,
    };
}
