using Gateway.Load.Devices;
using Gateway.Transport;

namespace Gateway.Load.Foreign.Mqtt;

/// <summary>
/// MQTT 3.1.1 clients. Device u42 has the client id u42 and subscribes to g/u42 at QoS 1; to write to it is to publish there. MQTT has no
/// receipt from the recipient to the sender, so a message counts at its best case: the server has acknowledged it to the sender, and the
/// recipient has it and has acknowledged it to the server. No frame says so to anybody: the fleet knows because it is both ends.
/// </summary>
internal sealed class MqttFleet(Reactor reactor, FleetSettings settings, Slice slice)
    : ForeignFleet(reactor, settings, slice, Marks.Accepted | Marks.Acknowledged)
{
    private const ushort SubscribeId = 1;
    private const byte AwaitConnAck = 0;
    private const byte AwaitSubAck = 1;

    protected override void Greet(int index)
    {
        Span<byte> scratch = stackalloc byte[Utf8Name.MaxBytes];
        var name = Utf8Name.Of("u"u8, AddressOf(OrdinalOf(index)), scratch);
        var c = ConnectionOf(index);
        Reactor.Advance(c, MqttPackets.WriteConnect(Reactor.GetSpan(c, MqttPackets.ConnectBytes(name.Length)), name));
    }

    protected override void WriteMessage(int index, int recipient, ulong number)
    {
        Span<byte> scratch = stackalloc byte[Utf8Name.MaxBytes];
        var topic = Utf8Name.Of("g/u"u8, AddressOf(recipient), scratch);
        var body = BodyOf(recipient, number);
        var c = ConnectionOf(index);
        Reactor.Advance(c, MqttPackets.WritePublish(
            Reactor.GetSpan(c, MqttPackets.PublishBytes(topic.Length, body.Length)), topic, (ushort)((int)(number % (ulong)RingPlaces) + 1), body));
    }

    protected override void WritePing(int index)
    {
        var c = ConnectionOf(index);
        Reactor.Advance(c, MqttPackets.WritePingReq(Reactor.GetSpan(c, MqttPackets.PingReqBytes)));
    }

    protected override bool TryRead(int index, ref ReadOnlySpan<byte> rest)
    {
        var status = MqttReader.TryRead(ref rest, MaxUnitBytes, out var type, out var flags, out var body);
        switch (status)
        {
            case MqttStatus.Whole: return OnPacket(index, type, flags, body);
            case MqttStatus.Partial: return false;
            default:
                Fail(index, status == MqttStatus.TooLarge ? "mqtt_too_large" : "mqtt_malformed");
                return false;
        }
    }

    private bool OnPacket(int index, MqttPacketType type, byte flags, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case MqttPacketType.Publish when IsEstablished(index): return OnPublish(index, flags, body);
            case MqttPacketType.PubAck when IsEstablished(index): return OnPubAck(index, body);
            // A session that outlived its connection may bring messages before the subscription is confirmed.
            case MqttPacketType.Publish when StepOf(index) == AwaitSubAck: return OnPublish(index, flags, body);
            case MqttPacketType.ConnAck when !IsEstablished(index) && StepOf(index) == AwaitConnAck: return OnConnAck(index, body);
            case MqttPacketType.SubAck when !IsEstablished(index) && StepOf(index) == AwaitSubAck: return OnSubAck(index, body);
            case MqttPacketType.PingResp when IsEstablished(index) && body.IsEmpty:
                OnPong(index);
                return true;
            default:
                Fail(index, $"mqtt_unexpected_{type}");
                return false;
        }
    }

    private bool OnConnAck(int index, ReadOnlySpan<byte> body)
    {
        if (!MqttPackets.TryParseConnAck(body, out var code) || code != 0)
        {
            Fail(index, $"mqtt_connect_refused_{code}");
            return false;
        }

        StepOf(index) = AwaitSubAck;
        Span<byte> scratch = stackalloc byte[Utf8Name.MaxBytes];
        var filter = Utf8Name.Of("g/u"u8, AddressOf(OrdinalOf(index)), scratch);
        var c = ConnectionOf(index);
        Reactor.Advance(c, MqttPackets.WriteSubscribe(Reactor.GetSpan(c, MqttPackets.SubscribeBytes(filter.Length)), SubscribeId, filter));
        return true;
    }

    private bool OnSubAck(int index, ReadOnlySpan<byte> body)
    {
        if (!MqttPackets.TryParseSubAck(body, out var granted) || granted != 1)
        {
            Fail(index, "mqtt_subscribe_refused");
            return false;
        }

        OnLoggedIn(index);
        return true;
    }

    private bool OnPublish(int index, byte flags, ReadOnlySpan<byte> body)
    {
        if (!MqttPackets.TryParsePublish(body, flags, out _, out var packetId, out var payload))
        {
            Fail(index, "mqtt_malformed_publish");
            return false;
        }

        // Without a reconnect a server has no reason to send anything twice: a flagged duplicate counts like any other.
        var known = TryArrive(index, payload, out var number);
        var c = ConnectionOf(index);
        Reactor.Advance(c, MqttPackets.WritePubAck(Reactor.GetSpan(c, MqttPackets.PubAckBytes), packetId));
        if (known) Hear(SenderOf(index), number, Marks.Acknowledged);
        return true;
    }

    private bool OnPubAck(int index, ReadOnlySpan<byte> body)
    {
        if (!MqttPackets.TryParsePubAck(body, out var packetId) || !TryNumberAt(index, packetId - 1, out var number))
        {
            Fail(index, "mqtt_puback_unsent");
            return false;
        }

        Hear(index, number, Marks.Accepted);
        return true;
    }
}
