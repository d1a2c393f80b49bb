using System.Net;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Tests.EndToEnd;
using Gateway.Tests.Health.Loads;

namespace Gateway.Benchmarks.Alerts;

/// <summary>
/// A node with a hundred honest pairs, and whatever a fault adds to that: its devices and its threads end when it is mended, the honest ones with the scene.
/// Owned by the run's task; devices are connected by any thread.
/// </summary>
internal sealed class FaultScene : IDisposable
{
    public const int Pairs = 100;
    public static readonly TimeSpan Gap = TimeSpan.FromMilliseconds(100);

    private const int CrowdFrom = 5000;

    private readonly LoadThreads _honest = new();
    private readonly Crowd _crowd;
    private readonly List<WireDevice> _devices = [];
    private LoadThreads? _faulty = new();

    /// <param name="node">Up; whoever started it ends it.</param>
    /// <param name="reactors">Of it.</param>
    /// <param name="webhook">That it posts to; likewise.</param>
    public FaultScene(RungServer node, int reactors, WebhookReceiver webhook)
    {
        (Node, Reactors, Webhook) = (node, reactors, webhook);
        if (!NodeSecret.TryParse(File.ReadAllText(node.SecretPath), out var secret, out var error)) throw new MeasuringException($"the node's secret cannot be read: {error}");
        Keys = new NodeKeys(secret);
        Endpoint = new IPEndPoint(IPAddress.Loopback, node.Port);
        _crowd = new Crowd(a => LogIn(new WireDevice(Endpoint), a, 256), Pairs, i => User(CrowdFrom + i));
        _honest.Repeat(() =>
        {
            _crowd.Step();
            _honest.Pause(Gap);
        });
    }

    public RungServer Node { get; }
    public int Reactors { get; }
    public NodeKeys Keys { get; }
    public IPEndPoint Endpoint { get; }
    public WebhookReceiver Webhook { get; }

    /// <summary>Devices that are about to send half a frame.</summary>
    public List<WireDevice> HalfFrames { get; } = [];

    /// <summary>Messages of honest pairs that arrived.</summary>
    public long Delivered => _crowd.Delivered;

    /// <summary>The fault's threads.</summary>
    public LoadThreads Threads => _faulty ?? throw new InvalidOperationException("The fault is over.");

    public static Address User(int number) => new(AddressKind.User, 15550000 + (ulong)number);

    /// <summary>A device whose home is the last reactor.</summary>
    public Address HomedLast() => Enumerable.Range(1, 10_000).Select(User).First(d => HomeMap.HomeOf(d.Value, Reactors) == Reactors - 1);

    /// <summary>A device of the fault's.</summary>
    public WireDevice Connect(Address address, uint creditMessages = 256)
    {
        var device = new WireDevice(Endpoint);
        lock (_devices) _devices.Add(device);
        return LogIn(device, address, creditMessages);
    }

    /// <summary>Ends what the fault does from outside.</summary>
    public void Mend()
    {
        _faulty?.Stop();
        lock (_devices)
        {
            _devices.ForEach(d => d.Dispose());
            _devices.Clear();
        }

        _faulty?.Dispose();
        _faulty = null;
    }

    public void Dispose()
    {
        Mend();
        _honest.Stop();
        _crowd.Dispose();
        _honest.Dispose();
    }

    private WireDevice LogIn(WireDevice device, Address address, uint creditMessages)
    {
        var key = new byte[DeviceKey.KeyBytes];
        Keys.DeriveDeviceKey(address, 0, key);
        return device.LogIn(address, key, creditMessages: creditMessages);
    }
}
