using System.Buffers.Binary;
using Gateway.Mailbox.Format;

namespace Gateway.Mailbox.Recovery;

/// <summary>
/// What the records of a stretch of log say became of entries: the ledger's terms, and rejected messages by reason. A function of the records
/// alone, so that it can be told from a segment that is about to go. One thread.
/// </summary>
internal sealed class LogTally
{
    private const int Terms = 6;
    private const int Accepted = 0;
    private const int Delivered = 1;
    private const int Lost = 5;

    private readonly long[] _messages = new long[Terms];
    private readonly long[] _receipts = new long[Terms];
    private readonly long[] _rejected = new long[MailboxPartition.RejectionReasons];

    public Ledger Ledger => new(Column(_messages), Column(_receipts));

    public ReadOnlySpan<long> RejectedByReason => _rejected;

    /// <summary>A record whose checksum holds. A moved one counted where it lay before.</summary>
    public void Count(ReadOnlySpan<byte> record)
    {
        switch (RecordLayout.TypeOf(record))
        {
            case RecordType.Message:
                _messages[Accepted]++;
                break;
            case RecordType.Receipt:
                _receipts[Accepted]++;
                break;
            case RecordType.AckUpTo:
                _messages[Delivered] += RecordLayout.U32(record, RecordLayout.AckMessagesOffset);
                _receipts[Delivered] += RecordLayout.U32(record, RecordLayout.AckReceiptsOffset);
                break;
            case RecordType.Remove:
                var reason = (RemoveReason)record[RecordLayout.RemoveKindOffset];
                var isReceipt = (RecordType)record[RecordLayout.RemoveTypeOffset] == RecordType.Receipt;
                // The columns stand in the order of the reasons.
                (isReceipt ? _receipts : _messages)[Delivered + (int)reason]++;
                if (reason == RemoveReason.Rejected && !isReceipt) _rejected[MailboxPartition.RejectionOf(RecordLayout.U16(record, RecordLayout.ReasonOffset))]++;
                break;
            case RecordType.Gap:
                _messages[Lost] += RecordLayout.U32(record, RecordLayout.GapMessagesOffset);
                _receipts[Lost] += RecordLayout.U32(record, RecordLayout.GapReceiptsOffset);
                if (record.Length < RecordLayout.GapAdjustedBytes) break;
                Adjust(_messages, (int)RecordLayout.U32(record, RecordLayout.GapMessagesAdjustedOffset));
                Adjust(_receipts, (int)RecordLayout.U32(record, RecordLayout.GapReceiptsAdjustedOffset));
                break;
        }
    }

    public void Add(LogTally other)
    {
        for (var i = 0; i < Terms; i++) (_messages[i], _receipts[i]) = (_messages[i] + other._messages[i], _receipts[i] + other._receipts[i]);
        for (var i = 0; i < _rejected.Length; i++) _rejected[i] += other._rejected[i];
    }

    /// <summary>As a LEDGER record: what lies before <paramref name="through"/> is counted in it and nowhere else.</summary>
    public void Write(Span<byte> record, long through)
    {
        record[..RecordLayout.LedgerBytes].Clear();
        record[RecordLayout.TypeOffset] = (byte)RecordType.LedgerTotals;
        BinaryPrimitives.WriteInt64LittleEndian(record[RecordLayout.LedgerThroughOffset..], through);
        Put(record[RecordLayout.LedgerMessagesOffset..], _messages);
        Put(record[RecordLayout.LedgerReceiptsOffset..], _receipts);
        Put(record[RecordLayout.LedgerRejectedOffset..], _rejected);
        BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Compute(record[RecordLayout.TypeOffset..RecordLayout.LedgerBytes]));
    }

    public static LogTally Read(ReadOnlySpan<byte> record, out long through)
    {
        var tally = new LogTally();
        through = (long)RecordLayout.U64(record, RecordLayout.LedgerThroughOffset);
        Get(record[RecordLayout.LedgerMessagesOffset..], tally._messages);
        Get(record[RecordLayout.LedgerReceiptsOffset..], tally._receipts);
        Get(record[RecordLayout.LedgerRejectedOffset..], tally._rejected);
        return tally;
    }

    /// <summary>
    /// What a repair adds so that the column adds up: entries whose acceptance was lost, as a negative number, or that left by a removal that
    /// was lost, of which delivery is by far the likeliest.
    /// </summary>
    private static void Adjust(long[] terms, int by) => terms[by < 0 ? Accepted : Delivered] += Math.Abs((long)by);

    private static LedgerColumn Column(long[] terms) => new(terms[Accepted], terms[Delivered], terms[2], terms[3], terms[4], terms[5]);

    private static void Put(Span<byte> record, long[] values)
    {
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteInt64LittleEndian(record[(i * sizeof(long))..], values[i]);
    }

    private static void Get(ReadOnlySpan<byte> record, long[] values)
    {
        for (var i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadInt64LittleEndian(record[(i * sizeof(long))..]);
    }
}
