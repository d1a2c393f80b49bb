using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>What a <see cref="HomeNet"/> is made of.</summary>
public sealed record HomeNetOptions
{
    public int Homes { get; init; } = 1;

    public HomeOptions Home { get; init; } = new();

    /// <summary>Requests from one home to another that may be unanswered.</summary>
    public int ReplySlots { get; init; } = 1024;

    /// <summary>Notices from one home to another that may be on their way.</summary>
    public int Notices { get; init; } = 64;

    public int MaxHandshakes { get; init; } = 1024;

    /// <summary>Of each reactor; by default more than any test needs.</summary>
    public double LoginsPerSecond { get; init; } = 1e9;

    /// <summary>Of each reactor.</summary>
    public double LoginBurst { get; init; } = 1e6;

    /// <summary>Orders what may happen in any order.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>
/// A node without kernel, disk and threads: homes joined by lanes, a log in memory, connections, a clock. Everything that happens at its own
/// time in a real node happens here one step after the other, in an order that the seed decides.
/// </summary>
public sealed class HomeNet : IDeviceKeys, ILogRecovery
{
    /// <summary>Rounds after which a node that still has something to do is going in circles.</summary>
    private const int MaxRounds = 20_000;

    private static readonly byte[] Secret = Convert.FromHexString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

    private readonly Dictionary<Address, uint> _keyEpochs = [];
    private readonly Dictionary<(Address Device, uint Epoch), byte[]> _keys = [];
    private readonly List<DeviceModel> _devices = [];
    private readonly Random _random;
    private SimulatedReactor[] _reactors = [];
    private SimulatedLinks _links;
    private ulong _connections;

    public HomeNet(HomeNetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        _random = new Random(options.Seed);
        Store = new MemoryLogStore(options.Homes, () => Clock.UnixMicros, () => Clock.SteadySeconds);
        _links = new SimulatedLinks(this, options.Homes);
        Start();
    }

    public HomeNetOptions Options { get; private set; }

    /// <summary>Runs of the node so far: each crash begins another.</summary>
    public int Runs { get; private set; } = 1;

    public SimulatedClock Clock { get; } = new();

    public MemoryLogStore Store { get; private set; }

    public IReadOnlyList<SimulatedReactor> Reactors => _reactors;

    public IReadOnlyList<DeviceModel> Devices => _devices;

    /// <summary>Every offline event, in order.</summary>
    public List<Address> Offline { get; } = [];

    /// <summary>Every home that said that nothing expires, with what the clock said and what it should have.</summary>
    public List<(int Home, uint Clock, uint Expected)> ExpirySuspended { get; } = [];

    /// <summary>Every home that said that its log is lost.</summary>
    public List<(int Home, LogOutcome Outcome)> LogLost { get; } = [];

    internal long BytesFlushed { get; set; }

    /// <summary>Who has everything of this node happen in its own time and looks on; connections accepted under it are distant.</summary>
    internal INodeObserver? Observer { get; set; }

    internal SimulatedLinks Links => _links;

    public SimulatedReactor ReactorOf(Address device) => _reactors[HomeMap.HomeOf(device.Value, Options.Homes)];

    public Home HomeOf(Address device) => ReactorOf(device).Home;

    public DeviceModel AddDevice(Address address)
    {
        var device = new DeviceModel(this, address);
        _devices.Add(device);
        return device;
    }

    public SimulatedConnection Accept(int reactor) => _reactors[reactor].Accept(++_connections);

    /// <summary>A deadline of the host's has passed for this connection.</summary>
    public void TimeOut(SimulatedConnection connection, ErrorCode code)
    {
        ArgumentNullException.ThrowIfNull(connection);
        connection.Reactor.TimeOut(connection, code);
    }

    /// <summary>Every home makes a turn, in order.</summary>
    public void Turn()
    {
        foreach (var reactor in _reactors) reactor.Turn();
    }

    /// <summary>Everything that lies in the lanes now arrives, in an order of the seed's.</summary>
    public void DeliverLanes()
    {
        while (TryDeliverOne())
        {
        }
    }

