using System.Buffers.Binary;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// Scans a log as recovery does, and where recovery would refuse it notes the damage, plans its repair as patches, and goes on at the next
/// place where a record surely begins. Such places are marks, the addresses that marks and superblock name, and the begin of a page: no body
/// can pose as one. A record in between counts only when every length from the damage up to such a place fits; otherwise a message whose
/// body holds forged records could make them real by being damaged itself. One thread.
/// </summary>
internal sealed class DamageWalk
{
    // A record's length and what a gap needs: no record is shorter, so that less than this before a page's end held its end mark at most.
    private const int ShortestGap = RecordLayout.LengthBytes + RecordLayout.GapFixedBytes;

    private readonly PatchedFiles _files;
    private readonly SegmentStore _segments;
    private readonly Superblock _superblock;
    private readonly SurveySink _sink;
    private readonly List<LogDamage> _damage;
    private readonly byte[] _page;
    private SortedSet<long>? _boundaries;

    public DamageWalk(PatchedFiles files, SegmentStore segments, Superblock superblock, SurveySink sink, List<LogDamage> damage)
    {
        (_files, _segments, _superblock, _sink, _damage) = (files, segments, superblock, sink, damage);
        _page = new byte[segments.PageBytes];
    }

    /// <summary>Returns where the log ends and why.</summary>
    public ScanStop Run()
    {
        var scan = new LogScan(_segments);
        for (var from = Math.Max(_superblock.Begin, RecordLayout.FirstAddress); ;)
        {
            var stop = scan.Run(from, _sink);
            while (_sink.Refused.TryDequeue(out var refused)) NoteRecord(refused.Address, refused.Bytes, refused.Reason);
            if (_sink.Recovery.ProofOfDamage(stop) is not { } proof)
            {
                _sink.Recovery.End(stop.Address);
                _sink.CountLost();
                foreach (var damage in _damage) PatchCounts(damage, 0, 0);
                return stop;
            }

            from = Mend(stop, proof);
        }
    }

    /// <summary>
    /// Makes the ledger add up with what is pending: in the first gap that has room for it, which is one where a record that counts was.
    /// Returns what it comes to.
    /// </summary>
    public Ledger Balance(Ledger ledger, PendingCount pending)
    {
        var messages = (int)Math.Clamp(ledger.Messages.Outstanding - pending.Messages, int.MinValue + 1, int.MaxValue);
        var receipts = (int)Math.Clamp(ledger.Receipts.Outstanding - pending.Receipts, int.MinValue + 1, int.MaxValue);
        if ((messages, receipts) == (0, 0)) return ledger;
        var damage = _damage.FirstOrDefault(d => d.Kind is DamageKind.Record or DamageKind.Stretch && FirstPieceOf(d) >= RecordLayout.LengthBytes + RecordLayout.GapAdjustedBytes);
        if (damage is null) return ledger;
        PatchCounts(damage, messages, receipts);
        return new Ledger(Adjusted(ledger.Messages, messages), Adjusted(ledger.Receipts, receipts));

        static LedgerColumn Adjusted(LedgerColumn column, int by) =>
            by < 0 ? column with { Accepted = column.Accepted - by } : column with { Delivered = column.Delivered + by };
    }

