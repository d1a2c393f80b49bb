using System.Text;
using Gateway.Load.Foreign.Xmpp;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>The load's XMPP reader on what a server said, and on what none should say.</summary>
public class XmppReaderTests
{
    private const int MaxBytes = 4096;

    /// <summary>What ejabberd 23.01 said to a client that logged in, wrote to itself and to nobody, and was there when the server stopped; and keep-alives.</summary>
    private const string Recorded =
        "<?xml version='1.0'?><stream:stream id='12727559577301392549' version='1.0' xml:lang='en' xmlns:stream='http://etherx.jabber.org/streams' from='localhost' xmlns='jabber:client'><stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>DIGEST-MD5</mechanism><mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>X-OAUTH2</mechanism></mechanisms></stream:features>"
        + "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
        + "<?xml version='1.0'?><stream:stream id='11515836865510610726' version='1.0' xml:lang='en' xmlns:stream='http://etherx.jabber.org/streams' from='localhost' xmlns='jabber:client'><stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session></stream:features>"
        + "<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>u1000000@localhost/d</jid></bind></iq><presence xml:lang='en' to='u1000000@localhost/d' from='u1000000@localhost/d'/>\n"
        + "<message xml:lang='en' to='u1000000@localhost/d' from='u1000000@localhost/d' type='chat' id='1'><request xmlns='urn:xmpp:receipts'/><body>aGFsbG8=</body></message> \r\n<message xml:lang='en' to='u1000000@localhost/d' from='u1000000@localhost/d' id='2'><received xmlns='urn:xmpp:receipts' id='1'/></message><iq xml:lang='en' to='u1000000@localhost/d' from='localhost' type='result' id='c'/>"
        + "<message xml:lang='en' to='u1000000@localhost/d' from='nobody@localhost/d' type='error' id='3>'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><body>a</body></message><iq xml:lang='en' to='u1000000@localhost/d' from='localhost' type='error' id='c&quot;&amp;'><p xmlns='x'/><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xml:lang='en' xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>No module is handling this query</text></error></iq>"
        + "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";

    private static readonly string[] Units =
    [
        "header", "stream:features", "success", "header", "stream:features", "iq id=b type=result", "presence", "message id=1 type=chat: request body=aGFsbG8=",
        "message id=2: received", "iq id=c type=result", "message id=3> type=error: error body=a", "iq id=c\"& type=error: p error", "stream:error: system-shutdown", "end",
    ];

    [Fact]
    public void A_recorded_conversation_is_read_as_what_was_said()
    {
        var heard = new Listener();
        heard.Hear(Encoding.UTF8.GetBytes(Recorded));

        Assert.Equal(Units, heard.Units);
        Assert.Equal(0, heard.Kept);
    }

    [Fact]
    public void Cut_in_two_anywhere_it_says_the_same()
    {
        var bytes = Encoding.UTF8.GetBytes(Recorded);
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            var heard = new Listener();
            heard.Hear(bytes.AsSpan(0, cut));
            heard.Hear(bytes.AsSpan(cut));
            Assert.Equal(Units, heard.Units);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void In_pieces_of_a_few_bytes_it_says_the_same(int size)
    {
        var heard = new Listener();
        foreach (var piece in Encoding.UTF8.GetBytes(Recorded).Chunk(size)) heard.Hear(piece);

        Assert.Equal(Units, heard.Units);
    }

    [Fact]
    public void White_space_between_stanzas_is_not_kept()
    {
        ReadOnlySpan<byte> rest = " \r\n\t \n"u8;
        Assert.Equal(XmlStatus.Partial, XmppReader.TryRead(ref rest, MaxBytes, out _, out _));
        Assert.Equal(0, rest.Length);
    }

    [Theory]
    [InlineData("<message id='7' from='a@b/c'/>")]
    [InlineData("<message from=\"a@b/c\" id=\"7\"/>")]
    [InlineData("<message  from = 'a@b/c'\n\tid\n=\n\"7\" />")]
    [InlineData("<message title='id=&quot;8&quot; > />' from='a&#64;b&#x2F;c' id='7'></message>")]
    [InlineData("<message xml:id='8' note=\"it's\" from='&#x61;@b/c' id='&#55;'><message id='9'/></message >")]
    public void Attributes_come_in_any_order_and_quotes_with_entities_resolved(string text)
    {
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(text);
        Assert.Equal(XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out var unit, out var stanza));
        Assert.Equal((XmppUnit.Stanza, 0), (unit, rest.Length));
        Assert.True(stanza.Is("message"u8) && stanza.Has("id"u8, "7"u8) && stanza.Has("from"u8, "a@b/c"u8));
        Assert.False(stanza.Has("id"u8, "8"u8) || stanza.Has("id"u8, ""u8) || stanza.TryAttribute("i"u8, out _));
    }

