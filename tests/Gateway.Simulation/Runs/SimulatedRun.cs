using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// One run: a node of real homes under a clock, a disk, a network and devices that the seed alone moves. Things happen one at a time, each at its
/// own microsecond, and after each of them everything that can be seen from outside is judged. When the load ends all is mended, and the run
/// goes on until nothing is left to do. A broken promise comes as <see cref="PromiseBrokenException"/>. Owned by one thread.
/// Parts: this file is the clock and its events; Network, Disk (and lanes), Faults and Rest are the others.
/// </summary>
public sealed partial class SimulatedRun : INodeObserver
{
    /// <summary>What a node that was mended may take to come to rest, and how many events: more is for ever.</summary>
    private const long RestMicros = 120_000_000;
    private const int MaxEvents = 400_000;

    private const int TickMicros = 50_000;

    private enum Happening
    {
        Turn,
        Tick,
        LaneArrives,
        Committed,
        PageArrives,
        ReachesNode,
        ReachesDevice,
        DeviceSeesEnd,
        RouteEnds,
        HostTimeout,
        DeviceThinks,
        Fault,
        FaultEnds,
        NodeStarts,
        Mend,
        LookAround,
    }

    /// <param name="What">The kind.</param>
    /// <param name="Run">The run of the node it belongs to; what was meant for a dead one is void. 0: of none.</param>
    /// <param name="Index">A reactor, a lane, a fault.</param>
    /// <param name="Target">A route, an installation, a way to end a fault.</param>
    private readonly record struct Happens(Happening What, int Run, int Index, object? Target);

    private readonly PriorityQueue<Happens, (long AtMicros, long Order)> _events = new();
    private readonly Dice _dice;
    private readonly List<DeviceSlot> _slots = [];
    private long _order;
    private bool[] _turnDue = [];
    private bool _isDone;

    public SimulatedRun(RunPlan plan, bool keepsWords = false)
    {
        ArgumentNullException.ThrowIfNull(plan);
        Plan = plan;
        History = new History(keepsWords);
        _dice = new Dice((ulong)plan.Seed ^ 0xD1CE_0000_0000_0000);
        Net = new HomeNet(plan.Node) { Observer = this };
        Net.Store.PagesPerHome = plan.PagesPerHome;
        Judge = new Judge(Net);
        BeginNode();
        foreach (var address in plan.Devices)
        {
            var slot = new DeviceSlot(address) { LatencyMicros = _dice.Spread(30, 60_000) };
            _slots.Add(slot);
            AddInstallation(slot);
        }

        for (var i = 0; i < plan.Faults.Count; i++) At(plan.Faults[i].AtMicros, new Happens(Happening.Fault, 0, i, null));
        At(plan.LoadMicros, new Happens(Happening.Mend, 0, 0, null));
    }

    public RunPlan Plan { get; }

    public History History { get; }

    public Coverage Coverage { get; } = new();

    /// <summary>Things that happened, those that changed nothing left out.</summary>
    public int Events { get; private set; }

    /// <summary>Messages stored.</summary>
    public long Messages => Net.Store.Messages.Accepted;

    internal HomeNet Net { get; }

    internal Judge Judge { get; }

    internal long NowMicros { get; private set; }

    /// <summary>How often the node has started.</summary>
    internal int NodeRuns { get; private set; }

    internal bool IsMended { get; private set; }

    /// <summary>Runs to the end.</summary>
    public void Execute()
    {
        while (!_isDone)
        {
            if (!_events.TryDequeue(out var happens, out var when)) throw new PromiseBrokenException("Nothing is left to happen, and the node is not at rest.");
            if (happens.Run != 0 && happens.Run != NodeRuns) continue;
            if (Events > MaxEvents || NowMicros > Plan.LoadMicros + RestMicros) throw new PromiseBrokenException($"The node never comes to rest: {DescribeUnrest()}.");
            NowMicros = when.AtMicros;
            History.NowMicros = NowMicros;
            Net.Clock.AdvanceTo(NowMicros);
            Take(in happens);
            Judge.ReadLog();
        }
    }

