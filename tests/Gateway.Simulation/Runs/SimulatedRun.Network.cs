using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>The way between devices and node: delay, pieces, and the ways in which it ends.</summary>
public sealed partial class SimulatedRun
{
    private readonly List<Route> _routes = [];
    private Installation? _connecting;

    internal bool IsReachable(DeviceSlot slot) => !_isDown && slot.OfflineUntilMicros <= NowMicros;

    /// <summary>Opens a connection at any reactor and says hello.</summary>
    internal void Connect(Installation installation, Dice dice)
    {
        var slot = installation.Slot;
        slot.HasLoggedInElsewhere |= _routes.Exists(r => r.Installation.Slot == slot && !r.Connection.IsClosed);
        if (installation.Route is { } old) Abandon(old);
        _connecting = installation;
        installation.Device.Connect(dice.Next(Net.Reactors.Count));
        _connecting = null;
        var route = installation.Route!;
        route.Provoked = installation.Provokes;
        if (slot.NextIsDead) Kill(route);
        slot.NextIsDead = false;
        History.Say(FormattableString.Invariant($"{installation.Device} ({slot.Installations.IndexOf(installation)}) connects, c{installation.Device.Connection!.Id}"));
    }

    void INodeObserver.OnUpstream(SimulatedConnection connection)
    {
        if (connection.Route is null)
        {
            connection.Route = new Route(connection, _connecting!);
            _routes.Add(connection.Route);
        }

        Move(connection.Route);
    }

    void INodeObserver.OnFlushed(SimulatedConnection connection)
    {
        if (connection.IsClosed) Judge.OnClosed(connection);
        // A connection that the doorman refused has written before its device has.
        if (connection.Route is not { } route) return;
        if (connection.IsClosed) _routes.Remove(route);
        if (route.IsDead) return;
        if (route.IsLeft)
        {
            // Nobody listens there any more: the device's kernel answers with a reset.
            if (!connection.IsClosed) In(Latency(route), Happening.RouteEnds, 0, route);
            return;
        }

        MoveBack(route);
        if (connection.IsClosed && connection.DownstreamBytes == 0) In(Latency(route), Happening.DeviceSeesEnd, 0, route, ofThisNode: false);
    }

    void INodeObserver.OnDeviceLeft(SimulatedConnection connection)
    {
        if (connection.Route is { } route) Leave(route);
    }

    /// <summary>The device closes its end in good order: what it wrote arrives, and then the end.</summary>
    private void Leave(Route route)
    {
        if (route.IsLeft || route.Connection.IsClosed) return;
        route.IsLeft = true;
        In(_dice.Spread(2_000_000, 20_000_000), Happening.HostTimeout, 0, route);
        if (!route.IsDead && route.Connection.UpstreamBytes == 0) In(Latency(route), Happening.ReachesNode, 0, route);
    }

    /// <summary>The device has another connection now and has forgotten this one, which stays as it is until somebody notices.</summary>
    private void Abandon(Route route)
    {
        if (!route.Connection.IsClosed && !route.IsLeft) In(_dice.Spread(2_000_000, 20_000_000), Happening.HostTimeout, 0, route);
    }

    private void Move(Route route)
    {
        if (route.IsMoving || route.IsDead || route.Connection.IsClosed) return;
        route.IsMoving = true;
        In(Latency(route), Happening.ReachesNode, 0, route);
    }

    private void MoveBack(Route route)
    {
        if (route.IsMovingBack || route.IsDead || route.Connection.DownstreamBytes == 0) return;
        route.IsMovingBack = true;
        In(Latency(route), Happening.ReachesDevice, 0, route, ofThisNode: false);
    }

    private void ReachNode(Route route)
    {
        route.IsMoving = false;
        var connection = route.Connection;
        if (route.IsDead || connection.IsClosed) return;
        if (connection.UpstreamBytes != 0)
        {
            connection.Arrive(Piece(route, connection.UpstreamBytes));
            if (connection.UpstreamBytes != 0)
            {
                Move(route);
                return;
            }
        }

        if (route.IsLeft) connection.HangUpBehindInput();
    }

    private void ReachDevice(Route route)
    {
        route.IsMovingBack = false;
        var connection = route.Connection;
        if (route.IsDead || route.IsLeft || connection.DownstreamBytes == 0) return;
        connection.ArriveAtDevice(Piece(route, connection.DownstreamBytes));
        MoveBack(route);
        if (route.Installation.Device.Connection == connection) route.Installation.Listen();
        else if (!connection.IsClosed) Leave(route); // of a connection it has forgotten
    }

    /// <summary>A reset: both ends are told, and what was under way is lost.</summary>
    private void Break(Route route)
    {
        route.Connection.LoseTransit();
        route.Connection.Break();
        if (!route.IsLeft && !route.IsDead) In(Latency(route), Happening.DeviceSeesEnd, 0, route, ofThisNode: false);
    }

    /// <summary>The host closes what has not said anything for too long.</summary>
    private void TimeOut(Route route)
    {
        if (!route.Connection.IsClosed) Net.TimeOut(route.Connection, ErrorCode.IdleTimeout);
        // Whoever does not read cannot be told either; the linger time ends that.
        if (!route.Connection.IsClosed) In(1_000_000, Happening.RouteEnds, 0, route);
    }

    private long Latency(Route route)
    {
        var latency = route.Installation.Slot.LatencyMicros;
        return latency / 2 + 1 + (long)(_dice.Next() % (ulong)latency);
    }

    private int Piece(Route route, int bytes)
    {
        var most = Math.Min(bytes, route.Installation.Slot.PieceBytes);
        return _dice.OneIn(4) ? 1 + _dice.Next(most) : most;
    }
}
