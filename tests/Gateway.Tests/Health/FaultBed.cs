using System.Net;
using System.Text.RegularExpressions;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Node;
using Gateway.Tests.EndToEnd;
using Gateway.Tests.Mailbox;
using Gateway.Tests.Server;

namespace Gateway.Tests.Health;

/// <summary>
/// A real node with its watch in this process, into which a fault is put. The thresholds are the same for every fault, low enough for a test's load and,
/// where a busy machine could reach them by itself, far above that.
/// </summary>
internal sealed class FaultBed : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);

    private readonly TemporaryFolder _folder = new();
    private readonly CapturedLog _log = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _load = [];
    private readonly List<IDisposable> _devices = [];

    private FaultBed(GatewayOptions options)
    {
        Files = new FaultyFileSystem(_folder.Path);
        Options = options with { Data = _folder.Path };
        Keys = OperatorFixture.Keys;
        var logs = _log.Factory();
        Node = new GatewayNode(Options, Keys, logs, TimeProvider.System) { OnLogOptions = log => log.FileSystem = Files };
        Health = new NodeHealth(Node, Options, Keys, logs, TimeProvider.System, Tick);
    }

    public GatewayOptions Options { get; }
    public NodeKeys Keys { get; }
    public FaultyFileSystem Files { get; }
    public GatewayNode Node { get; }
    public NodeHealth Health { get; }
    public int Port { get; private set; }

    /// <summary>Ends what <see cref="Load"/> runs.</summary>
    public CancellationToken Stopped => _stop.Token;

    public static async Task<FaultBed> StartAsync(Func<GatewayOptions, GatewayOptions>? with = null, Func<AlertThresholds, AlertThresholds>? thresholds = null)
    {
        var limits = AlertThresholds.Default with
        {
            Commit = TimeSpan.FromSeconds(1),
            Stall = TimeSpan.FromSeconds(3),
            LoginRate = 100,
            SenderRate = 400,
            MailboxDepth = 300,
            ColdRead = TimeSpan.FromSeconds(1),
            RaiseAfter = TimeSpan.FromSeconds(1),
        };
        var options = GatewayOptions.Default with
        {
            NativeListen = new IPEndPoint(IPAddress.Loopback, 0),
            Reactors = 2,
            PinReactors = false,
            MaxConnections = 1000,
            SegmentSize = 8 << 20,
            LogMemory = 8 << 20,
            // A sync of a disk that others use is no fault of this node's; the slow disk is put in where it is wanted.
            Durability = Gateway.Server.Durability.Os,
            Alerts = thresholds is null ? limits : thresholds(limits),
        };
        var bed = new FaultBed(with is null ? options : with(options));
        await bed.Node.StartAsync(CancellationToken.None);
        bed.Port = int.Parse(Regex.Match(bed.Node.EndpointLines[0], @"\d+$").Value, System.Globalization.CultureInfo.InvariantCulture);
        bed.Health.Start();
        return bed;
    }

    public static Address User(int number) => new(AddressKind.User, 15550000 + (ulong)number);

    public WireDevice Connect(Address address, uint creditMessages = 256)
    {
        var device = new WireDevice(Port);
        lock (_devices) _devices.Add(device);
        var key = new byte[DeviceKey.KeyBytes];
        Keys.DeriveDeviceKey(address, 0, key);
        return device.LogIn(address, key, creditMessages: creditMessages);
    }

    /// <summary>Keeps something going until the bed ends; a device whose connection ends with the bed is no failure.</summary>
    public void Load(Action step)
    {
        _load.Add(Task.Factory.StartNew(
            () =>
            {
                try
                {
                    while (!_stop.IsCancellationRequested) step();
                }
                catch (Exception) when (_stop.IsCancellationRequested)
                {
                    // The bed closed its connections.
                }
            },
            TaskCreationOptions.LongRunning));
    }

    /// <summary>A device that sends in batches, each answered before the next.</summary>
    public Action Sender(Address from, Address to, int batch, TimeSpan pause, string body = "hello")
    {
        var device = Connect(from);
        var bytes = System.Text.Encoding.UTF8.GetBytes(body);
        ulong number = 0;
        return () =>
        {
            var lowest = number + 1;
            for (var i = 0; i < batch; i++) device.Send(to, ++number, bytes, lowest);
            for (var answered = 0; answered < batch;)
            {
                if (device.Read() is not { } frame) throw new EndOfStreamException("The node closed a sender's connection.");
                // What is refused, for now, is given up with the next batch: a flood does not mind.
                if (frame.Type is FrameType.Accepted or FrameType.Refused) answered++;
                else if (frame.Type == FrameType.Error) throw new InvalidDataException("The node closes a sender's connection.");
            }

            Stopped.WaitHandle.WaitOne(pause);
        };
    }

    /// <summary>The first alert's line in the log, and how long after this call it was there.</summary>
    public async Task<(string Line, TimeSpan After)> FirstAlertAsync(TimeSpan? deadline = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < (deadline ?? Deadline))
        {
            if (_log.Lines.FirstOrDefault(l => l.Contains("raised: ", StringComparison.Ordinal)) is { } line) return (line, TimeProvider.System.GetElapsedTime(began));
            if (_load.FirstOrDefault(t => t.IsFaulted) is { } failed) await failed;
            await Task.Delay(20);
        }

        throw new TimeoutException($"No alert was raised. {string.Join(" | ", Health.Queues.Select(q => $"{q.Reading.Name} {q.Reading.Reactor}: {q.Text}"))}");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Files.OnSync = null;
        Files.OnRead = null;
        lock (_devices) _devices.ForEach(d => d.Dispose());
        await Task.WhenAll(_load.Select(t => t.ContinueWith(_ => { }, TaskScheduler.Default)));
        await Health.DisposeAsync();
        await Node.DisposeAsync();
        _log.Dispose();
        _stop.Dispose();
        _folder.Dispose();
    }
}