    private void Take(in Happens happens)
    {
        if (happens.What is not (Happening.Tick or Happening.LookAround))
        {
            Events++;
            History.Note((int)happens.What, (ulong)happens.Index);
        }

        switch (happens.What)
        {
            case Happening.Turn:
                _turnDue[happens.Index] = false;
                Turn(happens.Index, submits: !_dice.OneIn(6));
                break;
            case Happening.Tick:
                Tick();
                break;
            case Happening.LaneArrives:
                ArriveOnLane(happens.Index);
                break;
            case Happening.Committed:
                Commit((long)happens.Target!);
                break;
            case Happening.PageArrives:
                ArrivePage(happens.Index);
                break;
            case Happening.ReachesNode:
                ReachNode((Route)happens.Target!);
                break;
            case Happening.ReachesDevice:
                ReachDevice((Route)happens.Target!);
                break;
            case Happening.DeviceSeesEnd:
                ((Route)happens.Target!).Installation.Listen();
                break;
            case Happening.RouteEnds:
                Break((Route)happens.Target!);
                break;
            case Happening.HostTimeout:
                TimeOut((Route)happens.Target!);
                break;
            case Happening.DeviceThinks:
                Think((Installation)happens.Target!);
                break;
            case Happening.Fault:
                Inflict(Plan.Faults[happens.Index]);
                break;
            case Happening.FaultEnds:
                ((Action)happens.Target!)();
                break;
            case Happening.NodeStarts:
                StartNode();
                break;
            case Happening.Mend:
                Mend();
                break;
            case Happening.LookAround:
                LookAround();
                break;
        }
    }

    private void At(long micros, Happens happens) => _events.Enqueue(happens, (micros, _order++));

    private void In(long micros, Happening what, int index = 0, object? target = null, bool ofThisNode = true) =>
        At(NowMicros + micros, new Happens(what, ofThisNode ? NodeRuns : 0, index, target));

    private void Think(Installation installation)
    {
        var next = installation.Think();
        if (next != 0) In(next, Happening.DeviceThinks, 0, installation, ofThisNode: false);
    }

    private Installation AddInstallation(DeviceSlot slot)
    {
        var name = FormattableString.Invariant($"{_slots.IndexOf(slot)}.{slot.Installations.Count}");
        var installation = new Installation(this, slot, new Dice(_dice.Next()), name);
        slot.Installations.Add(installation);
        foreach (var each in slot.Installations) each.Device.SharesMailbox = slot.Installations.Count > 1;
        // Some come late: what is sent to them waits.
        if (slot.Installations.Count == 1 && _dice.OneIn(3)) installation.ComeBackAfter((long)(_dice.Next() % (ulong)Plan.LoadMicros));
        In(_dice.Spread(10, Plan.ThinkMicros), Happening.DeviceThinks, 0, installation, ofThisNode: false);
        return installation;
    }

    void INodeObserver.OnTouched(SimulatedReactor reactor)
    {
        if (reactor.Index < Net.Reactors.Count && Net.Reactors[reactor.Index] == reactor) Wake(reactor.Index); // else of a run that is over
    }

    void INodeObserver.OnWritten(SimulatedConnection connection, ReadOnlySpan<byte> frame)
    {
        History.Note(frame);
        if (History.KeepsWords) History.Say(FrameWords.Of("  <", connection, frame));
        Judge.OnWritten(connection, frame);
    }

    void INodeObserver.OnFrame(SimulatedConnection connection, FrameType type, ReadOnlySpan<byte> payload)
    {
        if (History.KeepsWords) History.Say(FrameWords.Of("  >", connection, type, payload));
        Judge.OnFrame(connection, type, payload);
    }

    void INodeObserver.OnLogin(SimulatedConnection connection, in Login login)
    {
        if (History.KeepsWords)
            History.Say(FormattableString.Invariant($"  > c{connection.Id} {new Address(login.Address)} logs in, incarnation {login.Incarnation}, resume {login.Resume}, credit {login.CreditMessages}/{login.CreditBytes}"));
        Judge.OnLogin(connection, in login);
    }

    void INodeObserver.OnLoggedIn(SimulatedConnection connection) => Judge.OnLoggedIn(connection);
}
