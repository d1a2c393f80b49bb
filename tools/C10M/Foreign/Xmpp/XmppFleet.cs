using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Gateway.Load.Devices;
using Gateway.Transport;

namespace Gateway.Load.Foreign.Xmpp;

/// <summary>
/// XMPP clients: stream, SASL PLAIN without TLS, bind, presence, chat messages with receipts. A message counts when the recipient's receipt
/// is back at the sender. There is no single check: handing a message over is all the acceptance there is. A body is text: its payload is in
/// base64, so that the text has the run's size, rounded down to a multiple of 4 (and at least 24).
/// </summary>
internal sealed class XmppFleet : ForeignFleet
{
    private const byte AwaitMechanisms = 0;
    private const byte AwaitSuccess = 1;
    private const byte AwaitFeatures = 2;
    private const byte AwaitBound = 3;

    private readonly byte[] _domain;
    private readonly byte[] _text;
    private readonly byte[] _payload;

    public XmppFleet(Reactor reactor, FleetSettings settings, Slice slice)
        : base(reactor, settings, slice, Marks.Receipt)
    {
        _domain = Encoding.UTF8.GetBytes(settings.Domain);
        _text = new byte[MaxUnitBytes];
        _payload = new byte[MaxUnitBytes];
    }

    protected override int PayloadBytesOf(int size) => Math.Max(Payload.MinBytes, size / 4 * 3);

    protected override void Greet(int index) => WriteHeader(ConnectionOf(index));

    protected override void WriteMessage(int index, int recipient, ulong number)
    {
        var body = BodyOf(recipient, number);
        var c = ConnectionOf(index);
        var into = Reactor.GetSpan(c, XmppStanzas.FixedBytes + _domain.Length + Base64.GetMaxEncodedToUtf8Length(body.Length));
        Reactor.Advance(c, XmppStanzas.WriteMessage(into, AddressOf(recipient), _domain, number, body));
    }

    protected override void WritePing(int index)
    {
        var c = ConnectionOf(index);
        Reactor.Advance(c, XmppStanzas.WritePing(Reactor.GetSpan(c, XmppStanzas.FixedBytes + _domain.Length), _domain));
    }

    protected override bool TryRead(int index, ref ReadOnlySpan<byte> rest)
    {
        var status = XmppReader.TryRead(ref rest, MaxUnitBytes, out var unit, out var stanza);
        if (status == XmlStatus.Partial) return false;
        if (status != XmlStatus.Whole)
        {
            Fail(index, status == XmlStatus.TooLarge ? "xmpp_too_large" : "xmpp_malformed");
            return false;
        }

        if (unit == XmppUnit.StreamHeader) return true;
        if (unit == XmppUnit.StreamEnd)
        {
            Fail(index, "xmpp_stream_ended");
            return false;
        }

        if (stanza.Is("stream:error"u8))
        {
            Fail(index, $"xmpp_stream_error_{NameOfCondition(stanza)}");
            return false;
        }

        return IsEstablished(index) ? OnStanza(index, stanza) : OnLogin(index, stanza);
    }

    private bool OnLogin(int index, XmlElement stanza)
    {
        var c = ConnectionOf(index);
        ref var step = ref StepOf(index);
        switch (step)
        {
            case AwaitMechanisms when stanza.Is("stream:features"u8):
                if (!OffersPlain(stanza))
                {
                    Fail(index, "xmpp_no_plain");
                    return false;
                }

                step = AwaitSuccess;
                Reactor.Advance(c, XmppStanzas.WriteAuth(Reactor.GetSpan(c, XmppStanzas.FixedBytes), AddressOf(OrdinalOf(index))));
                return true;
            case AwaitSuccess when stanza.Is("success"u8):
                step = AwaitFeatures;
                WriteHeader(c);
                return true;
            case AwaitSuccess when stanza.Is("failure"u8):
                Fail(index, $"xmpp_login_refused_{NameOfCondition(stanza)}");
                return false;
            case AwaitFeatures when stanza.Is("stream:features"u8):
                step = AwaitBound;
                Reactor.Advance(c, XmppStanzas.WriteBind(Reactor.GetSpan(c, XmppStanzas.FixedBytes)));
                return true;
            case AwaitBound when stanza.Is("iq"u8) && stanza.Has("id"u8, "b"u8) && stanza.Has("type"u8, "result"u8):
                Reactor.Advance(c, XmppStanzas.WritePresence(Reactor.GetSpan(c, XmppStanzas.FixedBytes)));
                OnLoggedIn(index);
                return true;
            default:
                Fail(index, $"xmpp_unexpected_{Encoding.UTF8.GetString(stanza.Name)}");
                return false;
        }
    }

