using System.Net;
using Gateway.Load.Measure;

namespace Gateway.Load.Devices;

/// <summary>What the devices speak.</summary>
internal enum LoadProtocol
{
    /// <summary>The gateway's own.</summary>
    Native = 0,
    /// <summary>RFC 6120 with receipts by XEP-0184.</summary>
    Xmpp = 1,
    /// <summary>MQTT 3.1.1, QoS 1.</summary>
    Mqtt = 2,
}

/// <summary>What every fleet of a run knows. Immutable.</summary>
internal sealed record FleetSettings
{
    public required IPEndPoint Target { get; init; }

    /// <summary>The node's secret, from which each device's key is derived; empty for a foreign protocol.</summary>
    public required byte[] Secret { get; init; }

    public required Shape Shape { get; init; }
    public required MessageMix Mix { get; init; }
    public required Payload Payload { get; init; }
    public required SourceAddresses Sources { get; init; }
    public required MonotonicTime Time { get; init; }
    public required ulong Seed { get; init; }

    /// <summary>The number of the user that is device 0; device i is user FirstAddress + i, device 0 of it.</summary>
    public required ulong FirstAddress { get; init; }

    /// <summary>XMPP: of the accounts.</summary>
    public string Domain { get; init; } = "localhost";

    /// <summary>Messages of a sender that may be without their double check; with <see cref="TracksDoubleChecks"/> false, without accepted.</summary>
    public required int Window { get; init; }

    /// <summary>False when double checks come long after the sends (absent recipients): they are then counted, not timed.</summary>
    public bool TracksDoubleChecks { get; init; } = true;

    /// <summary>An acknowledgement goes out at the end of each read, and within one after this many.</summary>
    public int AckEvery { get; init; } = 64;

    /// <summary>Connects and logins that one fleet has under way at most.</summary>
    public int LoginsInFlight { get; init; } = 512;

    /// <summary>Messages without a double check that one fleet begins new senders under.</summary>
    public long StartBelow { get; init; } = long.MaxValue;

    /// <summary>A session that breaks is established again and its unsettled messages are sent again; otherwise a break is an error.</summary>
    public bool Reconnect { get; init; }

    /// <summary>A session that is told to go away comes back when it was told to; otherwise that is an error unless <see cref="Reconnect"/>.</summary>
    public bool HeedsGoAway { get; init; }

    public uint CreditMessages { get; init; } = 256;
    public uint CreditBytes { get; init; } = 1 << 20;
}

/// <summary>
/// The addresses that connections come from. The kernel gives an address 28,000 ports by default, but past 14,000 in use its search for a
/// free one makes a connect a thousand times slower; so each address carries at most <see cref="PortsEach"/>.
/// </summary>
internal sealed class SourceAddresses
{
    public const int PortsEach = 9_500;

    private readonly IPAddress[] _addresses;

    private SourceAddresses(IPAddress[] addresses) => _addresses = addresses;

    public int Count => _addresses.Length;

    /// <summary>As many addresses from <paramref name="first"/> on as <paramref name="connections"/> need; none when first is null: the kernel chooses.</summary>
    /// <exception cref="ArgumentException">They do not fit behind first.</exception>
    public static SourceAddresses For(IPAddress? first, int connections)
    {
        if (first is null) return new SourceAddresses([]);
        var bytes = first.GetAddressBytes();
        if (bytes.Length != 4) throw new ArgumentException($"{first} is no IPv4 address", nameof(first));
        var addresses = new List<IPAddress>();
        var number = (uint)(bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
        for (var needed = (connections + PortsEach - 1) / PortsEach; addresses.Count < needed; number++)
        {
            // Neither a network's own address nor its broadcast address.
            if ((number & 0xFF) is 0 or 0xFF) continue;
            if (number >> 24 != bytes[0]) throw new ArgumentException($"{connections} connections need more addresses than follow {first}", nameof(first));
            addresses.Add(new IPAddress([(byte)(number >> 24), (byte)(number >> 16), (byte)(number >> 8), (byte)number]));
        }

        return new SourceAddresses([.. addresses]);
    }

    public IPAddress? Of(int ordinal) => _addresses.Length == 0 ? null : _addresses[ordinal / PortsEach % _addresses.Length];
}