    /// <summary>One message of one lane arrives. False: all lanes are empty.</summary>
    public bool TryDeliverOne()
    {
        var lanes = _links.Lanes.Where(lane => lane.Count != 0).ToList();
        if (lanes.Count == 0) return false;
        var lane = lanes[_random.Next(lanes.Count)];
        var pick = _random.Next(lane.Count);
        if (pick < lane.Requests.Count) _links.DeliverRequest(lane);
        else if (pick < lane.Requests.Count + lane.Replies.Count) _links.DeliverReply(lane);
        else _links.DeliverNotice(lane);
        return true;
    }

    /// <summary>The oldest request of one lane arrives. False: no request is on its way.</summary>
    public bool TryDeliverRequest()
    {
        var lane = _links.Lanes.FirstOrDefault(l => l.Requests.Count != 0);
        if (lane is null) return false;
        _links.DeliverRequest(lane);
        return true;
    }

    /// <summary>Lets everything happen except commits and reads: lanes, turns, devices, until nothing more does.</summary>
    public void Exchange() => Run(durable: false);

    /// <summary>Lets everything happen until nothing more does, disk included.</summary>
    public void Settle() => Run(durable: true);

    private void Run(bool durable)
    {
        // What was put off for a while comes again after a retry's time; nothing for three of those is quiet.
        var rounds = 0;
        for (var quiet = 0; quiet < 3;)
        {
            if (++rounds > MaxRounds) throw new PromiseBrokenException("The node never comes to rest.");
            var before = Activity;
            Turn();
            DeliverLanes();
            foreach (var device in _devices) device.Receive();
            if (durable)
            {
                Store.CommitAll();
                Store.CompleteReads();
            }

            Clock.Advance(20);
            quiet = Activity == before && !_reactors.Any(r => r.HasWork) ? quiet + 1 : 0;
        }
    }

    private (long, long, long, bool) Activity => (Store.Appended, Store.CommittedThrough, BytesFlushed, _links.IsEmpty);

    /// <summary>
    /// The node dies and another run of it starts on what the disk held: the committed records and the first
    /// <paramref name="uncommittedKept"/> others. Every connection is gone.
    /// </summary>
    public void Crash(int uncommittedKept = 0, int? homes = null)
    {
        foreach (var reactor in _reactors)
        {
            foreach (var connection in reactor.Connections) connection.IsClosed = true;
        }

        Runs++;
        Options = Options with { Homes = homes ?? Options.Homes };
        Store = Store.Recover(Options.Homes, uncommittedKept);
        _links = new SimulatedLinks(this, Options.Homes);
        _keyEpochs.Clear();
        Start();
        Store.Replay(this);
    }

    /// <summary>What an operator does who has found that the clock is right.</summary>
    public void ResumeExpiry()
    {
        ExpirySuspended.Clear();
        foreach (var reactor in _reactors) reactor.Home.ResumeExpiry();
    }

    /// <summary>What the host does once a device's epoch is durable: the doormen of all reactors go by it.</summary>
    public void SetKeyEpoch(Address device, uint epoch) => _keyEpochs[device] = Math.Max(epoch, CurrentEpoch(device));

    public uint CurrentEpoch(Address device) => _keyEpochs.GetValueOrDefault(device);

    public void Derive(Address device, uint epoch, Span<byte> key)
    {
        if (!_keys.TryGetValue((device, epoch), out var derived))
        {
            derived = new byte[DeviceKey.KeyBytes];
            DeviceKey.Derive(Secret, device, epoch, derived);
            _keys.Add((device, epoch), derived);
        }

        derived.CopyTo(key);
    }

    void ILogRecovery.OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) =>
        HomeOf(new Address(device)).RestoreWindow(device, incarnation, low, settled, usedAt);

    void ILogRecovery.OnOrigin(ulong device, uint incarnation, ulong number, ulong low) =>
        HomeOf(new Address(device)).RestoreOrigin(device, incarnation, number, low);

    void ILogRecovery.OnDevice(ulong device, uint keyEpoch) => SetKeyEpoch(new Address(device), keyEpoch);

    internal void FillNonce(Span<byte> nonce) => _random.NextBytes(nonce);

    private void Start()
    {
        _reactors = new SimulatedReactor[Options.Homes];
        for (var i = 0; i < Options.Homes; i++)
        {
            _reactors[i] = new SimulatedReactor(this, i, Store.Homes[i], _links.Of(i));
            _reactors[i].Home.RestoreClock((uint)(Store.ReservedThrough / 1_000_000), ExpirySuspended.Count != 0);
            _reactors[i].Enter();
        }
    }
}
