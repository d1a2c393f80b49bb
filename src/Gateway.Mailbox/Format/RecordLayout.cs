using System.Buffers.Binary;

namespace Gateway.Mailbox.Format;

/// <summary>
/// Bytes of the log's records, little-endian, the same in every version so far. In the log each is preceded by FASTER's u32 length and padded to
/// 4 bytes; a record never crosses a page. The checksum is the plain one in memory, and its segment's (<see cref="RecordSeal"/>) on the disk.
/// LOG-FORMAT.md has the tables.
/// <code>
/// every record      crc32c u32 (over all that follows) | type u8 | flags u8 | reason u16 | ...
/// MESSAGE, RECEIPT  mailbox u64 | sequence u64 | previous u64 | enqueued u32 | expires u32 | sender u64 | number u64 | low u64
///                   | incarnation u32 | kind u8 | reserved u8 x 3 | body
/// MOVED             as what it was, with the type it had and whether it had expired where that keeps reserved bytes
/// ACK_UPTO          mailbox u64 | sequence u64 | messages u32 | receipts u32
/// EXPIRE            mailbox u64 | sequence u64
/// REMOVE            mailbox u64 | sequence u64 | kind u8 | type u8 | reserved u8 x 2
/// WINDOW            device u64 | low u64 | settled u64 | incarnation u32 | used u32
/// DEVICE            device u64 | key epoch u32
/// MARK              log identity u64 | durable address u64
/// RESERVE           sequence u64
/// LEDGER            through u64 | reserved u64 | 6 x u64 of messages | 6 x u64 of receipts | 17 x u64 rejected by reason
/// GAP               lost messages u32 | lost receipts u32 | messages adjusted i32 | receipts adjusted i32 | what the damaged stretch held
/// </code>
/// </summary>
internal static class RecordLayout
{
    public const uint FormatVersion = 2;
    public const uint OldestReadableVersion = 1;

    /// <summary>From this version on checksums and end marks bear their segment's tag.</summary>
    public const uint SealedFromVersion = 2;

    /// <summary>FASTER's length in front of each record.</summary>
    public const int LengthBytes = 4;

    /// <summary>FASTER's first address; what lies before it on the first page is never written.</summary>
    public const long FirstAddress = 64;

    public const int CrcOffset = 0;
    public const int TypeOffset = 4;
    public const int FlagsOffset = 5;
    public const int ReasonOffset = 6;
    public const int MailboxOffset = 8;
    public const int SequenceOffset = 16;
    public const int PreviousOffset = 24;
    public const int EnqueuedOffset = 32;
    public const int ExpiresOffset = 36;
    public const int SenderOffset = 40;
    public const int NumberOffset = 48;
    public const int LowOffset = 56;
    public const int IncarnationOffset = 64;
    public const int KindOffset = 68;
    public const int MovedTypeOffset = 69;
    public const int MovedExpiredOffset = 70;
    public const int MessageFixedBytes = 72;

    public const int AckMessagesOffset = 24;
    public const int AckReceiptsOffset = 28;
    public const int AckBytes = 32;

    public const int ExpireBytes = 24;

    public const int RemoveKindOffset = 24;
    public const int RemoveTypeOffset = 25;
    public const int RemoveBytes = 28;

    public const int WindowLowOffset = 16;
    public const int WindowSettledOffset = 24;
    public const int WindowIncarnationOffset = 32;
    public const int WindowUsedOffset = 36;
    public const int WindowBytes = 40;

    public const int DeviceKeyEpochOffset = 16;
    public const int DeviceBytes = 20;

    public const int MarkIdentityOffset = 8;
    public const int MarkDurableOffset = 16;
    public const int MarkBytes = 24;

    public const int ReserveSequenceOffset = 8;
    public const int ReserveBytes = 16;

    public const int LedgerThroughOffset = 8;
    public const int LedgerMessagesOffset = 24;
    public const int LedgerReceiptsOffset = 72;
    public const int LedgerRejectedOffset = 120;
    public const int LedgerBytes = LedgerRejectedOffset + MailboxPartition.RejectionReasons * sizeof(ulong);

    public const int GapMessagesOffset = 8;
    public const int GapReceiptsOffset = 12;
    public const int GapFixedBytes = 16;

    /// <summary>In a gap that is long enough for them, as one is where an entry's record or a removal was.</summary>
    public const int GapMessagesAdjustedOffset = 16;
    public const int GapReceiptsAdjustedOffset = 20;
    public const int GapAdjustedBytes = 24;

    /// <summary>The longest fixed part of any record that is appended.</summary>
    public const int MaxFixedBytes = MessageFixedBytes;

