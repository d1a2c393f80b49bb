using System.Globalization;
using System.Text;

namespace Gateway.Load.Foreign.Xmpp;

/// <summary>An element in place: what its tag says, and its content, which is read child by child. Nothing is copied or allocated.</summary>
internal readonly ref struct XmlElement
{
    /// <summary>Servers nest a handful; without a bound a peer's depth would be one.</summary>
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<byte> _attributes;

    private XmlElement(XmlTag tag, ReadOnlySpan<byte> content)
    {
        Name = tag.Name;
        _attributes = tag.Attributes;
        Content = content;
    }

    public ReadOnlySpan<byte> Name { get; }

    /// <summary>All between its tags, as it is written.</summary>
    public ReadOnlySpan<byte> Content { get; }

    public bool Is(ReadOnlySpan<byte> name) => Name.SequenceEqual(name);

    /// <summary>An attribute's value as it is written, entities included.</summary>
    public bool TryAttribute(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> raw) => XmlTag.TryFind(_attributes, name, out raw);

    /// <summary>Whether the element has the attribute and its value, entities resolved, is this.</summary>
    public bool Has(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (!TryAttribute(name, out var raw)) return false;
        if (!raw.Contains((byte)'&')) return raw.SequenceEqual(value);
        Span<byte> decoded = stackalloc byte[256];
        return raw.Length <= decoded.Length && XmlText.TryDecode(raw, decoded, out var length) && decoded[..length].SequenceEqual(value);
    }

    /// <summary>Takes the next child off <paramref name="content"/>, which begins as the parent's <see cref="Content"/>; text before it is passed over.</summary>
    public static bool TryNext(scoped ref ReadOnlySpan<byte> content, out XmlElement child)
    {
        child = default;
        var at = content.IndexOf((byte)'<');
        if (at < 0 || TryRead(content[at..], out child, out var length) != XmlStatus.Whole) return false;
        content = content[(at + length)..];
        return true;
    }

    /// <summary>The first child of that name.</summary>
    public bool TryChild(ReadOnlySpan<byte> name, out XmlElement child)
    {
        var content = Content;
        while (TryNext(ref content, out child))
        {
            if (child.Is(name)) return true;
        }

        return false;
    }

    /// <summary>Reads the element that <paramref name="xml"/> begins with; its first byte is '&lt;'.</summary>
    public static XmlStatus TryRead(ReadOnlySpan<byte> xml, out XmlElement element, out int length)
    {
        element = default;
        length = 0;
        var status = XmlTag.TryRead(xml, out var head);
        if (status != XmlStatus.Whole) return status;
        if (head.Kind == XmlTagKind.Close) return XmlStatus.Malformed;
        if (head.Kind == XmlTagKind.Empty)
        {
            element = new XmlElement(head, default);
            length = head.Length;
            return XmlStatus.Whole;
        }

        var at = head.Length;
        var depth = 1;
        while (true)
        {
            var text = xml[at..].IndexOf((byte)'<');
            if (text < 0) return XmlStatus.Partial;
            at += text;
            status = XmlTag.TryRead(xml[at..], out var tag);
            if (status != XmlStatus.Whole) return status;
            if (tag.Kind == XmlTagKind.Open && ++depth > MaxDepth) return XmlStatus.Malformed;
            if (tag.Kind == XmlTagKind.Close && --depth == 0)
            {
                if (!tag.Name.SequenceEqual(head.Name)) return XmlStatus.Malformed;
                element = new XmlElement(head, xml[head.Length..at]);
                length = at + tag.Length;
                return XmlStatus.Whole;
            }

            at += tag.Length;
        }
    }
}

/// <summary>Character data with its entities resolved.</summary>
internal static class XmlText
{
    /// <summary>Longest reference: an ampersand, a number of a code point, a semicolon.</summary>
    private const int LongestReference = 10;

    /// <summary>Resolves <c>&amp;lt; &amp;gt; &amp;amp; &amp;apos; &amp;quot; &amp;#N; &amp;#xN;</c>. False: another reference, or no room; as many bytes as <paramref name="raw"/> has always suffice.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> raw, Span<byte> into, out int length)
    {
        length = 0;
        while (true)
        {
            var plain = raw.IndexOf((byte)'&');
            var run = plain < 0 ? raw : raw[..plain];
            if (run.Length > into.Length - length) return false;
            run.CopyTo(into[length..]);
            length += run.Length;
            if (plain < 0) return true;
            raw = raw[(plain + 1)..];
            var end = raw[..Math.Min(raw.Length, LongestReference)].IndexOf((byte)';');
            if (end < 0 || !TryResolve(raw[..end], out var rune) || !rune.TryEncodeToUtf8(into[length..], out var written)) return false;
            length += written;
            raw = raw[(end + 1)..];
        }
    }

    private static bool TryResolve(ReadOnlySpan<byte> reference, out Rune rune)
    {
        if (reference.Length > 1 && reference[0] == '#')
        {
            var hexadecimal = reference[1] == 'x';
            var ok = uint.TryParse(reference[(hexadecimal ? 2 : 1)..], hexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out var code);
            return Rune.TryCreate(code, out rune) && ok && code != 0;
        }

        var resolved = reference switch
        {
            _ when reference.SequenceEqual("lt"u8) => '<',
            _ when reference.SequenceEqual("gt"u8) => '>',
            _ when reference.SequenceEqual("amp"u8) => '&',
            _ when reference.SequenceEqual("apos"u8) => '\'',
            _ when reference.SequenceEqual("quot"u8) => '"',
            _ => '\0',
        };
        rune = new Rune(resolved);
        return resolved != '\0';
    }
}
