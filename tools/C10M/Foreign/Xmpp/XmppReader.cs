namespace Gateway.Load.Foreign.Xmpp;

internal enum XmppUnit
{
    /// <summary>The server's stream header, an opening tag alone.</summary>
    StreamHeader,
    /// <summary>An element directly within the stream: features, SASL, a stanza, a stream error.</summary>
    Stanza,
    /// <summary>The end of the stream.</summary>
    StreamEnd,
}

/// <summary>
/// Splits what a server sends into stream headers and stanzas (RFC 6120, 4 and 11). Made for servers, not for everything that XML allows:
/// see <see cref="XmlStatus.Malformed"/>. Without state: what is not whole is presented again with more behind it. Nothing allocated.
/// <code>stream: declaration? header (S? stanza)* S? end?       after SASL the server begins a new one</code>
/// </summary>
internal static class XmppReader
{
    private static ReadOnlySpan<byte> StreamName => "stream:stream"u8;

    /// <summary>Takes one unit off the front of <paramref name="rest"/> when it is whole; white space and the declaration before it are taken anyway.</summary>
    /// <param name="rest">What was received and not yet taken.</param>
    /// <param name="maxBytes">More than this without a whole unit is too large.</param>
    /// <param name="unit">What it is.</param>
    /// <param name="stanza">The stanza; points into <paramref name="rest"/>.</param>
    public static XmlStatus TryRead(ref ReadOnlySpan<byte> rest, int maxBytes, out XmppUnit unit, out XmlElement stanza)
    {
        unit = default;
        stanza = default;
        rest = rest[XmlTag.SpaceLength(rest)..];
        if (rest.StartsWith("<?"u8))
        {
            var end = rest.IndexOf("?>"u8);
            if (end < 0) return Bounded(XmlStatus.Partial, rest, maxBytes);
            if (!rest.StartsWith("<?xml "u8)) return XmlStatus.Malformed;
            rest = rest[(end + 2)..];
            rest = rest[XmlTag.SpaceLength(rest)..];
        }

        if (rest.IsEmpty) return XmlStatus.Partial;
        if (rest[0] != '<') return XmlStatus.Malformed;
        var status = XmlTag.TryRead(rest, out var tag);
        if (status != XmlStatus.Whole) return Bounded(status, rest, maxBytes);
        int length;
        if (tag.Name.SequenceEqual(StreamName))
        {
            if (tag.Kind == XmlTagKind.Empty) return XmlStatus.Malformed;
            unit = tag.Kind == XmlTagKind.Open ? XmppUnit.StreamHeader : XmppUnit.StreamEnd;
            length = tag.Length;
        }
        else
        {
            status = XmlElement.TryRead(rest, out stanza, out length);
            if (status != XmlStatus.Whole) return Bounded(status, rest, maxBytes);
            unit = XmppUnit.Stanza;
        }

        rest = rest[length..];
        return XmlStatus.Whole;
    }

    private static XmlStatus Bounded(XmlStatus status, ReadOnlySpan<byte> rest, int maxBytes) =>
        status == XmlStatus.Partial && rest.Length > maxBytes ? XmlStatus.TooLarge : status;
}
