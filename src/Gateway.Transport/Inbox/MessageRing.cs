using System.Numerics;
using System.Runtime.InteropServices;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Inbox;

/// <summary>
/// A bounded ring of variable-length messages between one producer thread and one consumer thread. A message lies in one piece, so that
/// it is handed out where it lies:
/// <code>
/// length u32 | written at u32, ms | payload ... | zero to seven bytes, so that the next header is 8-byte aligned
/// </code>
/// A length of all ones skips to the start of the ring. Positions count bytes and never wrap. Memory is taken from the kernel by the
/// producer's first write and then page by page, as far as the ring was ever filled: one that restarts is at its start again whenever it is
/// found empty at the end of a page. There are as many lanes as reactors squared, and most of most of them is never needed.
/// <para>Order: the producer fills a message, then stores Tail with release; the consumer loads Tail with acquire, so it sees whole
/// messages. The consumer has done with a message, then stores Head with release; the producer loads Head with acquire before it writes
/// over it. Each side keeps its own copy of the other's position and touches the other's cache line only when that copy says empty or
/// full.</para>
/// </summary>
internal sealed unsafe class MessageRing : IElastic, IDisposable
{
    private const int HeaderBytes = 8;
    private const int TimeOffset = 4;
    private const int Alignment = 8;
    private const uint Skip = uint.MaxValue;
    private const int PageBytes = 4096;

    private readonly long _capacity;
    private readonly bool _restarts;
    private byte* _bytes;
    // The producer's: where its interval began, and up to where it wrote since the memory was last given back.
    private long _rolledAt;
    private long _givenBackAt;
    private bool _surplus;
    private Positions _positions;

    /// <param name="capacityBytes">Rounded up to a power of two of at least a page.</param>
    /// <param name="restarts">
    /// Goes back to the start when it may. What is skipped is not to be had until the next message was taken: not for a ring that
    /// promises room.
    /// </param>
    public MessageRing(long capacityBytes, bool restarts = false)
    {
        _capacity = (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(capacityBytes, PageBytes));
        _restarts = restarts;
    }

    /// <summary>Ring bytes that a message of <paramref name="payloadBytes"/> takes.</summary>
    public static long SizeOf(int payloadBytes) => (HeaderBytes + (long)payloadBytes + Alignment - 1) & -Alignment;

    /// <summary>The largest payload that fits whenever the ring is empty, wherever the positions stand.</summary>
    public long MaxPayloadBytes => _capacity / 2 - HeaderBytes;

    /// <summary>Either side: a message is there that the consumer has not taken. Exact on the consumer's thread.</summary>
    public bool HasMessages => Volatile.Read(ref _positions.Tail) != Volatile.Read(ref _positions.Head);

    /// <summary>Messages written so far. Any thread.</summary>
    public long Written => Volatile.Read(ref _positions.Written);

    /// <summary>Messages taken so far. Any thread.</summary>
    public long Taken => Volatile.Read(ref _positions.Taken);

