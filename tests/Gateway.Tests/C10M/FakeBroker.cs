using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Load.Foreign.Mqtt;

namespace Gateway.Tests.C10M;

/// <summary>What a <see cref="FakeBroker"/> does wrong on purpose, counted over all messages: every n-th time, 0 never.</summary>
internal sealed record BrokerFaults
{
    /// <summary>A message is acknowledged and never passed on.</summary>
    public int LoseEvery { get; init; }
    /// <summary>It is passed on and never acknowledged.</summary>
    public int FallsSilentEvery { get; init; }
    public int RepeatEvery { get; init; }
    /// <summary>It is passed on after the one that follows it.</summary>
    public int HoldBackEvery { get; init; }
    public int CorruptEvery { get; init; }
    /// <summary>It goes to its sender instead.</summary>
    public int MisrouteEvery { get; init; }
    /// <summary>Logins are answered with this code.</summary>
    public byte ConnectCode { get; init; }
    /// <summary>Subscriptions are answered with this.</summary>
    public byte Granted { get; init; } = 1;
}

/// <summary>A broker in memory for QoS 1, a thread a connection: the load's opposite in tests, whose faults the load must see.</summary>
internal sealed class FakeBroker : IDisposable
{
    private readonly BrokerFaults _faults;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Dictionary<string, NetworkStream> _subscribers = [];
    private readonly Lock _lock = new();
    private (string Topic, byte[] Payload)? _heldBack;
    private int _messages;
    private ushort _packetId;

    public FakeBroker(BrokerFaults faults)
    {
        _faults = faults;
        _listener.Start(512);
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose() => _listener.Dispose();

    private void Accept()
    {
        try
        {
            while (true)
            {
                var client = _listener.AcceptTcpClient();
                new Thread(() => Serve(client)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The test is over.
        }
    }

    private void Serve(TcpClient client)
    {
        using var stream = client.GetStream();
        var buffer = new byte[1 << 20];
        var filled = 0;
        try
        {
            while (stream.Read(buffer, filled, buffer.Length - filled) is > 0 and var read)
            {
                filled += read;
                ReadOnlySpan<byte> rest = buffer.AsSpan(0, filled);
                while (MqttReader.TryRead(ref rest, buffer.Length, out var type, out var flags, out var body) == MqttStatus.Whole)
                {
                    lock (_lock) Answer(stream, type, flags, body);
                }

                rest.ToArray().CopyTo(buffer, 0);
                filled = rest.Length;
            }
        }
        catch (IOException)
        {
            // The load has left.
        }
    }

    private void Answer(NetworkStream stream, MqttPacketType type, byte flags, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case MqttPacketType.Connect: stream.Write([0x20, 2, 0, _faults.ConnectCode]); break;
            case MqttPacketType.PingReq: stream.Write([0xD0, 0]); break;
            case MqttPacketType.Subscribe:
                _subscribers[Encoding.UTF8.GetString(body[4..^1])] = stream;
                stream.Write([0x90, 3, body[0], body[1], _faults.Granted]);
                break;
            case MqttPacketType.Publish when MqttPackets.TryParsePublish(body, flags, out var topic, out var id, out var payload):
                OnPublish(stream, Encoding.UTF8.GetString(topic), id, payload.ToArray());
                break;
        }
    }

    private void OnPublish(NetworkStream sender, string topic, ushort id, byte[] payload)
    {
        _messages++;
        if (!Due(_faults.FallsSilentEvery)) sender.Write([0x40, 2, (byte)(id >> 8), (byte)id]);
        if (Due(_faults.CorruptEvery)) payload[^1] ^= 1;
        if (Due(_faults.LoseEvery)) return;
        if (Due(_faults.HoldBackEvery) && _heldBack is null)
        {
            _heldBack = (topic, payload);
            return;
        }

        var stream = Due(_faults.MisrouteEvery) ? sender : _subscribers[topic];
        PassOn(stream, topic, payload);
        if (Due(_faults.RepeatEvery)) PassOn(stream, topic, payload);
        if (_heldBack is not { } held) return;
        _heldBack = null;
        PassOn(_subscribers[held.Topic], held.Topic, held.Payload);
    }

    private void PassOn(NetworkStream stream, string topic, byte[] payload)
    {
        if (++_packetId == 0) _packetId = 1;
        var packet = new byte[MqttPackets.PublishBytes(topic.Length, payload.Length)];
        stream.Write(packet, 0, MqttPackets.WritePublish(packet, Encoding.UTF8.GetBytes(topic), _packetId, payload));
    }

    private bool Due(int every) => every != 0 && _messages % every == 0;
}
