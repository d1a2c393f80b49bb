using System.Runtime.CompilerServices;
using System.Text;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Index;
using Gateway.Mailbox.Recovery;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>LOG-FORMAT.md, byte for byte. A change here is a new format version.</summary>
public class LayoutTests
{
    /// <summary>Of a record in memory, or in a segment of format 1.</summary>
    private static readonly RecordSeal Plain = RecordSeal.Of(1, 0, 0);

    [Fact]
    public void The_checksum_is_crc32c()
    {
        // RFC 3720, appendix B.4, and the customary check value.
        Assert.Equal(0xE306_9283u, Crc32C.Compute("123456789"u8));
        Assert.Equal(0x8A91_36AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8_AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(Crc32C.Compute("123456789"u8), Crc32C.Compute("1234"u8, "56789"u8));
    }

    [Fact]
    public void A_seal_is_the_segment_s_number_and_the_log_s_identity_over_the_checksum()
    {
        var record = new byte[RecordLayout.ReserveBytes];
        RecordLayout.WriteReserve(record, 9);
        var plain = BitConverter.ToUInt32(record);
        Assert.Equal(Crc32C.Compute(record.AsSpan(4)), plain);
        var seal = RecordSeal.Of(2, 0x0102_0304_1020_3040, 0x7_0000_0005);
        const uint Tag = 0x0000_0005u ^ 0x1020_3040u ^ 0x0102_0304u;
        Assert.False(seal.Holds(record));
        seal.Apply(record);
        Assert.Equal(plain ^ Tag, BitConverter.ToUInt32(record));
        Assert.True(seal.Holds(record));
        Assert.Equal(plain, seal.Checksum(record));
        Assert.Equal(0x8000_0000u | Tag, seal.EndOfPage);

        // Format 1's, and no other segment's: neither the one before nor the one behind.
        Assert.False(Plain.Holds(record));
        Assert.Equal(0xFFFF_FFFFu, Plain.EndOfPage);
        foreach (var other in new long[] { 0x7_0000_0004, 0x7_0000_0006, 5 + (1L << 30) })
        {
            Assert.False(RecordSeal.Of(2, 0x0102_0304_1020_3040, other).Holds(record));
            Assert.NotEqual(seal.EndOfPage, RecordSeal.Of(2, 0x0102_0304_1020_3040, other).EndOfPage);
        }
    }

    [Fact]
    public void The_checksum_sees_swapped_words()
    {
        // Trap 9: FASTER's own is an exclusive or and does not.
        var bytes = Enumerable.Range(0, 64).Select(i => (byte)i).ToArray();
        var swapped = bytes.ToArray();
        bytes.AsSpan(8, 8).CopyTo(swapped.AsSpan(16));
        bytes.AsSpan(16, 8).CopyTo(swapped.AsSpan(8));
        Assert.NotEqual(Crc32C.Compute(bytes), Crc32C.Compute(swapped));
    }

    [Fact]
    public void A_message_lies_as_the_format_says()
    {
        var record = new MailboxRecord
        {
            Type = RecordType.Message,
            Flags = 0x02,
            Mailbox = 0x1112131415161718,
            Sequence = 0x0021222324252627,
            Previous = 0x0031323334353637,
            EnqueuedAt = 0x41424344,
            ExpiresAt = 0x51525354,
            Sender = 0x6162636465666768,
            Number = 0x7172737475767778,
            Low = 0x0102030405060708,
            Incarnation = 0xA1A2A3A4,
        };
        Assert.Equal(
            "03020000" + "1817161514131211" + "2726252423222100" + "3736353433323100" + "44434241" + "54535251"
            + "6867666564636261" + "7877767574737271" + "0807060504030201" + "A4A3A2A1" + "00000000", Written(record));
    }

    [Fact]
    public void A_receipt_lies_like_a_message_with_kind_and_reason()
    {
        var record = new MailboxRecord { Type = RecordType.Receipt, Reason = 0xBEEF, Mailbox = 1, Sequence = 2, Kind = 3 };
        Assert.Equal(
            "0400EFBE" + "0100000000000000" + "0200000000000000" + new string('0', 16 + 8 + 8 + 16 + 16 + 16 + 8) + "03000000", Written(record));
    }

    [Fact]
    public void Acknowledgements_and_removals_lie_as_the_format_says()
    {
        Assert.Equal(
            "05000000" + "0100000000000000" + "0200000000000000" + "0A000000" + "0B000000",
            Written(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = 1, Sequence = 2 }, new RemovedEntries(10, 11, 12)));
        Assert.Equal(
            "0600EFBE" + "0100000000000000" + "0200000000000000" + "04030000",
            Written(new MailboxRecord { Type = RecordType.Remove, Mailbox = 1, Sequence = 2, Kind = (byte)RemoveReason.Lost, Reason = 0xBEEF }, new RemovedEntries(1, 0, 100)));
        Assert.Equal(
            "06000000" + "0100000000000000" + "0200000000000000" + "02040000",
            Written(new MailboxRecord { Type = RecordType.Remove, Mailbox = 1, Sequence = 2, Kind = (byte)RemoveReason.Expired }, new RemovedEntries(0, 1, 100)));
    }

