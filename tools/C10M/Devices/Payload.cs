using System.Buffers.Binary;

namespace Gateway.Load.Devices;

/// <summary>
/// What a message carries, so that its recipient can tell which one it is and that none of its bytes changed:
/// <code>run u32 | stream u32 | index u64 | filler</code>
/// The filler is a window of seed-derived bytes whose place follows from stream and index: verifying is one vectorised comparison.
/// Immutable.
/// </summary>
internal sealed class Payload
{
    public const int MinBytes = 16;

    /// <summary>Distinct places of the window; prime, so that neighbouring indexes differ.</summary>
    private const int Places = 4093;

    private readonly byte[] _filler;
    private readonly uint _run;

    /// <param name="run">Tells this run's messages from those another left in the mailboxes.</param>
    /// <param name="seed">Of the filler.</param>
    /// <param name="maxBytes">The longest body.</param>
    public Payload(uint run, ulong seed, int maxBytes)
    {
        _run = run;
        _filler = new byte[(maxBytes + Places + 15) / 8 * 8];
        for (var i = 0; i < _filler.Length; i += 8)
            BinaryPrimitives.WriteUInt64LittleEndian(_filler.AsSpan(i), Hash.Of(seed, 0xF111, (ulong)i));
    }

    /// <summary>Fills <paramref name="body"/>, at least <see cref="MinBytes"/> long.</summary>
    public void Write(Span<byte> body, uint stream, ulong index)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(body, _run);
        BinaryPrimitives.WriteUInt32LittleEndian(body[4..], stream);
        BinaryPrimitives.WriteUInt64LittleEndian(body[8..], index);
        var filler = body[MinBytes..];
        _filler.AsSpan(PlaceOf(stream, index), filler.Length).CopyTo(filler);
    }

    /// <summary>False: the body is none of this run's.</summary>
    public bool TryRead(ReadOnlySpan<byte> body, out uint stream, out ulong index)
    {
        stream = 0;
        index = 0;
        if (body.Length < MinBytes || BinaryPrimitives.ReadUInt32LittleEndian(body) != _run) return false;
        stream = BinaryPrimitives.ReadUInt32LittleEndian(body[4..]);
        index = BinaryPrimitives.ReadUInt64LittleEndian(body[8..]);
        return true;
    }

    /// <summary>Whether the bytes behind the head are what this stream and index have.</summary>
    public bool IsIntact(ReadOnlySpan<byte> body, uint stream, ulong index)
    {
        var filler = body[MinBytes..];
        return filler.Length <= _filler.Length - Places
            && filler.SequenceEqual(_filler.AsSpan(PlaceOf(stream, index), filler.Length));
    }

    private static int PlaceOf(uint stream, ulong index) => (int)((stream * 31UL + index) % Places);
}
