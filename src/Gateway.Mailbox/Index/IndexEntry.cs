using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Index;

/// <summary>
/// One pending entry in 16 bytes:
/// <code>
/// word 0   63                              12 11          0
///          | sequence (52 bits: to year 2112) | length low |
/// word 1   63  62     56 55      54     49 48               1 .. 0
///          | 0 | spare  | receipt | length high | address / 4 (48 bits: 1 PiB of log) |
/// </code>
/// length is the record's bytes of log / 4 (18 bits: 1 MiB). Bit 63 of word 1 tells a slot with several entries from one with its entry inline.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct IndexEntry
{
    public const ulong MaxSequence = (1UL << 52) - 1;
    public const long MaxAddress = (1L << 50) - 4;
    public const int MaxBytes = ((1 << 18) - 1) * 4;

    private const int LengthHighShift = 48;
    private const int ReceiptShift = 55;
    private const ulong AddressMask = (1UL << 48) - 1;

    private readonly ulong _word0;
    private readonly ulong _word1;

    /// <param name="sequence">1 to <see cref="MaxSequence"/>.</param>
    /// <param name="address">Of FASTER's length in front of the record; a multiple of 4.</param>
    /// <param name="bytes">Of log; a multiple of 4.</param>
    /// <param name="isReceipt">Otherwise a message.</param>
    public IndexEntry(ulong sequence, long address, int bytes, bool isReceipt)
    {
        if (sequence > MaxSequence || (ulong)address > (ulong)MaxAddress || (uint)bytes > MaxBytes) ThrowTooLarge(sequence, address, bytes);
        var length = (ulong)bytes >> 2;
        _word0 = sequence << 12 | (length & 0xFFF);
        _word1 = (ulong)address >> 2 | (length >> 12) << LengthHighShift | (isReceipt ? 1UL << ReceiptShift : 0);
    }

    public IndexEntry(ulong word0, ulong word1) => (_word0, _word1) = (word0, word1);

    public ulong Word0 => _word0;
    public ulong Word1 => _word1;
    public ulong Sequence => _word0 >> 12;
    public long Address => (long)(_word1 & AddressMask) << 2;
    public int Bytes => (int)((_word0 & 0xFFF) | (_word1 >> LengthHighShift & 0x3F) << 12) << 2;

    /// <summary>The same entry with its record elsewhere.</summary>
    public IndexEntry At(long address) => new(Sequence, address, Bytes, IsReceipt);

    public bool IsReceipt => (_word1 >> ReceiptShift & 1) != 0;

    private static void ThrowTooLarge(ulong sequence, long address, int bytes) =>
        throw new LogFailedException($"Sequence {sequence}, address {address} or length {bytes} does not fit an index entry.");
}
