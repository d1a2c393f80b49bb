using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Index;

/// <summary>
/// One mailbox with something pending, 24 bytes. Mailbox 0 marks a free slot. With one entry, the entry itself; with more:
/// <code>
/// word 0   63          32 31           0
///          | last chunk  | first chunk |
/// word 1   63  62              35 34         0     (bytes / 4: 128 GiB a mailbox; entries: 268 million)
///          | 1 | entries (28 bits)| bytes / 4 (35 bits) |
/// </code>
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
internal struct MailboxSlot
{
    public const long MaxEntries = (1L << 28) - 1;

    private const int ManyShift = 63;
    private const int EntriesShift = 35;
    private const ulong BytesMask = (1UL << EntriesShift) - 1;

    public ulong Mailbox;
    private ulong _word0;
    private ulong _word1;

    public readonly bool HasMany => _word1 >> ManyShift != 0;

    /// <summary>Only without <see cref="HasMany"/>.</summary>
    public readonly IndexEntry Single => new(_word0, _word1);

    /// <summary>Only with <see cref="HasMany"/>, like the three below.</summary>
    public readonly uint FirstChunk => (uint)_word0;
    public readonly uint LastChunk => (uint)(_word0 >> 32);
    public readonly long Entries => (long)(_word1 >> EntriesShift & (ulong)MaxEntries);
    public readonly long Bytes => (long)(_word1 & BytesMask) << 2;

    public void SetSingle(IndexEntry entry) => (_word0, _word1) = (entry.Word0, entry.Word1);

    public void SetMany(uint firstChunk, uint lastChunk, long entries, long bytes)
    {
        if ((ulong)entries > (ulong)MaxEntries || (ulong)bytes >> 2 > BytesMask) throw new LogFailedException($"Mailbox {Mailbox} has {entries} entries of {bytes} bytes, more than the index holds.");
        _word0 = (ulong)lastChunk << 32 | firstChunk;
        _word1 = 1UL << ManyShift | (ulong)entries << EntriesShift | (ulong)bytes >> 2;
    }
}
