using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Node;
using Gateway.Tests.EndToEnd;
using Gateway.Tests.Health.Loads;
using Gateway.Tests.Mailbox;
using Gateway.Tests.Server;

namespace Gateway.Tests.Health;

/// <summary>
/// A real node with its watch in this process, under the load of a hundred honest pairs, into which a fault is put. The thresholds are the same for every
/// fault: low enough for a test's load, in about the proportions in which they are shipped, and, where a busy machine could reach them by itself, far above that.
/// </summary>
internal sealed class FaultBed : IAsyncDisposable
{
    public const int Pairs = 100;

    private const int CrowdFrom = 5000;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    private readonly TemporaryFolder _folder = new();
    private readonly LoadThreads _threads = new();
    private readonly List<WireDevice> _devices = [];
    private readonly GatewayOptions _options;
    private CapturedLog _log = new();

    private FaultBed(GatewayOptions options)
    {
        Files = new FaultyFileSystem(_folder.Path);
        _options = options with { Data = _folder.Path };
    }

    public static NodeKeys Keys => OperatorFixture.Keys;

    public FaultyFileSystem Files { get; }
    public GatewayNode Node { get; private set; } = null!;
    public NodeHealth Health { get; private set; } = null!;
    public IPEndPoint Endpoint { get; private set; } = null!;

    /// <summary>As of the last start.</summary>
    public Crowd Crowd { get; private set; } = null!;

    /// <summary>What is repeated until the bed ends.</summary>
    public LoadThreads Threads => _threads;

    /// <param name="reactors">Of the node.</param>
    /// <param name="with">Options that differ.</param>
    /// <param name="thresholds">Likewise.</param>
    /// <param name="pause">Of the crowd, between two messages of a pair; null: 100 ms.</param>
    public static async Task<FaultBed> StartAsync(
        int reactors, Func<GatewayOptions, GatewayOptions>? with = null, Func<AlertThresholds, AlertThresholds>? thresholds = null, TimeSpan? pause = null)
    {
        var limits = AlertThresholds.Default with
        {
            Commit = TimeSpan.FromSeconds(1),
            Stall = TimeSpan.FromSeconds(4),
            LoginRate = 300,
            SenderRate = 400,
            MailboxDepth = 4000,
            ColdRead = TimeSpan.FromSeconds(1),
            RaiseAfter = TimeSpan.FromSeconds(1),
        };
        var options = GatewayOptions.Default with
        {
            NativeListen = new IPEndPoint(IPAddress.Loopback, 0),
            Reactors = reactors,
            PinReactors = false,
            MaxConnections = 1000,
            SegmentSize = 8 << 20,
            LogMemory = 8 << 20,
            // A sync of a disk that others use is no fault of this node's; the slow disk is put in where it is wanted.
            Durability = Gateway.Server.Durability.Os,
            Alerts = thresholds is null ? limits : thresholds(limits),
        };
        var bed = new FaultBed(with is null ? options : with(options));
        await bed.StartNodeAsync(pause ?? TimeSpan.FromMilliseconds(100));
        return bed;
    }

    /// <summary>Ends the node as an operator would and starts it again over what it kept. What was logged before is forgotten.</summary>
    public async Task RestartAsync(TimeSpan pause)
    {
        // Those who chatted do not come back: others will.
        Crowd = null!;
        await Health.DisposeAsync();
        await Node.DisposeAsync();
        _log.Dispose();
        _log = new CapturedLog();
        await StartNodeAsync(pause);
    }

    public static Address User(int number) => new(AddressKind.User, 15550000 + (ulong)number);

    public static string Pseudonym(Address device) => Keys.Pseudonym(device);

    /// <summary>A device whose home is this one; the first from a number on.</summary>
    public Address HomedAt(int reactor, int from) =>
        Enumerable.Range(from, 10_000).Select(User).First(d => HomeMap.HomeOf(d.Value, _options.Reactors) == reactor);

    /// <summary>The last reactor: with one it is the only one.</summary>
    public int LastReactor => _options.Reactors - 1;

    public WireDevice Connect(Address address) => Connect(address, 256);

    public WireDevice Connect(Address address, uint creditMessages)
    {
        var device = new WireDevice(Endpoint);
        lock (_devices) _devices.Add(device);
        var key = new byte[DeviceKey.KeyBytes];
        Keys.DeriveDeviceKey(address, 0, key);
        return device.LogIn(address, key, creditMessages: creditMessages);
    }

    public Action Sender(Address from, Address to, int batch, TimeSpan pause) => FaultLoads.Sender(Connect(from), to, batch, () => _threads.Pause(pause));

    /// <summary>Alerts that were raised, in their order, each as its line in the log.</summary>
    public IReadOnlyList<string> Raised => [.. _log.Lines.Where(l => l.Contains("raised: ", StringComparison.Ordinal))];

    /// <summary>The first alert's line in the log.</summary>
    public async Task<string> FirstAlertAsync()
    {
        await UntilAsync(() => Raised.Count > 0, "no alert was raised");
        return Raised[0];
    }

    /// <summary>Waits for something that must come.</summary>
    public async Task UntilAsync(Func<bool> condition, string otherwise)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (_threads.Failure is { } failure) throw failure;
            if (TimeProvider.System.GetElapsedTime(began) > Deadline)
                throw new TimeoutException($"{otherwise}: {string.Join(" | ", Health.Queues.Select(q => $"{q.Reading.Name} {q.Reading.Reactor}: {q.Text}"))} {string.Join(" | ", Raised)}");
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _threads.Stop();
        Files.OnSync = null;
        Files.OnRead = null;
        lock (_devices) _devices.ForEach(d => d.Dispose());
        _threads.Dispose();
        await Health.DisposeAsync();
        await Node.DisposeAsync();
        _log.Dispose();
        _folder.Dispose();
    }

    private async Task StartNodeAsync(TimeSpan pause)
    {
        var logs = _log.Factory();
        Node = new GatewayNode(_options, Keys, logs, TimeProvider.System) { OnLogOptions = log => log.FileSystem = Files };
        Health = new NodeHealth(Node, _options, Keys, logs, TimeProvider.System, Tick);
        await Node.StartAsync(CancellationToken.None);
        Endpoint = new IPEndPoint(IPAddress.Loopback, int.Parse(Regex.Match(Node.EndpointLines[0], @"\d+$").Value, CultureInfo.InvariantCulture));
        var crowd = Crowd = new Crowd(Connect, Pairs, i => User(CrowdFrom + i));
        // The watch starts once everybody is in: to a test's threshold two hundred logins at once are a storm.
        Health.Start();
        var ended = false;
        _threads.Repeat(() =>
        {
            // A crowd whose node was ended has gone with it.
            ended |= crowd != Crowd;
            if (!ended) crowd.Step();
            _threads.Pause(ended ? Timeout.InfiniteTimeSpan : pause);
        });
    }
}