    /// <summary>Bytes of log that a record of this length takes, FASTER's length and padding included.</summary>
    public static int LogBytes(int recordBytes) => LengthBytes + ((recordBytes + 3) & ~3);

    /// <summary>The fixed part of a type that callers append, 0 for every other.</summary>
    public static int FixedBytes(RecordType type) => type switch
    {
        RecordType.Message or RecordType.Receipt => MessageFixedBytes,
        RecordType.AckUpTo => AckBytes,
        RecordType.Expire => ExpireBytes,
        RecordType.Remove => RemoveBytes,
        RecordType.Window => WindowBytes,
        RecordType.Device => DeviceBytes,
        _ => 0,
    };

    /// <summary>
    /// Writes the fixed part with the checksum over it and the body; <paramref name="head"/> has <see cref="FixedBytes"/> bytes.
    /// <paramref name="removed"/> is what an ACK_UPTO or REMOVE takes out.
    /// </summary>
    public static void Write(Span<byte> head, in MailboxRecord record, in Index.RemovedEntries removed)
    {
        head[TypeOffset] = (byte)record.Type;
        head[FlagsOffset] = record.Flags;
        BinaryPrimitives.WriteUInt16LittleEndian(head[ReasonOffset..], record.Reason);
        BinaryPrimitives.WriteUInt64LittleEndian(head[MailboxOffset..], record.Mailbox);
        switch (record.Type)
        {
            case RecordType.Message or RecordType.Receipt:
                BinaryPrimitives.WriteUInt64LittleEndian(head[SequenceOffset..], record.Sequence);
                BinaryPrimitives.WriteUInt64LittleEndian(head[PreviousOffset..], record.Previous);
                BinaryPrimitives.WriteUInt32LittleEndian(head[EnqueuedOffset..], record.EnqueuedAt);
                BinaryPrimitives.WriteUInt32LittleEndian(head[ExpiresOffset..], record.ExpiresAt);
                BinaryPrimitives.WriteUInt64LittleEndian(head[SenderOffset..], record.Sender);
                BinaryPrimitives.WriteUInt64LittleEndian(head[NumberOffset..], record.Number);
                BinaryPrimitives.WriteUInt64LittleEndian(head[LowOffset..], record.Low);
                BinaryPrimitives.WriteUInt32LittleEndian(head[IncarnationOffset..], record.Incarnation);
                BinaryPrimitives.WriteUInt32LittleEndian(head[KindOffset..], record.Kind);
                break;
            case RecordType.AckUpTo:
                BinaryPrimitives.WriteUInt64LittleEndian(head[SequenceOffset..], record.Sequence);
                BinaryPrimitives.WriteUInt32LittleEndian(head[AckMessagesOffset..], (uint)removed.Messages);
                BinaryPrimitives.WriteUInt32LittleEndian(head[AckReceiptsOffset..], (uint)removed.Receipts);
                break;
            case RecordType.Expire:
                BinaryPrimitives.WriteUInt64LittleEndian(head[SequenceOffset..], record.Sequence);
                break;
            case RecordType.Remove:
                BinaryPrimitives.WriteUInt64LittleEndian(head[SequenceOffset..], record.Sequence);
                BinaryPrimitives.WriteUInt32LittleEndian(head[RemoveKindOffset..], record.Kind);
                head[RemoveTypeOffset] = (byte)(removed.Receipts > 0 ? RecordType.Receipt : RecordType.Message);
                break;
            case RecordType.Window:
                BinaryPrimitives.WriteUInt64LittleEndian(head[WindowLowOffset..], record.Low);
                BinaryPrimitives.WriteUInt64LittleEndian(head[WindowSettledOffset..], record.Number);
                BinaryPrimitives.WriteUInt32LittleEndian(head[WindowIncarnationOffset..], record.Incarnation);
                BinaryPrimitives.WriteUInt32LittleEndian(head[WindowUsedOffset..], record.EnqueuedAt);
                break;
            case RecordType.Device:
                BinaryPrimitives.WriteUInt32LittleEndian(head[DeviceKeyEpochOffset..], record.Incarnation);
                break;
            default:
                throw new ArgumentException($"{record.Type} is not a record that callers append.");
        }

        BinaryPrimitives.WriteUInt32LittleEndian(head, Crc32C.Compute(head[TypeOffset..], record.Body));
    }

    /// <summary>Makes the fixed part of a MESSAGE, RECEIPT or MOVED that of a MOVED; <paramref name="body"/> is the record's.</summary>
    public static void MakeMoved(Span<byte> head, ReadOnlySpan<byte> body, bool hasExpired)
    {
        if (hasExpired) head[MovedExpiredOffset] = 1;
        if (TypeOf(head) != RecordType.Moved) head[MovedTypeOffset] = head[TypeOffset];
        head[TypeOffset] = (byte)RecordType.Moved;
        BinaryPrimitives.WriteUInt32LittleEndian(head, Crc32C.Compute(head[TypeOffset..], body));
    }

