using System.Buffers;
using System.Buffers.Binary;

namespace Gateway.Protocol;

/// <summary>What <see cref="FrameReader"/> found at the front of a buffer.</summary>
public enum FrameStatus
{
    /// <summary>A whole frame.</summary>
    Frame,
    /// <summary>The beginning of a frame; more bytes are needed.</summary>
    Partial,
    /// <summary>A header that announces more than the limit. Nothing after it can be read.</summary>
    TooLarge,
}

/// <summary>
/// Cuts frames off the front of received bytes: no state, no allocation, nothing retained. It checks lengths only; what a payload
/// means is for the frame's own <c>TryParse</c>, and whether a type may come now is for the connection's state.
/// </summary>
public static class FrameReader
{
    /// <summary>
    /// Reads the frame at the front of <paramref name="buffer"/>. On <see cref="FrameStatus.Frame"/> the buffer is advanced past it
    /// and <paramref name="payload"/> is a slice of it, valid as long as the buffer is. Otherwise the buffer is left as it was;
    /// <paramref name="type"/> is known once four bytes are there.
    /// </summary>
    public static FrameStatus TryRead(
        scoped ref ReadOnlySpan<byte> buffer, int maxPayloadBytes, out FrameType type, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        if (buffer.Length < Wire.HeaderBytes)
        {
            type = FrameType.None;
            return FrameStatus.Partial;
        }

        var header = BinaryPrimitives.ReadUInt32LittleEndian(buffer);
        type = (FrameType)(header >> 24);
        var length = (int)(header & 0xFF_FFFF);
        if (length > maxPayloadBytes) return FrameStatus.TooLarge;
        if (buffer.Length - Wire.HeaderBytes < length) return FrameStatus.Partial;

        payload = buffer.Slice(Wire.HeaderBytes, length);
        buffer = buffer[(Wire.HeaderBytes + length)..];
        return FrameStatus.Frame;
    }

    /// <summary>
    /// The same for bytes in several segments. A payload that straddles segments is copied into <paramref name="scratch"/>
    /// (at least <paramref name="maxPayloadBytes"/> long); one that lies within a segment is not copied.
    /// </summary>
    public static FrameStatus TryRead(
        scoped ref ReadOnlySequence<byte> buffer, int maxPayloadBytes, Span<byte> scratch, out FrameType type,
        out ReadOnlySpan<byte> payload)
    {
        var first = buffer.FirstSpan;
        if (first.Length >= Wire.HeaderBytes)
        {
            var span = first;
            var status = TryRead(ref span, maxPayloadBytes, out type, out payload);
            if (status == FrameStatus.Frame) buffer = buffer.Slice(first.Length - span.Length);
            if (status != FrameStatus.Partial || buffer.IsSingleSegment) return status;
        }

        payload = default;
        type = FrameType.None;
        if (buffer.Length < Wire.HeaderBytes) return FrameStatus.Partial;

        Span<byte> headerBytes = stackalloc byte[Wire.HeaderBytes];
        buffer.Slice(0, Wire.HeaderBytes).CopyTo(headerBytes);
        var header = BinaryPrimitives.ReadUInt32LittleEndian(headerBytes);
        type = (FrameType)(header >> 24);
        var length = (int)(header & 0xFF_FFFF);
        if (length > maxPayloadBytes) return FrameStatus.TooLarge;
        if (buffer.Length - Wire.HeaderBytes < length) return FrameStatus.Partial;

        var body = buffer.Slice(Wire.HeaderBytes, length);
        if (body.IsSingleSegment)
        {
            payload = body.FirstSpan;
        }
        else
        {
            body.CopyTo(scratch);
            payload = scratch[..length];
        }

        buffer = buffer.Slice(Wire.HeaderBytes + length);
        return FrameStatus.Frame;
    }
}
