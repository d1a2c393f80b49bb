using System.Buffers.Binary;

namespace Gateway.Mailbox.Format;

/// <summary>
/// What must be known before the log can be read. Two slots of 4096 bytes in one pre-allocated file, written in turn; the valid one
/// with the higher number counts.
/// <code>
/// magic u64 | format u32 | flags u32 (1: closed cleanly) | number u64 | log identity u64 | begin address u64 | durable address u64
/// | reserved sequence u64 | segment bytes u64 | page bytes u32 | crc32c u32 | generation u32 | steady time u32 | crc32c u32 | zeros
/// </code>
/// </summary>
internal readonly record struct Superblock
{
    public const int SlotBytes = 4096;
    public const int FileBytes = 2 * SlotBytes;
    public const string FileName = "superblock";

    /// <summary>"GWYSUPER" on disk.</summary>
    public const ulong Magic = 0x5245_5055_5359_5747;
    public const int CrcOffset = 68;

    /// <summary>Of what a log that was made before these fields holds zeros for. Its own checksum's place is <see cref="SecondCrcOffset"/>.</summary>
    private const int GenerationOffset = 72;
    private const int SteadyTimeOffset = 76;
    public const int SecondCrcOffset = 80;
    private const int SecondCrcEnd = 84;

    public ulong Number { get; init; }
    public ulong Identity { get; init; }

    /// <summary>The log's first kept byte.</summary>
    public long Begin { get; init; }

    /// <summary>All before it was durable when this was written.</summary>
    public long Durable { get; init; }

    /// <summary>No sequence above it was given out when this was written.</summary>
    public ulong ReservedThrough { get; init; }
    public long SegmentBytes { get; init; }
    public int PageBytes { get; init; }

    /// <summary>The log was closed with its tail at <see cref="Durable"/>.</summary>
    public bool Clean { get; init; }

    /// <summary>0: the log never was restored. Otherwise higher than that of every life of this log before; see <see cref="GenerationAfter"/>.</summary>
    public uint Generation { get; init; }

    /// <summary>s since 1970 by <see cref="Commit.SteadyClock"/> when this was written; 0: unknown.</summary>
    public uint SteadyTime { get; init; }

    /// <summary>
    /// The generation of a log that lives on from an earlier state: above the one it had, and above one that another restore from the same state
    /// was given earlier, which only the clock can tell.
    /// </summary>
    public static uint GenerationAfter(uint before, DateTimeOffset now) => Math.Max(before + 1, (uint)Math.Clamp(now.ToUnixTimeSeconds(), 0, uint.MaxValue));

    public void Write(Span<byte> slot)
    {
        slot[..SlotBytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(slot, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[8..], RecordLayout.FormatVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[12..], Clean ? 1u : 0u);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[16..], Number);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[24..], Identity);
        BinaryPrimitives.WriteInt64LittleEndian(slot[32..], Begin);
        BinaryPrimitives.WriteInt64LittleEndian(slot[40..], Durable);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[48..], ReservedThrough);
        BinaryPrimitives.WriteInt64LittleEndian(slot[56..], SegmentBytes);
        BinaryPrimitives.WriteInt32LittleEndian(slot[64..], PageBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[CrcOffset..], Crc32C.Compute(slot[..CrcOffset]));
        BinaryPrimitives.WriteUInt32LittleEndian(slot[GenerationOffset..], Generation);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[SteadyTimeOffset..], SteadyTime);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[SecondCrcOffset..], Crc32C.Compute(slot[..SecondCrcOffset]));
    }

    /// <summary>False when the slot is empty, torn or damaged.</summary>
    /// <exception cref="LogVersionException">It is whole, and of a format that this build does not read.</exception>
    public static bool TryRead(ReadOnlySpan<byte> slot, string path, out Superblock superblock)
    {
        superblock = default;
        if (slot.Length < SlotBytes || BinaryPrimitives.ReadUInt64LittleEndian(slot) != Magic) return false;

        // The checksum's place is the same in every format, so that a newer one is recognised and not taken for damage.
        if (BinaryPrimitives.ReadUInt32LittleEndian(slot[CrcOffset..]) != Crc32C.Compute(slot[..CrcOffset])) return false;
        FormatVersions.Require(BinaryPrimitives.ReadUInt32LittleEndian(slot[8..]), path);
        if (slot[GenerationOffset..SecondCrcEnd].ContainsAnyExcept((byte)0)
            && BinaryPrimitives.ReadUInt32LittleEndian(slot[SecondCrcOffset..]) != Crc32C.Compute(slot[..SecondCrcOffset])) return false;
        superblock = new Superblock
        {
            Clean = (BinaryPrimitives.ReadUInt32LittleEndian(slot[12..]) & 1) != 0,
            Number = BinaryPrimitives.ReadUInt64LittleEndian(slot[16..]),
            Identity = BinaryPrimitives.ReadUInt64LittleEndian(slot[24..]),
            Begin = BinaryPrimitives.ReadInt64LittleEndian(slot[32..]),
            Durable = BinaryPrimitives.ReadInt64LittleEndian(slot[40..]),
            ReservedThrough = BinaryPrimitives.ReadUInt64LittleEndian(slot[48..]),
            SegmentBytes = BinaryPrimitives.ReadInt64LittleEndian(slot[56..]),
            PageBytes = BinaryPrimitives.ReadInt32LittleEndian(slot[64..]),
            Generation = BinaryPrimitives.ReadUInt32LittleEndian(slot[GenerationOffset..]),
            SteadyTime = BinaryPrimitives.ReadUInt32LittleEndian(slot[SteadyTimeOffset..]),
        };
        return true;
    }
}
