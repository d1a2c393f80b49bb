using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Index;

/// <summary>
/// One pending entry in 16 bytes:
/// <code>
/// word 0   63                              12 11          0
///          | sequence (52 bits: to year 2112) | length low |
/// word 1   63  62     56 55      54     49 48               1 .. 0
///          | 0 | life   | receipt | length high | address / 4 (48 bits: 1 PiB of log) |
/// </code>
/// length is the record's bytes of log / 4 (18 bits: 1 MiB), life a step of <see cref="Index.Life"/>, counted from the sequence. Bit 63 of word 1 tells a slot with several entries from one with its entry inline.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct IndexEntry
{
    public const ulong MaxSequence = (1UL << 52) - 1;
    public const long MaxAddress = (1L << 50) - 4;
    public const int MaxBytes = ((1 << 18) - 1) * 4;

    private const int LengthHighShift = 48;
    private const int ReceiptShift = 55;
    private const int LifeShift = 56;
    private const ulong LifeMask = (ulong)Index.Life.Expired << LifeShift;
    private const ulong AddressMask = (1UL << 48) - 1;

    private readonly ulong _word0;
    private readonly ulong _word1;

    /// <param name="sequence">1 to <see cref="MaxSequence"/>.</param>
    /// <param name="address">Of FASTER's length in front of the record; a multiple of 4.</param>
    /// <param name="bytes">Of log; a multiple of 4.</param>
    /// <param name="isReceipt">Otherwise a message.</param>
    /// <param name="life">A step of <see cref="Index.Life"/>.</param>
    public IndexEntry(ulong sequence, long address, int bytes, bool isReceipt, int life = Index.Life.Endless)
    {
        if (sequence > MaxSequence || (ulong)address > (ulong)MaxAddress || (uint)bytes > MaxBytes) ThrowTooLarge(sequence, address, bytes);
        var length = (ulong)bytes >> 2;
        _word0 = sequence << 12 | (length & 0xFFF);
        _word1 = (ulong)address >> 2 | (length >> 12) << LengthHighShift | (isReceipt ? 1UL << ReceiptShift : 0) | (ulong)life << LifeShift;
    }

    public IndexEntry(ulong word0, ulong word1) => (_word0, _word1) = (word0, word1);

    public ulong Word0 => _word0;
    public ulong Word1 => _word1;
    public ulong Sequence => _word0 >> 12;
    public long Address => (long)(_word1 & AddressMask) << 2;
    public int Bytes => (int)((_word0 & 0xFFF) | (_word1 >> LengthHighShift & 0x3F) << 12) << 2;

    public int Life => (int)((_word1 & LifeMask) >> LifeShift);

    public bool IsReceipt => (_word1 >> ReceiptShift & 1) != 0;

    /// <summary>Its life is over and that is recorded: it is nobody's to deliver or to acknowledge, and goes when its sender is told.</summary>
    public bool HasExpired => (_word1 & LifeMask) == LifeMask;

    /// <summary>The same entry with its record elsewhere.</summary>
    public IndexEntry At(long address) => new(Sequence, address, Bytes, IsReceipt, Life);

    /// <summary>The same entry with its life over.</summary>
    public IndexEntry Expired() => new(_word0, _word1 | LifeMask);

    /// <summary>Whether its life is over at this time, seconds since 1970, recorded or not.</summary>
    public bool IsOver(uint now)
    {
        var life = Life;
        // Sequences are the microseconds at which they were given out. The second that is under way is not over yet.
        return life == Index.Life.Expired || (life != Index.Life.Endless && Sequence / 1_000_000 + Index.Life.SecondsOf(life) < now);
    }

    private static void ThrowTooLarge(ulong sequence, long address, int bytes) =>
        throw new LogFailedException($"Sequence {sequence}, address {address} or length {bytes} does not fit an index entry.");
}
