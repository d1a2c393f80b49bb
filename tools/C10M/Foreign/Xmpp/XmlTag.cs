namespace Gateway.Load.Foreign.Xmpp;

internal enum XmlStatus
{
    Whole,
    /// <summary>More bytes are needed.</summary>
    Partial,
    /// <summary>It is no XML, or none of the restricted kind that RFC 6120, 11.1 allows: no comments, processing instructions, declarations or CDATA.</summary>
    Malformed,
    /// <summary>More than the reader takes, and still not whole.</summary>
    TooLarge,
}

internal enum XmlTagKind
{
    Open,
    /// <summary>Opens and closes at once.</summary>
    Empty,
    Close,
}

/// <summary>
/// One tag, in place:
/// <code>
/// '&lt;' name (S name S? '=' S? value)* S? '/'? '&gt;'      '&lt;/' name S? '&gt;'      value: '…' or "…", without '&lt;'
/// </code>
/// Names are compared as they are written, prefix included: servers write the prefixes of the RFC's examples.
/// </summary>
internal readonly ref struct XmlTag
{
    private XmlTag(XmlTagKind kind, ReadOnlySpan<byte> name, ReadOnlySpan<byte> attributes, int length)
    {
        Kind = kind;
        Name = name;
        Attributes = attributes;
        Length = length;
    }

    public XmlTagKind Kind { get; }

    public ReadOnlySpan<byte> Name { get; }

    /// <summary>What stands between name and end, well formed.</summary>
    public ReadOnlySpan<byte> Attributes { get; }

    /// <summary>Of the whole tag, bytes.</summary>
    public int Length { get; }

    /// <summary>Reads the tag that <paramref name="xml"/> begins with; its first byte is '&lt;'.</summary>
    public static XmlStatus TryRead(ReadOnlySpan<byte> xml, out XmlTag tag)
    {
        tag = default;
        if (xml.Length < 2) return XmlStatus.Partial;
        var closes = xml[1] == '/';
        var nameAt = closes ? 2 : 1;
        var at = nameAt + NameLength(xml[nameAt..]);
        if (at == xml.Length) return XmlStatus.Partial;
        if (at == nameAt) return XmlStatus.Malformed;
        var attributesAt = at;
        while (true)
        {
            var gap = SpaceLength(xml[at..]);
            if (at + gap == xml.Length) return XmlStatus.Partial;
            var kind = closes ? XmlTagKind.Close : XmlTagKind.Open;
            var end = at + gap;
            if (xml[end] == '/' && !closes)
            {
                if (end + 1 == xml.Length) return XmlStatus.Partial;
                kind = XmlTagKind.Empty;
                end++;
            }

            if (xml[end] == '>')
            {
                tag = new XmlTag(kind, xml[nameAt..attributesAt], xml[attributesAt..at], end + 1);
                return XmlStatus.Whole;
            }

            if (closes || gap == 0 || kind == XmlTagKind.Empty) return XmlStatus.Malformed;
            var status = TryReadAttribute(xml[(at + gap)..], out _, out _, out var length);
            if (status != XmlStatus.Whole) return status;
            at += gap + length;
        }
    }

    /// <summary>The value of an attribute as it is written, entities included. False: there is none of that name.</summary>
    public static bool TryFind(ReadOnlySpan<byte> attributes, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        while (true)
        {
            attributes = attributes[SpaceLength(attributes)..];
            if (TryReadAttribute(attributes, out var found, out value, out var length) != XmlStatus.Whole) return false;
            if (found.SequenceEqual(name)) return true;
            attributes = attributes[length..];
        }
    }

    public static int SpaceLength(ReadOnlySpan<byte> xml)
    {
        var other = xml.IndexOfAnyExcept(" \t\r\n"u8);
        return other < 0 ? xml.Length : other;
    }

    private static int NameLength(ReadOnlySpan<byte> xml)
    {
        for (var i = 0; i < xml.Length; i++)
        {
            if (xml[i] is (byte)' ' or (byte)'>' or (byte)'/' or (byte)'=' or (byte)'\'' or (byte)'"' or (byte)'<' or (byte)'&'
                or (byte)'!' or (byte)'?' or (byte)'\t' or (byte)'\r' or (byte)'\n') return i;
        }

        return xml.Length;
    }

    private static XmlStatus TryReadAttribute(ReadOnlySpan<byte> xml, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value, out int length)
    {
        value = default;
        length = 0;
        var at = NameLength(xml);
        name = xml[..at];
        at += SpaceLength(xml[at..]);
        if (at == xml.Length) return XmlStatus.Partial;
        if (name.IsEmpty || xml[at] != '=') return XmlStatus.Malformed;
        at++;
        at += SpaceLength(xml[at..]);
        if (at == xml.Length) return XmlStatus.Partial;
        var quote = xml[at];
        if (quote is not ((byte)'\'' or (byte)'"')) return XmlStatus.Malformed;
        var valueLength = xml[++at..].IndexOfAny(quote, (byte)'<');
        if (valueLength < 0) return XmlStatus.Partial;
        if (xml[at + valueLength] != quote) return XmlStatus.Malformed;
        value = xml.Slice(at, valueLength);
        length = at + valueLength + 1;
        return XmlStatus.Whole;
    }
}