    /// <summary>Notes the damage at a stop, plans its repair, and returns where to go on.</summary>
    private long Mend(ScanStop stop, string proof)
    {
        var page = ReadPage(stop.Address);
        var at = (int)(stop.Address - page);
        var next = NextBoundary(stop.Address);
        if (TrueLength(page, at, next) is var length and > 0)
        {
            var right = new byte[RecordLayout.LengthBytes];
            BinaryPrimitives.WriteInt32LittleEndian(right, length);
            Patch(stop.Address, right);
            Note(stop.Address, right.Length, DamageKind.Length, stop.Reason);
            return stop.Address;
        }

        if (IsFramed(page, at))
        {
            var bytes = RecordLayout.LogBytes(LengthAt(at));
            NoteRecord(stop.Address, bytes, stop.Reason);
            return stop.Address + bytes;
        }

        var pageEnd = page + _page.Length;
        while (next - stop.Address < ShortestGap && next < pageEnd) next = NextBoundary(next);
        next = Math.Min(next, pageEnd);
        if (next - stop.Address < ShortestGap)
        {
            var end = new byte[next - stop.Address];
            BinaryPrimitives.WriteUInt32LittleEndian(end, _segments.SealOf(page).EndOfPage);
            Patch(stop.Address, end);
            Note(stop.Address, end.Length, DamageKind.Length, stop.Reason);
            return next;
        }

        PatchGap(stop.Address, (int)(next - stop.Address)); 
        if (_damage is [.., { Kind: DamageKind.Stretch } last] && last.Place.Address + last.Bytes == stop.Address) last.Bytes += next - stop.Address;
        else Note(stop.Address, next - stop.Address, DamageKind.Stretch, $"{stop.Reason}, but {proof}");
        return next;
    }

    /// <summary>The length that the record's own checksum proves, where another stands in front of it; 0 when there is none.</summary>
    private int TrueLength(long page, int at, long next)
    {
        var end = (int)Math.Min(_page.Length, next - page);
        var record = at + RecordLayout.LengthBytes;
        if (end - record < RecordLayout.MailboxOffset || !Enum.IsDefined((RecordType)_page[record + RecordLayout.TypeOffset])) return 0;
        var checksum = _segments.SealOf(page).Checksum(_page.AsSpan(record));
        var found = Crc32C.FindLength(
            _page.AsSpan(record + RecordLayout.TypeOffset, end - record - RecordLayout.TypeOffset),
            RecordLayout.MailboxOffset - RecordLayout.TypeOffset, checksum,
            length => MayBegin(page, at + RecordLayout.LogBytes(length + RecordLayout.TypeOffset)));
        return found == 0 ? 0 : found + RecordLayout.TypeOffset;
    }

    /// <summary>Whether the lengths from here on lead from record to record up to a place where one surely begins or the page surely ends.</summary>
    private bool IsFramed(long page, int at)
    {
        for (var position = at; ;)
        {
            if (position != at && IsSurely(page, position)) return true;
            if (!IsPossible(position)) return false;
            var end = position + RecordLayout.LogBytes(LengthAt(position));
            if (page + end > NextBoundary(page + position)) return false;
            position = end;
        }
    }

    private bool IsSurely(long page, int position) =>
        position == _page.Length || Boundaries(page).Contains(page + position)
        || ((uint)LengthAt(position) == _segments.SealOf(page).EndOfPage && !_page.AsSpan(position + RecordLayout.LengthBytes).ContainsAnyExcept((byte)0));

    private bool MayBegin(long page, int position) =>
        position <= _page.Length && (IsSurely(page, position)
            || (IsPossible(position) && _segments.SealOf(page).Holds(_page.AsSpan(position + RecordLayout.LengthBytes, LengthAt(position)))));

    private bool IsPossible(int position)
    {
        var length = LengthAt(position);
        return length >= RecordLayout.MailboxOffset && length <= _page.Length && RecordLayout.LogBytes(length) <= _page.Length - position;
    }

    private int LengthAt(int position) => BinaryPrimitives.ReadInt32LittleEndian(_page.AsSpan(position));

    private long NextBoundary(long address)
    {
        foreach (var boundary in Boundaries(address).GetViewBetween(address + 1, long.MaxValue)) return boundary;
        return long.MaxValue;
    }

    /// <summary>Places where records begin whatever lies before them, from the first damage on.</summary>
    private SortedSet<long> Boundaries(long from)
    {
        if (_boundaries is not null) return _boundaries;
        _boundaries = [_superblock.Durable, _sink.Recovery.Durable];
        MarkSearch.Each(_segments, _superblock.Identity, from, (address, durable) =>
        {
            _boundaries.Add(address);
            if (durable <= address) _boundaries.Add(durable);
            return true;
        });
        return _boundaries;
    }