    public static void WriteMark(Span<byte> record, ulong identity, long durable)
    {
        record[..MarkBytes].Clear();
        record[TypeOffset] = (byte)RecordType.Mark;
        BinaryPrimitives.WriteUInt64LittleEndian(record[MarkIdentityOffset..], identity);
        BinaryPrimitives.WriteInt64LittleEndian(record[MarkDurableOffset..], durable);
        BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Compute(record[TypeOffset..MarkBytes]));
    }

    public static void WriteReserve(Span<byte> record, ulong sequence)
    {
        record[..ReserveBytes].Clear();
        record[TypeOffset] = (byte)RecordType.Reserve;
        BinaryPrimitives.WriteUInt64LittleEndian(record[ReserveSequenceOffset..], sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Compute(record[TypeOffset..ReserveBytes]));
    }

    /// <summary>
    /// Makes a record of what lies in <paramref name="record"/>: its first <see cref="GapAdjustedBytes"/> bytes, or
    /// <see cref="GapFixedBytes"/> where there are fewer, are overwritten, the others kept and covered by the checksum, so that one small
    /// write turns a damaged stretch into a record. Adjustments as in <see cref="Recovery.LogTally"/>; a gap too short has none.
    /// </summary>
    public static void WriteGap(Span<byte> record, uint messages, uint receipts, int messagesAdjusted, int receiptsAdjusted)
    {
        var adjusts = record.Length >= GapAdjustedBytes;
        record[..(adjusts ? GapAdjustedBytes : GapFixedBytes)].Clear();
        record[TypeOffset] = (byte)RecordType.Gap;
        BinaryPrimitives.WriteUInt32LittleEndian(record[GapMessagesOffset..], messages);
        BinaryPrimitives.WriteUInt32LittleEndian(record[GapReceiptsOffset..], receipts);
        if (adjusts)
        {
            BinaryPrimitives.WriteInt32LittleEndian(record[GapMessagesAdjustedOffset..], messagesAdjusted);
            BinaryPrimitives.WriteInt32LittleEndian(record[GapReceiptsAdjustedOffset..], receiptsAdjusted);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Compute(record[TypeOffset..]));
    }

    public static RecordType TypeOf(ReadOnlySpan<byte> record) => (RecordType)record[TypeOffset];

    /// <summary>What an entry's record was before it was moved: Message or Receipt.</summary>
    public static RecordType EntryTypeOf(ReadOnlySpan<byte> record) =>
        TypeOf(record) == RecordType.Moved ? (RecordType)record[MovedTypeOffset] : TypeOf(record);

    public static ulong U64(ReadOnlySpan<byte> record, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(record[offset..]);
    public static ushort U16(ReadOnlySpan<byte> record, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(record[offset..]);
    public static uint U32(ReadOnlySpan<byte> record, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(record[offset..]);

    /// <summary>The index's entry for a MESSAGE, RECEIPT or MOVED that lies at this address.</summary>
    public static Index.IndexEntry IndexEntryOf(ReadOnlySpan<byte> record, long address)
    {
        var hasExpired = TypeOf(record) == RecordType.Moved && record[MovedExpiredOffset] != 0;
        return new Index.IndexEntry(
            U64(record, SequenceOffset), address, LogBytes(record.Length), EntryTypeOf(record) == RecordType.Receipt,
            hasExpired ? Index.Life.Expired : Index.Life.StepFor(U32(record, EnqueuedOffset), U32(record, ExpiresOffset)));
    }

    /// <summary>Decodes a MESSAGE or RECEIPT, moved or not, whose checksum holds.</summary>
    public static MailboxRecord ReadEntry(ReadOnlySpan<byte> record) => new()
    {
        Type = EntryTypeOf(record),
        Flags = record[FlagsOffset],
        Reason = BinaryPrimitives.ReadUInt16LittleEndian(record[ReasonOffset..]),
        Mailbox = U64(record, MailboxOffset),
        Sequence = U64(record, SequenceOffset),
        Previous = U64(record, PreviousOffset),
        EnqueuedAt = U32(record, EnqueuedOffset),
        ExpiresAt = U32(record, ExpiresOffset),
        Sender = U64(record, SenderOffset),
        Number = U64(record, NumberOffset),
        Low = U64(record, LowOffset),
        Incarnation = U32(record, IncarnationOffset),
        Kind = record[KindOffset],
        Body = record[MessageFixedBytes..],
    };
}
