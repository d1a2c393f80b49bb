using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// The buffers of one ring's multishot receives: the kernel takes one for each receive, and gets it back after the reactor has seen its
/// bytes. Taken by the first connection that becomes busy, so that quiet ones cost nothing. Owned by the ring's thread. Invariant: a
/// buffer is the kernel's from <see cref="Return"/> until the completion that names it.
/// </summary>
internal sealed unsafe class ProvidedBuffers : IDisposable
{
    private readonly byte* _ring;
    private readonly byte* _buffers;
    private readonly nuint _bytes;
    private readonly int _entries;
    private readonly int _bufferBytes;
    private ushort _tail;

    private ProvidedBuffers(nint memory, nuint bytes, int entries, int bufferBytes)
    {
        _ring = (byte*)memory;
        _bytes = bytes;
        _entries = entries;
        _bufferBytes = bufferBytes;
        _buffers = _ring + RingBytes(entries);
    }

    public int BufferBytes => _bufferBytes;

    /// <summary>Gives a ring its buffers; null when the kernel or memory refuses, and then there are no multishot receives.</summary>
    public static ProvidedBuffers? Give(Ring ring, int entries, int bufferBytes)
    {
        var bytes = (nuint)RingBytes(entries) + (nuint)entries * (nuint)bufferBytes;
        var memory = Syscalls.Reserve(bytes);
        if (memory == 0) return null;
        if (Syscalls.Commit(memory, bytes, hugePages: false) < 0 || ring.RegisterBuffers(memory, entries) < 0)
        {
            _ = Syscalls.Unmap(memory, bytes);
            return null;
        }

        var buffers = new ProvidedBuffers(memory, bytes, entries, bufferBytes);
        for (var id = 0; id < entries; id++) buffers.Return(id);
        return buffers;
    }

    /// <summary>What the kernel put into a buffer; valid until it is returned.</summary>
    public ReadOnlySpan<byte> Bytes(int id, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)id, (uint)_entries, nameof(id));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)_bufferBytes, nameof(length));
        // SAFETY: within the mapping, by the two checks.
        return new ReadOnlySpan<byte>(_buffers + (nint)id * _bufferBytes, length);
    }

    public void Return(int id)
    {
        // SAFETY: masked into the ring; entries is a power of two, and a buffer is returned once for each time it was taken.
        var entry = (ProvidedBuffer*)_ring + (_tail & _entries - 1);
        // Field by field: the ring's tail lies over the first entry's unused bytes.
        entry->Address = (ulong)(_buffers + (nint)id * _bufferBytes);
        entry->Length = (uint)_bufferBytes;
        entry->Id = (ushort)id;
        Volatile.Write(ref *(ushort*)(_ring + ProvidedBuffer.TailOffset), ++_tail);
    }

    public void Dispose() => _ = Syscalls.Unmap((nint)_ring, _bytes);

    private static int RingBytes(int entries) => Math.Max(4096, entries * ProvidedBuffer.SizeBytes);
}