    private void NoteRecord(long address, int bytes, string reason)
    {
        var page = ReadPage(address);
        var record = _page.AsSpan((int)(address - page) + RecordLayout.LengthBytes, LengthAt((int)(address - page)));
        var type = RecordLayout.TypeOf(record);
        var hasMailbox = type is (>= RecordType.Message and <= RecordType.Moved) or RecordType.Expire && record.Length >= RecordLayout.DeviceBytes;
        var hasSequence = hasMailbox && type is not (RecordType.Window or RecordType.Device) && record.Length >= RecordLayout.ExpireBytes;
        var damage = new LogDamage
        {
            Place = PlaceOf(address),
            Bytes = bytes,
            Kind = DamageKind.Record,
            Reason = reason,
            Record = Enum.IsDefined(type) ? type : RecordType.None,
            Mailbox = hasMailbox ? RecordLayout.U64(record, RecordLayout.MailboxOffset) : 0,
            IsReceipt = record.Length >= RecordLayout.MessageFixedBytes && RecordLayout.EntryTypeOf(record) == RecordType.Receipt,
            Sequence = hasSequence ? RecordLayout.U64(record, RecordLayout.SequenceOffset) : 0,
        };
        PatchGap(address, bytes);
        Add(damage);
    }

    private void Note(long address, long bytes, DamageKind kind, string reason) => Add(new LogDamage { Place = PlaceOf(address), Bytes = bytes, Kind = kind, Reason = reason });

    private void Add(LogDamage damage)
    {
        _damage.Add(damage);
        _sink.OnDamage(damage);
    }

    private void PatchCounts(LogDamage damage, int messagesAdjusted, int receiptsAdjusted)
    {
        if (damage.Kind is DamageKind.Record or DamageKind.Stretch)
            PatchGap(damage.Place.Address, FirstPieceOf(damage), damage.LostMessages, damage.LostReceipts, messagesAdjusted, receiptsAdjusted);
    }

    /// <summary>Bytes of a damaged stretch on its first page, where its counts are.</summary>
    private int FirstPieceOf(LogDamage damage) => (int)Math.Min(damage.Bytes, (damage.Place.Address | (uint)(_page.Length - 1)) + 1 - damage.Place.Address);

    /// <summary>A record in the place of these bytes, all of them on one page.</summary>
    private void PatchGap(long address, int bytes, long messages = 0, long receipts = 0, int messagesAdjusted = 0, int receiptsAdjusted = 0)
    {
        var page = ReadPage(address);
        var whole = _page.AsSpan((int)(address - page), bytes);
        BinaryPrimitives.WriteInt32LittleEndian(whole, bytes - RecordLayout.LengthBytes);
        RecordLayout.WriteGap(
            whole[RecordLayout.LengthBytes..], (uint)Math.Min(messages, uint.MaxValue), (uint)Math.Min(receipts, uint.MaxValue), messagesAdjusted, receiptsAdjusted);
        _segments.SealOf(address).Apply(whole[RecordLayout.LengthBytes..]);
        Patch(address, whole[..Math.Min(bytes, RecordLayout.LengthBytes + RecordLayout.GapAdjustedBytes)].ToArray());
    }

    private void Patch(long address, byte[] bytes) => _files.Patch(
        SegmentHeader.FileName(_segments.SegmentOf(address)), SegmentHeader.Bytes + _segments.SegmentBytes, _segments.OffsetInFile(address), bytes);

    private LogPlace PlaceOf(long address) => new(_segments.FileOf(address).Path, _segments.OffsetInFile(address), address);

    /// <summary>Returns the address of the page that it read.</summary>
    private long ReadPage(long address)
    {
        var page = address & ~(long)(_page.Length - 1);
        var read = _segments.FileOf(page).Read(_segments.OffsetInFile(page), _page);
        _page.AsSpan(read).Clear();
        return page;
    }
}