    [Fact]
    public void A_moved_record_is_what_it_was_with_its_type_kept()
    {
        byte[] body = [1, 2, 3];
        foreach (var type in new[] { RecordType.Message, RecordType.Receipt })
        {
            var record = new byte[RecordLayout.MessageFixedBytes + body.Length];
            RecordLayout.Write(record.AsSpan(0, RecordLayout.MessageFixedBytes), new MailboxRecord { Type = type, Mailbox = 1, Sequence = 2, Sender = 3, Number = 4, Kind = 5, Body = body }, default);
            body.CopyTo(record.AsSpan(RecordLayout.MessageFixedBytes));
            var before = Convert.ToHexString(record);
            for (var times = 0; times < 2; times++)
            {
                RecordLayout.MakeMoved(record.AsSpan(0, RecordLayout.MessageFixedBytes), body, hasExpired: false);
                Assert.True(Plain.Holds(record));
                Assert.Equal((RecordType.Moved, type), (RecordLayout.TypeOf(record), RecordLayout.EntryTypeOf(record)));
                Assert.Equal($"09{before[10..138]}{(int)type:X2}{before[140..]}", Convert.ToHexString(record)[8..]);
            }

            var entry = RecordLayout.ReadEntry(record);
            Assert.Equal((type, 1ul, 2ul, 3ul, 4ul, 5), (entry.Type, entry.Mailbox, entry.Sequence, entry.Sender, entry.Number, entry.Kind));
            Assert.Equal(body, entry.Body.ToArray());
        }
    }

    [Fact]
    public void A_ledger_lies_as_the_format_says_and_is_read_back()
    {
        var tally = new LogTally();
        Count(new MailboxRecord { Type = RecordType.Message, Mailbox = 1, Sequence = 2 }, default, 1);
        Count(new MailboxRecord { Type = RecordType.Receipt, Mailbox = 1, Sequence = 2 }, default, 2);
        Count(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = 1, Sequence = 2 }, new RemovedEntries(3, 4, 0), 1);
        for (var reason = RemoveReason.Rejected; reason <= RemoveReason.Lost; reason++)
        {
            Count(new MailboxRecord { Type = RecordType.Remove, Mailbox = 1, Sequence = 2, Kind = (byte)reason, Reason = 9 }, new RemovedEntries(1, 0, 0), 4 + (int)reason);
            Count(new MailboxRecord { Type = RecordType.Remove, Mailbox = 1, Sequence = 2, Kind = (byte)reason, Reason = 9 }, new RemovedEntries(0, 1, 0), 8 + (int)reason);
        }

        var record = new byte[RecordLayout.LedgerBytes];
        tally.Write(record, 0x31323334);
        Assert.True(Plain.Holds(record));
        string Numbers(params long[] numbers) => string.Concat(numbers.Select(n => Convert.ToHexString(BitConverter.GetBytes(n))));
        Assert.Equal(
            "0D000000" + "3433323100000000" + new string('0', 16) + Numbers(1, 3, 5, 6, 7, 8) + Numbers(2, 4, 9, 10, 11, 12)
            + Numbers([.. Enumerable.Range(0, MailboxPartition.RejectionReasons).Select(r => r == 9 ? 5L : 0)]), Convert.ToHexString(record.AsSpan(4)));

