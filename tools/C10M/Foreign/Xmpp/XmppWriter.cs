using System.Buffers.Text;

namespace Gateway.Load.Foreign.Xmpp;

/// <summary>Text put together in a span that is known to be long enough.</summary>
internal ref struct XmppWriter(Span<byte> into)
{
    private readonly Span<byte> _into = into;

    public int Length { get; private set; }

    public XmppWriter Put(scoped ReadOnlySpan<byte> text)
    {
        text.CopyTo(_into[Length..]);
        Length += text.Length;
        return this;
    }

    public XmppWriter Put(ulong number)
    {
        _ = Utf8Formatter.TryFormat(number, _into[Length..], out var digits);
        Length += digits;
        return this;
    }

    public XmppWriter PutBase64(scoped ReadOnlySpan<byte> bytes)
    {
        _ = Base64.EncodeToUtf8(bytes, _into[Length..], out _, out var written);
        Length += written;
        return this;
    }
}

/// <summary>
/// What an XMPP client of the load says. Writers return the bytes written; every one needs at most <see cref="FixedBytes"/> and the bytes of
/// the text it is given. Users are <c>u</c> and an address in digits; the resource is <c>d</c>.
/// </summary>
internal static class XmppStanzas
{
    public const int FixedBytes = 512;

    public static int WriteHeader(Span<byte> into, ReadOnlySpan<byte> domain) => new XmppWriter(into)
        .Put("<?xml version='1.0'?><stream:stream to='"u8).Put(domain)
        .Put("' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"u8).Length;

    /// <summary>SASL PLAIN, RFC 4616: the password is the user's name.</summary>
    public static int WriteAuth(Span<byte> into, ulong user)
    {
        Span<byte> plain = stackalloc byte[2 * Utf8Name.MaxBytes];
        var name = new XmppWriter(plain).Put("\0u"u8).Put(user).Put("\0u"u8).Put(user);
        return new XmppWriter(into)
            .Put("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"u8).PutBase64(plain[..name.Length]).Put("</auth>"u8).Length;
    }

    /// <summary>RFC 6120, 7; the answer has id b.</summary>
    public static int WriteBind(Span<byte> into) => new XmppWriter(into)
        .Put("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>d</resource></bind></iq>"u8).Length;

    /// <summary>RFC 6121, 4.2: from here on it can be reached by its bare address too, as a client in use can.</summary>
    public static int WritePresence(Span<byte> into) => new XmppWriter(into).Put("<presence/>"u8).Length;

    /// <summary>RFC 6121, 5.2, asking for a receipt by XEP-0184; the id is the message's number.</summary>
    public static int WriteMessage(Span<byte> into, ulong to, ReadOnlySpan<byte> domain, ulong number, ReadOnlySpan<byte> payload) => new XmppWriter(into)
        .Put("<message to='u"u8).Put(to).Put("@"u8).Put(domain).Put("/d' id='"u8).Put(number)
        .Put("' type='chat'><body>"u8).PutBase64(payload).Put("</body><request xmlns='urn:xmpp:receipts'/></message>"u8).Length;

    /// <summary>XEP-0184, 3: of the message with this id, to whom it came from.</summary>
    /// <param name="into">At least <see cref="FixedBytes"/> and the bytes of both.</param>
    /// <param name="to">As it was written in an attribute, entities and all.</param>
    /// <param name="id">Likewise.</param>
    public static int WriteReceipt(Span<byte> into, ReadOnlySpan<byte> to, ReadOnlySpan<byte> id) => new XmppWriter(into)
        .Put("<message"u8).PutAttribute(" to="u8, to).Put(" type='chat'><received xmlns='urn:xmpp:receipts'"u8).PutAttribute(" id="u8, id)
        .Put("/></message>"u8).Length;

    /// <summary>XEP-0199 to the server; the answer has id p.</summary>
    public static int WritePing(Span<byte> into, ReadOnlySpan<byte> domain) => new XmppWriter(into)
        .Put("<iq type='get' id='p' to='"u8).Put(domain).Put("'><ping xmlns='urn:xmpp:ping'/></iq>"u8).Length;

    /// <summary>RFC 6120, 8.4: a request that a client does not know must be answered all the same.</summary>
    /// <param name="into">At least <see cref="FixedBytes"/> and the bytes of both.</param>
    /// <param name="to">As it was written in an attribute; empty when the request named nobody.</param>
    /// <param name="id">Likewise.</param>
    public static int WriteUnknown(Span<byte> into, ReadOnlySpan<byte> to, ReadOnlySpan<byte> id)
    {
        var writer = new XmppWriter(into).Put("<iq type='error'"u8);
        if (!to.IsEmpty) writer = writer.PutAttribute(" to="u8, to);
        return writer.PutAttribute(" id="u8, id)
            .Put("><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"u8).Length;
    }

    /// <summary>A value that stood between quotes of one kind holds none of that kind.</summary>
    private static XmppWriter PutAttribute(this XmppWriter writer, scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> raw)
    {
        var quote = raw.Contains((byte)'\'') ? "\""u8 : "'"u8;
        return writer.Put(name).Put(quote).Put(raw).Put(quote);
    }
}