    /// <summary>
    /// When the oldest message that is not taken was written; false when there is none. Any thread, while the ring lives: it reads where the
    /// consumer would, and throws the answer away if the consumer has passed by meanwhile, since then the producer may have written there.
    /// </summary>
    public bool TryReadOldest(out uint writtenAtMs)
    {
        while (true)
        {
            var head = Volatile.Read(ref _positions.Head);
            writtenAtMs = 0;
            if (Volatile.Read(ref _positions.Tail) == head) return false;
            var offset = head & (_capacity - 1);
            // SAFETY: a Tail above Head means that the memory is there, and it stays until Dispose; the words may be stale, which the
            // second look at Head tells. Head stands at a header, or at a skip, behind which the ring's first header is the next.
            if (Volatile.Read(ref *(uint*)(_bytes + offset)) == Skip) offset = 0;
            writtenAtMs = Volatile.Read(ref *(uint*)(_bytes + offset + TimeOffset));
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _positions.Head) == head) return true;
        }
    }

    /// <summary>Producer: appends head and body as one message; false when there is no room now.</summary>
    public bool TryWrite(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, uint nowMs = 0)
    {
        var payloadBytes = head.Length + body.Length;
        var size = SizeOf(payloadBytes);
        var tail = _positions.Tail;
        var offset = tail & (_capacity - 1);
        var toEnd = _capacity - offset;
        var skipped = size > toEnd || MayRestart(tail, offset, size) ? toEnd : 0;
        if (!HasRoom(tail, size + skipped)) return false;
        if (_bytes is null) Allocate();

        // SAFETY: [offset, offset + size) lies in the ring, is 8-byte aligned, and is the producer's until Tail passes it.
        if (skipped != 0)
        {
            *(uint*)(_bytes + offset) = Skip;
            offset = 0;
        }

        *(uint*)(_bytes + offset) = (uint)payloadBytes;
        *(uint*)(_bytes + offset + TimeOffset) = nowMs;
        var payload = new Span<byte>(_bytes + offset + HeaderBytes, payloadBytes);
        head.CopyTo(payload);
        body.CopyTo(payload[head.Length..]);
        Volatile.Write(ref _positions.Tail, tail + skipped + size);
        Volatile.Write(ref _positions.Written, _positions.Written + 1);
        return true;
    }

    /// <summary>Producer: whether a message of that size would be taken now.</summary>
    public bool CanWrite(int payloadBytes)
    {
        var size = SizeOf(payloadBytes);
        var toEnd = _capacity - (_positions.Tail & (_capacity - 1));
        return HasRoom(_positions.Tail, size > toEnd ? size + toEnd : size);
    }

    /// <summary>Consumer: the oldest message, valid until <see cref="Release"/>, which must follow before the next call.</summary>
    public bool TryRead(out ReadOnlySpan<byte> message)
    {
        var head = _positions.Head;
        while (true)
        {
            if (head == _positions.TailSeen)
            {
                _positions.TailSeen = Volatile.Read(ref _positions.Tail);
                if (head == _positions.TailSeen)
                {
                    message = default;
                    return false;
                }
            }

            var offset = head & (_capacity - 1);
            // SAFETY: Head is below the Tail loaded with acquire, so a whole header and payload lie here. _bytes was stored before that Tail.
            var length = *(uint*)(_bytes + offset);
            if (length != Skip)
            {
                message = new ReadOnlySpan<byte>(_bytes + offset + HeaderBytes, (int)length);
                _positions.ReadEnd = head + SizeOf((int)length);
                return true;
            }

            head += _capacity - offset;
        }
    }

    /// <summary>Consumer: has done with the message that <see cref="TryRead"/> gave; its room is the producer's again.</summary>
    public void Release()
    {
        Volatile.Write(ref _positions.Head, _positions.ReadEnd);
        Volatile.Write(ref _positions.Taken, _positions.Taken + 1);
    }

    /// <summary>Producer, after a refused write: asks the consumer to say when room came back. The write must be tried again afterwards.</summary>
    public void AskForRoom()
    {
        Volatile.Write(ref _positions.RoomAsked, 1);
        // Store, then the load of Head in the next try. The consumer stores Head, then loads RoomAsked, with a full fence between as
        // well: one of the two sees the other, so the question is never lost.
        Interlocked.MemoryBarrier();
    }

    /// <summary>Consumer, after its releases and a full fence: whether the producer had asked for room. Answers once.</summary>
    public bool TakeRoomAsked()
    {
        if (Volatile.Read(ref _positions.RoomAsked) == 0) return false;
        Volatile.Write(ref _positions.RoomAsked, 0);
        return true;
    }

    /// <summary>Bytes written since the memory was last given back: no more than these are held, nor more than the ring. Producer.</summary>
    public long TouchedBytes => Math.Min(_capacity, _positions.Tail - _givenBackAt);

    /// <summary>Producer.</summary>
    public void Roll()
    {
        // A ring that is half filled in an interval keeps what it has.
        _surplus = _positions.Tail - _rolledAt < _capacity / 8;
        _rolledAt = _positions.Tail;
    }

    /// <summary>
    /// Producer: an empty ring that was hardly used of late gives its memory back; it stays usable. The consumer touches nothing of an empty
    /// ring, and who looks for its oldest message from elsewhere finds zeros and sees by the head that they mean nothing.
    /// </summary>
    public bool GiveBack()
    {
        if (!_surplus || _bytes is null || TouchedBytes <= PageBytes || HasMessages) return false;
        _surplus = false;
        _givenBackAt = _positions.Tail;
        _ = Syscalls.GiveBack((nint)_bytes, (nuint)_capacity);
        return true;
    }

    public void Dispose()
    {
        if (_bytes is null) return;
        _ = Syscalls.Unmap((nint)_bytes, (nuint)_capacity);
        _bytes = null;
    }

    /// <summary>
    /// The message would begin another page and the ring is empty. Only there is the consumer's position looked at, so that a busy ring does
    /// not share its cache line for every message. What is skipped and the message fit together if the message ends before this offset.
    /// </summary>
    private bool MayRestart(long tail, long offset, long size)
    {
        if (!_restarts || size > offset) return false;
        var inPage = offset & (PageBytes - 1);
        if (inPage != 0 && inPage + size <= PageBytes) return false;
        _positions.HeadSeen = Volatile.Read(ref _positions.Head);
        return _positions.HeadSeen == tail;
    }

    private bool HasRoom(long tail, long size)
    {
        if (tail + size - _positions.HeadSeen <= _capacity) return true;
        _positions.HeadSeen = Volatile.Read(ref _positions.Head);
        return tail + size - _positions.HeadSeen <= _capacity;
    }

    private void Allocate()
    {
        var memory = Syscalls.Reserve((nuint)_capacity);
        if (memory == 0 || Syscalls.Commit(memory, (nuint)_capacity, hugePages: false) < 0)
            throw new InsufficientMemoryException($"No memory for a message ring of {_capacity} bytes.");
        _bytes = (byte*)memory;
    }

    /// <summary>Producer's and consumer's fields, two cache lines apart so that adjacent-line prefetch does not join them.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    private struct Positions
    {
        [FieldOffset(128)] public long Tail;
        [FieldOffset(136)] public long HeadSeen;
        [FieldOffset(144)] public long Written;
        [FieldOffset(256)] public long Head;
        [FieldOffset(264)] public long TailSeen;
        [FieldOffset(272)] public long ReadEnd;
        [FieldOffset(280)] public long Taken;
        [FieldOffset(384)] public int RoomAsked;
    }
}
