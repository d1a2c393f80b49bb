using System.Runtime.InteropServices;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Index;
using Gateway.Mailbox.Reading;

namespace Gateway.Mailbox;

/// <summary>
/// Entries of one mailbox read from the log, bodies included. The partition's thread has it, lends it to a reader thread between
/// <see cref="MailboxPartition.TryBeginRead"/> and <see cref="MailboxPartition.TryTakePage"/>, and gives it back by <see cref="Release"/>.
/// Records point into its native buffer and die with the release.
/// </summary>
public sealed unsafe class MailboxPage
{
    /// <summary>Most entries one page takes.</summary>
    public const int MaxEntries = 1024;

    private readonly PageQueue _home;
    private byte* _buffer;
    private readonly IndexEntry* _entries;
    private readonly int* _offsets;
    private int _next;
    private bool _taken;

    internal MailboxPage(PageQueue home, int capacity)
    {
        _home = home;
        Capacity = capacity;
        // SAFETY: three blocks of native memory that this page owns until Free.
        _buffer = (byte*)NativeMemory.AlignedAlloc((nuint)capacity, 64);
        _entries = (IndexEntry*)NativeMemory.Alloc(MaxEntries, (nuint)sizeof(IndexEntry));
        _offsets = (int*)NativeMemory.Alloc(MaxEntries, sizeof(int));
    }

    public ulong Token { get; private set; }
    public ulong Mailbox { get; private set; }
    public int Count { get; private set; }

    /// <summary>When it was last asked for, in microseconds since 1970.</summary>
    internal long AskedAtUs { get; set; }

    internal int Capacity { get; }

    // SAFETY (all three): within the blocks allocated above, which live until Free.
    internal Span<byte> Buffer => new(_buffer, Capacity);
    internal ReadOnlySpan<IndexEntry> Entries => new(_entries, Count);
    internal Span<int> Offsets => new(_offsets, Count);

    /// <summary>The next record in sequence order; false after the last. Its body lies in the page.</summary>
    /// <exception cref="InvalidOperationException">The page was released.</exception>
    public bool TryNext(out MailboxRecord record)
    {
        if (!_taken) throw new InvalidOperationException("The page was released.");
        if (_next == Count)
        {
            record = default;
            return false;
        }

        // SAFETY: the reader has placed a checked record of this length there.
        var length = *(int*)(_buffer + _offsets[_next]);
        record = RecordLayout.ReadEntry(new ReadOnlySpan<byte>(_buffer + _offsets[_next] + RecordLayout.LengthBytes, length));
        _next++;
        return true;
    }

    /// <summary>Gives the buffer back for another read.</summary>
    /// <exception cref="InvalidOperationException">The page was released already.</exception>
    public void Release()
    {
        if (!_taken) throw new InvalidOperationException("The page was released already.");
        _taken = false;
        _home.Return(this);
    }

    // SAFETY: within the block allocated above.
    internal Span<IndexEntry> EntriesUpTo(int count) => new(_entries, Math.Clamp(count, 0, MaxEntries));

    internal void Ask(ulong mailbox, ulong token, int count) => (Mailbox, Token, Count, _next) = (mailbox, token, count, 0);

    internal void OnTaken() => _taken = true;

    internal void Free()
    {
        // SAFETY: freed once, when no thread uses the page any more.
        _taken = false;
        if (_buffer is null) return;
        NativeMemory.AlignedFree(_buffer);
        NativeMemory.Free(_entries);
        NativeMemory.Free(_offsets);
        _buffer = null;
    }
}
