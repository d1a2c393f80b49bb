using Gateway.Load.Foreign.Mqtt;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>The load's MQTT packets: read at every split, written as the specification's tables say.</summary>
public class MqttReaderTests
{
    private const int MaxBytes = 100_000;

    /// <summary>What mosquitto 2.0.11 said to a client that logged in, subscribed, wrote to itself and pinged.</summary>
    private static readonly byte[] Recorded = Convert.FromHexString(
        "20020000" + "9003000101" + "3213000A672F75313030303030300001" + "68616C6C6F" + "40020007" + "D000");

    private static readonly string[] Packets =
        ["ConnAck 0 0000", "SubAck 0 000101", "Publish 2 000A672F7531303030303030000168616C6C6F", "PubAck 0 0007", "PingResp 0 "];

    [Fact]
    public void A_recorded_conversation_is_read_as_what_was_said() => Assert.Equal(Packets, Read(Recorded));

    [Fact]
    public void Cut_in_two_anywhere_it_says_the_same()
    {
        byte[] conversation = [.. Recorded, .. Long(127), .. Long(128), .. Long(16_383), .. Long(16_384), .. Recorded];
        var whole = Read(conversation);
        Assert.Equal(2 * Packets.Length + 4, whole.Count);
        for (var cut = 0; cut <= conversation.Length; cut = cut < 700 || cut > conversation.Length - 700 ? cut + 1 : cut + 97)
            Assert.Equal(whole, Read(conversation.AsSpan(0, cut), conversation.AsSpan(cut)));
    }

    [Fact]
    public void A_length_of_five_bytes_is_malformed_and_one_above_the_limit_too_large()
    {
        Assert.Equal(MqttStatus.Malformed, StatusOf([0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]));
        Assert.Equal(MqttStatus.Partial, StatusOf([0x30, 0xFF, 0xFF, 0xFF]));
        Assert.Equal(MqttStatus.TooLarge, StatusOf([0x30, 0xFF, 0xFF, 0xFF, 0x7F]));
        Assert.Equal(MqttStatus.Partial, StatusOf([0x30, 0xA0, 0x8D, 0x06]));
        Assert.Equal(MqttStatus.TooLarge, StatusOf([0x30, 0xA1, 0x8D, 0x06]));
        Assert.Equal(MqttStatus.Partial, StatusOf([0x30]));
    }

    [Fact]
    public void A_publish_gives_topic_identifier_and_payload_and_anything_less_is_refused()
    {
        byte[] body = [0, 3, (byte)'g', (byte)'/', (byte)'u', 1, 2, 9, 8];
        Assert.True(MqttPackets.TryParsePublish(body, 0x02, out var topic, out var id, out var payload));
        Assert.True(topic.SequenceEqual("g/u"u8) && id == 0x0102 && payload.SequenceEqual((byte[])[9, 8]));
        Assert.True(MqttPackets.TryParsePublish(body, 0x02 | MqttPackets.DuplicateFlag, out _, out _, out _));
        Assert.False(MqttPackets.TryParsePublish(body, 0x00, out _, out _, out _));
        Assert.False(MqttPackets.TryParsePublish(body, 0x04, out _, out _, out _));
        Assert.False(MqttPackets.TryParsePublish([0, 3, 1, 2, 3, 0, 0], 0x02, out _, out _, out _));
        for (var length = 0; length < 7; length++) Assert.False(MqttPackets.TryParsePublish(body.AsSpan(0, length), 0x02, out _, out _, out _));
    }

    [Theory]
    [InlineData("0000", true, 0)]
    [InlineData("0100", true, 0)]
    [InlineData("0005", true, 5)]
    [InlineData("0200", false, 0)]
    [InlineData("00", false, 0)]
    [InlineData("000000", false, 0)]
    public void A_connack_has_two_bytes(string hex, bool parses, byte code)
    {
        Assert.Equal(parses, MqttPackets.TryParseConnAck(Convert.FromHexString(hex), out var found));
        if (parses) Assert.Equal(code, found);
    }

    [Fact]
    public void Packets_are_written_as_the_specification_lays_them_out()
    {
        var into = new byte[256];
        Assert.Equal("101400044D515454" + "04000000" + "0008" + "7531303030303030", Hex(MqttPackets.WriteConnect(into, "u1000000"u8)));
        Assert.Equal("82080001" + "0003" + "672F75" + "01", Hex(MqttPackets.WriteSubscribe(into, 1, "g/u"u8)));
        Assert.Equal("320A" + "0003" + "672F75" + "0102" + "FFFEFD", Hex(MqttPackets.WritePublish(into, "g/u"u8, 0x0102, [255, 254, 253])));
        Assert.Equal("4002FFFF", Hex(MqttPackets.WritePubAck(into, 65_535)));
        Assert.Equal("C000", Hex(MqttPackets.WritePingReq(into)));

        string Hex(int length) => Convert.ToHexString(into, 0, length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(127 - 7)]
    [InlineData(128 - 7)]
    [InlineData(16_383 - 7)]
    [InlineData(16_384 - 7)]
    [InlineData(60_000)]
    public void A_publish_that_was_written_reads_back_at_every_length_of_its_length(int payloadBytes)
    {
        var payload = Enumerable.Range(0, payloadBytes).Select(i => (byte)(i * 31)).ToArray();
        var into = new byte[MqttPackets.PublishBytes(3, payloadBytes)];
        ReadOnlySpan<byte> rest = into.AsSpan(0, MqttPackets.WritePublish(into, "g/u"u8, 77, payload));
        Assert.Equal(MqttStatus.Whole, MqttReader.TryRead(ref rest, MaxBytes, out var type, out var flags, out var body));
        Assert.Equal((MqttPacketType.Publish, 0), (type, rest.Length));
        Assert.True(MqttPackets.TryParsePublish(body, flags, out _, out var id, out var found));
        Assert.True(id == 77 && found.SequenceEqual(payload));
    }

    private static byte[] Long(int length)
    {
        var into = new byte[length + 5];
        return into[..MqttPackets.WritePublish(into, "g/u"u8, 5, new byte[length - 7])];
    }

    private static MqttStatus StatusOf(byte[] bytes)
    {
        ReadOnlySpan<byte> rest = bytes;
        return MqttReader.TryRead(ref rest, MaxBytes, out _, out _, out _);
    }

    private static List<string> Read(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default)
    {
        var packets = new List<string>();
        var kept = Take(first);
        Assert.Empty(Take((byte[])[.. kept, .. second]));
        return packets;

        byte[] Take(ReadOnlySpan<byte> rest)
        {
            MqttStatus status;
            while ((status = MqttReader.TryRead(ref rest, MaxBytes, out var type, out var flags, out var body)) == MqttStatus.Whole)
                packets.Add($"{type} {flags} {Convert.ToHexString(body)}");
            Assert.Equal(MqttStatus.Partial, status);
            return rest.ToArray();
        }
    }
}