    [Theory]
    [InlineData("text")]
    [InlineData("<>")]
    [InlineData("< a/>")]
    [InlineData("</message>")]
    [InlineData("<a></b>")]
    [InlineData("<a><b></a>x</a></a>", "<a><b></a>x</a>")]
    [InlineData("<a b></a>")]
    [InlineData("<a b=c/>")]
    [InlineData("<a b='1'c='2'/>")]
    [InlineData("<a b='<'/>")]
    [InlineData("<a / >")]
    [InlineData("<a></a b='1'>")]
    [InlineData("<a><!-- a comment --></a>")]
    [InlineData("<a><![CDATA[x]]></a>")]
    [InlineData("<a><?instruction?></a>")]
    [InlineData("<!DOCTYPE a>")]
    [InlineData("<?php ?><a/>")]
    [InlineData("<stream:stream/>")]
    public void What_no_server_may_say_is_malformed_and_was_never_whole(string text, string? whole = null)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        ReadOnlySpan<byte> rest = bytes;
        // Tags are counted, not matched: inner names are the server's business, the stanza's own is checked.
        Assert.Equal(whole is null ? XmlStatus.Malformed : XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out _, out _));
        if (whole is not null) Assert.Equal(bytes.Length - whole.Length, rest.Length);
        for (var cut = 0; cut < bytes.Length && whole is null; cut++)
        {
            rest = bytes.AsSpan(0, cut);
            Assert.NotEqual(XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out _, out _));
        }
    }

    [Fact]
    public void What_never_ends_is_too_large_and_a_stanza_of_just_that_size_is_not()
    {
        foreach (var begin in (string[])["<a>", "<a b='", "<a><b/>", "<", "<?xml "])
        {
            ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(begin + new string('x', MaxBytes));
            Assert.Equal(XmlStatus.TooLarge, XmppReader.TryRead(ref rest, MaxBytes, out _, out _));
        }

        ReadOnlySpan<byte> whole = Encoding.UTF8.GetBytes($"<a>{new string('x', MaxBytes)}</a>");
        Assert.Equal(XmlStatus.Whole, XmppReader.TryRead(ref whole, MaxBytes, out _, out _));
        ReadOnlySpan<byte> deep = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("<a>", 100)));
        Assert.Equal(XmlStatus.Malformed, XmppReader.TryRead(ref deep, MaxBytes, out _, out _));
    }

    [Theory]
    [InlineData("a&lt;b&gt;c&amp;d&apos;e&quot;f", "a<b>c&d'e\"f")]
    [InlineData("&#65;&#x1F600;&#xe4;", "A\U0001F600ä")]
    [InlineData("plain", "plain")]
    [InlineData("", "")]
    [InlineData("&amp;amp;", "&amp;")]
    public void Entities_are_resolved_once(string raw, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(raw);
        var into = new byte[bytes.Length];
        Assert.True(XmlText.TryDecode(bytes, into, out var length));
        Assert.Equal(expected, Encoding.UTF8.GetString(into, 0, length));
    }

    [Theory]
    [InlineData("&")]
    [InlineData("&;")]
    [InlineData("&lt")]
    [InlineData("&nbsp;")]
    [InlineData("&#;")]
    [InlineData("&#x;")]
    [InlineData("&#0;")]
    [InlineData("&#-5;")]
    [InlineData("&#xD800;")]
    [InlineData("&#x110000;")]
    [InlineData("&#99999999999;")]
    public void A_reference_to_nothing_is_refused(string raw) => Assert.False(XmlText.TryDecode(Encoding.UTF8.GetBytes(raw), new byte[64], out _));

    [Fact]
    public void What_the_load_writes_reads_back_as_it_was_meant()
    {
        var into = new byte[2048];
        var payload = Enumerable.Range(0, 96).Select(i => (byte)(i * 37)).ToArray();
        ReadOnlySpan<byte> rest = into.AsSpan(0, XmppStanzas.WriteMessage(into, 1_000_001, "localhost"u8, 18_446_744_073_709_551_615, payload));
        Assert.Equal(XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out _, out var message));
        Assert.Equal(0, rest.Length);
        Assert.True(message.Is("message"u8) && message.Has("to"u8, "u1000001@localhost/d"u8) && message.Has("id"u8, "18446744073709551615"u8) && message.Has("type"u8, "chat"u8));
        Assert.True(message.TryChild("body"u8, out var body) && message.TryChild("request"u8, out var request) && request.Has("xmlns"u8, "urn:xmpp:receipts"u8));
        Assert.Equal(128, body.Content.Length);
        Assert.Equal(payload, Convert.FromBase64String(Encoding.UTF8.GetString(body.Content)));

        rest = into.AsSpan(0, XmppStanzas.WriteReceipt(into, "it's@b"u8, "a\"&amp;"u8));
        Assert.Equal(XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out _, out var receipt));
        Assert.True(receipt.Has("to"u8, "it's@b"u8) && receipt.TryChild("received"u8, out var received) && received.Has("id"u8, "a\"&"u8));

        rest = into.AsSpan(0, XmppStanzas.WriteAuth(into, 42));
        Assert.Equal(XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out _, out var auth));
        Assert.Equal("\0u42\0u42", Encoding.UTF8.GetString(Convert.FromBase64String(Encoding.UTF8.GetString(auth.Content))));

        foreach (var length in (int[])[XmppStanzas.WriteBind(into), XmppStanzas.WritePresence(into), XmppStanzas.WritePing(into, "b"u8), XmppStanzas.WriteUnknown(into, ""u8, "7"u8)])
            Assert.InRange(length, 1, XmppStanzas.FixedBytes);
        rest = into.AsSpan(0, XmppStanzas.WriteHeader(into, "b"u8));
        Assert.Equal(XmlStatus.Whole, XmppReader.TryRead(ref rest, MaxBytes, out var unit, out _));
        Assert.Equal(XmppUnit.StreamHeader, unit);
    }

    /// <summary>Keeps what is not consumed, as the transport does, and puts each unit into words.</summary>
    private sealed class Listener
    {
        private byte[] _kept = [];

        public List<string> Units { get; } = [];

        public int Kept => _kept.Length;

        public void Hear(ReadOnlySpan<byte> bytes)
        {
            ReadOnlySpan<byte> rest = (byte[])[.. _kept, .. bytes];
            while (true)
            {
                var status = XmppReader.TryRead(ref rest, MaxBytes, out var unit, out var stanza);
                if (status == XmlStatus.Partial) break;
                Assert.Equal(XmlStatus.Whole, status);
                Units.Add(unit switch { XmppUnit.StreamHeader => "header", XmppUnit.StreamEnd => "end", _ => Describe(stanza) });
            }

            _kept = rest.ToArray();
        }

        private static string Describe(XmlElement stanza)
        {
            var text = new StringBuilder(Encoding.UTF8.GetString(stanza.Name));
            foreach (var name in (string[])["id", "type"])
            {
                if (!stanza.TryAttribute(Encoding.UTF8.GetBytes(name), out var raw)) continue;
                var value = new byte[raw.Length];
                Assert.True(XmlText.TryDecode(raw, value, out var length));
                text.Append($" {name}={Encoding.UTF8.GetString(value, 0, length)}");
            }

            if (stanza.Is("stream:features"u8) || (stanza.Is("iq"u8) && stanza.Has("id"u8, "b"u8))) return text.ToString();
            var content = stanza.Content;
            for (var first = true; XmlElement.TryNext(ref content, out var child); first = false)
            {
                text.Append(first ? ": " : " ").Append(Encoding.UTF8.GetString(child.Name));
                if (child.Is("body"u8)) text.Append('=').Append(Encoding.UTF8.GetString(child.Content));
            }

            return text.ToString();
        }
    }
}