        var read = LogTally.Read(record, out var through);
        Assert.Equal((0x31323334, tally.Ledger), (through, read.Ledger));
        Assert.Equal(tally.RejectedByReason.ToArray(), read.RejectedByReason.ToArray());

        void Count(in MailboxRecord from, RemovedEntries removed, int times)
        {
            var bytes = new byte[RecordLayout.FixedBytes(from.Type)];
            RecordLayout.Write(bytes, from, removed);
            for (; times > 0; times--) tally.Count(bytes);
        }
    }

    [Fact]
    public void Windows_and_devices_lie_as_the_format_says()
    {
        Assert.Equal(
            "07000000" + "0100000000000000" + "0300000000000000" + "0500000000000080" + "02000000" + "09000000",
            Written(new MailboxRecord { Type = RecordType.Window, Mailbox = 1, Incarnation = 2, Low = 3, Number = 0x8000000000000005, EnqueuedAt = 9 }));
        Assert.Equal(
            "08000000" + "0100000000000000" + "07000000",
            Written(new MailboxRecord { Type = RecordType.Device, Mailbox = 1, Incarnation = 7 }));
    }

    [Fact]
    public void Marks_and_reservations_lie_as_the_format_says()
    {
        var mark = new byte[RecordLayout.MarkBytes];
        RecordLayout.WriteMark(mark, 0x1112131415161718, 0x21222324);
        Assert.Equal("01000000" + "1817161514131211" + "2423222100000000", Convert.ToHexString(mark.AsSpan(4)));
        var reserve = new byte[RecordLayout.ReserveBytes];
        RecordLayout.WriteReserve(reserve, 0x11121314);
        Assert.Equal("02000000" + "1413121100000000", Convert.ToHexString(reserve.AsSpan(4)));
        Assert.True(Plain.Holds(mark) && Plain.Holds(reserve));
    }

    [Fact]
    public void The_superblock_lies_as_the_format_says()
    {
        var slot = new byte[Superblock.SlotBytes];
        new Superblock { Number = 2, Identity = 3, Begin = 64, Durable = 5, ReservedThrough = 6, SegmentBytes = 1 << 26, PageBytes = 1 << 20, Clean = true, Generation = 7, SteadyTime = 8 }.Write(slot);
        Assert.Equal("GWYSUPER", Encoding.ASCII.GetString(slot.AsSpan(0, 8)));
        Assert.Equal(
            "02000000" + "01000000" + "0200000000000000" + "0300000000000000" + "4000000000000000" + "0500000000000000" + "0600000000000000"
            + "0000000400000000" + "00001000", Convert.ToHexString(slot.AsSpan(8, 60)));
        Assert.Equal(Crc32C.Compute(slot.AsSpan(0, 68)), BitConverter.ToUInt32(slot, 68));
        Assert.Equal("07000000" + "08000000", Convert.ToHexString(slot.AsSpan(72, 8)));
        Assert.Equal(Crc32C.Compute(slot.AsSpan(0, 80)), BitConverter.ToUInt32(slot, 80));
        Assert.False(slot.AsSpan(84).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void A_segment_header_lies_as_the_format_says()
    {
        var header = new byte[SegmentHeader.Bytes];
        SegmentHeader.Write(header, identity: 3, segment: 4, segmentBytes: 1 << 26, pageBytes: 1 << 20);
        Assert.Equal("GWYSEGMT", Encoding.ASCII.GetString(header.AsSpan(0, 8)));
        Assert.Equal("02000000" + "00001000" + "0300000000000000" + "0400000000000000" + "0000000400000000", Convert.ToHexString(header.AsSpan(8, 32)));
        Assert.Equal(Crc32C.Compute(header.AsSpan(0, 40)), BitConverter.ToUInt32(header, 40));
        Assert.Equal(0u, BitConverter.ToUInt32(header, 44));
        Assert.Equal(Crc32C.Compute(header.AsSpan(0, 48)), BitConverter.ToUInt32(header, 48));
        Assert.False(header.AsSpan(52).ContainsAnyExcept((byte)0));
        SegmentHeader.Write(header, identity: 3, segment: 4, segmentBytes: 1 << 26, pageBytes: 1 << 20, usedAgain: true);
        Assert.Equal(1u, BitConverter.ToUInt32(header, 44));
        Assert.True(SegmentHeader.IsUsedAgain(header) && SegmentHeader.TryRead(header, "here", out _));
        SegmentHeader.Write(header, identity: 3, segment: 4, segmentBytes: 1 << 26, pageBytes: 1 << 20, format: 1);
        Assert.False(header.AsSpan(44).ContainsAnyExcept((byte)0));
        Assert.True(SegmentHeader.TryRead(header, "here", out _));
        Assert.Equal("000000000000002a.segment", SegmentHeader.FileName(42));
    }

    [Fact]
    public void Index_structures_have_the_sizes_that_the_memory_bars_count_on()
    {
        Assert.Equal(16, Unsafe.SizeOf<IndexEntry>());
        Assert.Equal(24, Unsafe.SizeOf<MailboxSlot>());
        Assert.Equal(16, Unsafe.SizeOf<ChunkHeader>());
    }

    [Theory]
    [InlineData(1ul, 64L, 76, false)]
    [InlineData(IndexEntry.MaxSequence, IndexEntry.MaxAddress, IndexEntry.MaxBytes, true)]
    [InlineData(0x000F_0F0F_0F0F_0F0Ful, 0x0003_3333_3333_3330L, 0x5_5554, false)]
    public void An_index_entry_keeps_its_fields_apart(ulong sequence, long address, int bytes, bool isReceipt)
    {
        var entry = new IndexEntry(sequence, address, bytes, isReceipt);
        Assert.Equal((sequence, address, bytes, isReceipt), (entry.Sequence, entry.Address, entry.Bytes, entry.IsReceipt));
        var slot = new MailboxSlot();
        slot.SetSingle(entry);
        Assert.False(slot.HasMany);
        Assert.Equal(entry, slot.Single);
    }

    [Fact]
    public void A_gap_keeps_what_it_covers_but_for_its_head()
    {
        var record = Enumerable.Range(0, 28).Select(i => (byte)(0xA0 + i)).ToArray();
        RecordLayout.WriteGap(record, 0x01020304, 0x05060708, -2, 3);
        Assert.True(Plain.Holds(record));
        Assert.Equal("0F000000" + "04030201" + "08070605" + "FEFFFFFF" + "03000000" + "B8B9BABB", Convert.ToHexString(record.AsSpan(4)));
        var tally = new Gateway.Mailbox.Recovery.LogTally();
        tally.Count(record);
        Assert.Equal(new LedgerColumn(2, 0, 0, 0, 0, 0x01020304), tally.Ledger.Messages);
        Assert.Equal(new LedgerColumn(0, 3, 0, 0, 0, 0x05060708), tally.Ledger.Receipts);

        var shortest = Enumerable.Range(0, 16).Select(i => (byte)(0xA0 + i)).ToArray();
        RecordLayout.WriteGap(shortest, 1, 2, 0, 0);
        Assert.True(Plain.Holds(shortest));
        Assert.Equal("0F000000" + "01000000" + "02000000", Convert.ToHexString(shortest.AsSpan(4)));
    }

    [Fact]
    public void Record_type_numbers_never_change()
    {
        Assert.Equal(
            ["None", "Mark", "Reserve", "Message", "Receipt", "AckUpTo", "Remove", "Window", "Device", "Moved", "Fanout", "Entry", "FanoutDone", "LedgerTotals", "Generation", "Gap", "Expire"],
            Enum.GetValues<RecordType>().Order().Select((type, i) => (int)type == i ? type.ToString() : "?"));
        Assert.Equal([1, 2, 3, 4], Enum.GetValues<RemoveReason>().Order().Skip(1).Select(r => (int)r));
    }

    /// <summary>The record after its checksum, which must hold.</summary>
    private static string Written(in MailboxRecord record, RemovedEntries removed = default)
    {
        var bytes = new byte[RecordLayout.FixedBytes(record.Type)];
        RecordLayout.Write(bytes, record, removed);
        Assert.True(Plain.Holds(bytes));
        return Convert.ToHexString(bytes.AsSpan(4));
    }
}
