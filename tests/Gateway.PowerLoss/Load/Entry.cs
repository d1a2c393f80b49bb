using Gateway.Mailbox;
using Gateway.Mailbox.Format;

namespace Gateway.PowerLoss.Load;

/// <summary>One record as it was appended. Fields as in <see cref="MailboxRecord"/>.</summary>
internal sealed record Entry
{
    public required RecordType Type { get; init; }
    public required ulong Mailbox { get; init; }
    public ulong Sequence { get; init; }
    public ulong Previous { get; init; }
    public ulong Sender { get; init; }
    public uint Incarnation { get; init; }
    public ulong Number { get; init; }
    public ulong Low { get; init; }
    public uint EnqueuedAt { get; init; }
    public uint ExpiresAt { get; init; }
    public byte Kind { get; init; }
    public ushort Reason { get; init; }
    public byte[] Body { get; init; } = [];

    /// <summary>Its end in the log.</summary>
    public long Position { get; init; }

    public bool IsStored => Type is RecordType.Message or RecordType.Receipt;
    public int LogBytes => RecordLayout.LogBytes(RecordLayout.FixedBytes(Type) + Body.Length);
    public long Start => Position - LogBytes;

    public MailboxRecord ToRecord() => new()
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
        Body = Body,
    };

    public bool Is(in MailboxRecord read) =>
        read.Type == Type && read.Mailbox == Mailbox && read.Sequence == Sequence && read.Previous == Previous && read.Sender == Sender
        && read.Incarnation == Incarnation && read.Number == Number && read.Low == Low && read.EnqueuedAt == EnqueuedAt
        && read.ExpiresAt == ExpiresAt && read.Kind == Kind && read.Reason == Reason && read.Body.SequenceEqual(Body);
}