    private bool OnStanza(int index, XmlElement stanza)
    {
        if (stanza.Is("message"u8)) return OnMessage(index, stanza);
        if (stanza.Is("presence"u8)) return true;
        if (stanza.Is("iq"u8)) return OnIq(index, stanza);
        Fail(index, $"xmpp_unexpected_{Encoding.UTF8.GetString(stanza.Name)}");
        return false;
    }

    private bool OnMessage(int index, XmlElement message)
    {
        if (message.Has("type"u8, "error"u8))
        {
            Count("xmpp_message_bounced");
            return true;
        }

        var content = message.Content;
        var asksForReceipt = false;
        var hasBody = false;
        XmlElement body = default;
        while (XmlElement.TryNext(ref content, out var child))
        {
            if (child.Is("body"u8))
            {
                body = child;
                hasBody = true;
            }
            else if (child.Is("request"u8) && child.Has("xmlns"u8, "urn:xmpp:receipts"u8))
            {
                asksForReceipt = true;
            }
            else if (child.Is("received"u8) && child.Has("xmlns"u8, "urn:xmpp:receipts"u8))
            {
                OnReceipt(index, child);
            }
        }

        if (!hasBody) return true;
        OnBody(index, body.Content);
        if (asksForReceipt && message.TryAttribute("from"u8, out var from) && message.TryAttribute("id"u8, out var id))
        {
            var c = ConnectionOf(index);
            Reactor.Advance(c, XmppStanzas.WriteReceipt(Reactor.GetSpan(c, XmppStanzas.FixedBytes + from.Length + id.Length), from, id));
        }

        return true;
    }

    private void OnBody(int index, ReadOnlySpan<byte> raw)
    {
        if (raw.Length > _text.Length || !XmlText.TryDecode(raw, _text, out var length)
            || Base64.DecodeFromUtf8(_text.AsSpan(0, length), _payload, out _, out var written) != OperationStatus.Done)
        {
            Count("corrupt_body");
            return;
        }

        _ = TryArrive(index, _payload.AsSpan(0, written), out _);
    }

    private void OnReceipt(int index, XmlElement received)
    {
        if (received.TryAttribute("id"u8, out var id) && Utf8Parser.TryParse(id, out ulong number, out var consumed) && consumed == id.Length)
            Hear(index, number, Marks.Receipt);
        else
            Count("receipt_unsent");
    }

    private bool OnIq(int index, XmlElement iq)
    {
        // An error is an answer too.
        if (iq.Has("type"u8, "result"u8) || iq.Has("type"u8, "error"u8))
        {
            if (iq.Has("id"u8, "p"u8)) OnPong(index);
            return true;
        }

        if (!iq.TryAttribute("id"u8, out var id)) return true;
        _ = iq.TryAttribute("from"u8, out var from);
        var c = ConnectionOf(index);
        Reactor.Advance(c, XmppStanzas.WriteUnknown(Reactor.GetSpan(c, XmppStanzas.FixedBytes + from.Length + id.Length), from, id));
        return true;
    }

    private void WriteHeader(ConnectionId c) =>
        Reactor.Advance(c, XmppStanzas.WriteHeader(Reactor.GetSpan(c, XmppStanzas.FixedBytes + _domain.Length), _domain));

    private static bool OffersPlain(XmlElement features)
    {
        if (!features.TryChild("mechanisms"u8, out var mechanisms)) return false;
        var content = mechanisms.Content;
        while (XmlElement.TryNext(ref content, out var mechanism))
        {
            if (mechanism.Content.SequenceEqual("PLAIN"u8)) return true;
        }

        return false;
    }

    /// <summary>RFC 6120, 4.9.2 and 6.5: the first child is the condition.</summary>
    private static string NameOfCondition(XmlElement error)
    {
        var content = error.Content;
        return XmlElement.TryNext(ref content, out var condition) ? Encoding.UTF8.GetString(condition.Name).Replace('-', '_') : "unnamed";
    }
}
