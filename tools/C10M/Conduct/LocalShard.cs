using System.Diagnostics;
using Gateway.Load.Devices;
using Gateway.Load.Foreign.Mqtt;
using Gateway.Load.Foreign.Xmpp;
using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Conduct;

/// <summary>Fleets on this process's reactors, and the pacer that wakes them on time.</summary>
internal sealed class LocalShard : IShard
{
    private readonly IFleet[] _fleets;
    private readonly ReactorGroup _group;
    private readonly Pacer? _pacer;
    private Exception? _fatal;

    public LocalShard(LoadSettings settings, TimeProvider time)
    {
        var forFleets = settings.ForFleets(time);
        _fleets = new IFleet[settings.Threads];
        _group = new ReactorGroup(
            OptionsOf(settings),
            reactor => _fleets[reactor.Index] = FleetOf(settings.Protocol, reactor, forFleets, settings.Shape.Cut(settings.Slice, reactor.Index, settings.Threads)),
            e => Volatile.Write(ref _fatal, e),
            time);
        _group.Start();
        // The handlers are made on their threads; an order posted before would find none.
        while (Array.Exists(_fleets, f => Volatile.Read(ref f) is null) && Volatile.Read(ref _fatal) is null) Thread.Sleep(1);
        if (settings.OpenLoop) _pacer = new Pacer(_group.Reactors, _fleets, forFleets.Time);
    }

    public int Fleets => _fleets.Length;

    public void Give(Order order)
    {
        foreach (var reactor in _group.Reactors)
        {
            if (!reactor.TryPost(handler => ((IFleet)handler).Apply(order))) ThrowIfFailed("a reactor takes no more orders");
        }
    }

    public void CopyTo(LoadSnapshot into)
    {
        if (Volatile.Read(ref _fatal) is not null) ThrowIfFailed("");
        foreach (var fleet in _fleets) fleet.CopyTo(into);
        into.CpuSeconds += Environment.CpuUsage.TotalTime.TotalSeconds;
    }

    public void Dispose()
    {
        _pacer?.Dispose();
        _group.Dispose();
    }

    private void ThrowIfFailed(string otherwise)
    {
        var fatal = Volatile.Read(ref _fatal);
        throw new LoadException(ExitCode.Failed, fatal is null ? otherwise : $"a reactor of the load failed: {fatal}", fatal);
    }

    private static IFleet FleetOf(LoadProtocol protocol, Reactor reactor, FleetSettings settings, Slice slice) => protocol switch
    {
        LoadProtocol.Native when settings.Shape.Kind == ShapeKind.Echo => new EchoFleet(reactor, settings, slice),
        LoadProtocol.Native => new Fleet(reactor, settings, slice),
        LoadProtocol.Xmpp => new XmppFleet(reactor, settings, slice),
        LoadProtocol.Mqtt => new MqttFleet(reactor, settings, slice),
        _ => throw new ArgumentOutOfRangeException(nameof(protocol)),
    };

    private static ReactorGroupOptions OptionsOf(LoadSettings settings)
    {
        Debug.Assert(settings.Threads > 0, "a shard has reactors");
        return new ReactorGroupOptions
        {
            Reactors = settings.Threads,
            Io = settings.Io,
            ThreadName = "load",
            MaxConnections = settings.Slice.Count / settings.Threads + settings.GroupSize + 64,
            TickMs = 5,
            HandshakeTimeoutMs = 60_000,
            FrameTimeoutMs = 0,
            IdleTimeoutMs = 0,
            MaxUnsentBytes = 8 << 20,
            MaxKeptInputBytes = 2 << 20,
            MaxSpanBytes = 2 << 20,
        };
    }
}
