using System.Net;
using System.Runtime.CompilerServices;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;

namespace Gateway.Transport;

/// <summary>How connections come to be, and what a host may say of one. Every verb refuses a stale id without effect.</summary>
public sealed partial class Reactor
{
    private readonly List<uint> _listeners = [];
    private int _handshakes;
    private bool _accepting;
    private bool _acceptingStopped;
    private long _acceptPausedUntilMs;

    /// <summary>
    /// Opens a listener of this reactor that shares its port with those of the others (SO_REUSEPORT). Returns 0 or the errno.
    /// <see cref="ReactorGroup.Listen"/> opens one at every reactor.
    /// </summary>
    public int Listen(IPEndPoint endpoint, int backlog)
    {
        AssertOwner();
        ArgumentNullException.ThrowIfNull(endpoint);
        var descriptor = Syscalls.OpenListener(endpoint, backlog, Options.PeerTimeouts);
        return descriptor < 0 ? -descriptor : AdoptListener(descriptor);
    }

    /// <summary>
    /// Begins an outbound connection, from <paramref name="source"/> (IPv4) if given; its port is chosen as late as the kernel can, so
    /// that one address serves many destinations. The outcome comes by <see cref="IReactorHandler.OnConnected"/>, never from within this
    /// call. <c>default</c> when no slot is to be had.
    /// </summary>
    public ConnectionId Connect(IPEndPoint remote, IPAddress? source)
    {
        AssertOwner();
        ArgumentNullException.ThrowIfNull(remote);
        if (!_table.TryTake(SlotState.Connecting, -1, out var index)) return default;
        ref var slot = ref _table[index];
        var result = _backend.Connect(index, remote, source);
        if (result < 0) Kill(ref slot, index, CloseReason.Error, -result);
        else if (_handshakeTicks != 0) ArmDeadline(ref slot, index, _handshakeTicks);
        return _table.IdOf(index);
    }

    /// <summary>Whether the id names a connection that can still be written to.</summary>
    public bool IsOpen(ConnectionId c) => !IsNone(ref FindOpen(c));

    /// <summary>The 64 bits that <see cref="SetTag"/> stored; 0 at first and for a stale id.</summary>
    public ulong GetTag(ConnectionId c)
    {
        ref var slot = ref FindLiving(c);
        return IsNone(ref slot) ? 0 : slot.Tag;
    }

    public void SetTag(ConnectionId c, ulong tag)
    {
        ref var slot = ref FindLiving(c);
        if (!IsNone(ref slot)) slot.Tag = tag;
    }

    /// <summary>
    /// True while buffers are over a hard mark, the reactor's or the node's. Connections are accepted all the same, so that the handler can tell
    /// them why it takes none. The reactor's thread.
    /// </summary>
    public bool IsOverHardMark => _budget.IsOverHard;

    /// <summary>
    /// When the last byte came from the connection, by <see cref="NowMs"/>, to within a tick; now for one that is not read, which is not to
    /// blame for its silence, and for a stale id.
    /// </summary>
    public long HeardAtMs(ConnectionId c)
    {
        ref var slot = ref FindOpen(c);
        return IsNone(ref slot) || slot.Has(SlotFlags.AnyPause) ? NowMs : NowMs - (long)(_nowTick - slot.LastReceived) * _clock.TickMs;
    }

    /// <summary>The peer's address, asked from the kernel; null for a stale id or a peer that is gone. Allocates: not for a message's path.</summary>
    public IPEndPoint? RemoteEndPoint(ConnectionId c)
    {
        ref var slot = ref FindLiving(c);
        return IsNone(ref slot) ? null : _backend.RemoteEndPoint(c.Slot);
    }

    /// <summary>Ends the handshake deadline, starts the idle one, and gives back the connection's place among the handshakes.</summary>
    public void MarkEstablished(ConnectionId c)
    {
        ref var slot = ref FindOpen(c);
        if (IsNone(ref slot) || !slot.Has(SlotFlags.InHandshake)) return;
        LeaveHandshake(ref slot);
        slot.LastReceived = _nowTick;
        ArmEarliest(ref slot, c.Slot);
    }

    /// <summary>Takes on a listening socket that is this reactor's from here on, also when it fails; returns 0 or the errno.</summary>
    internal int AdoptListener(int descriptor)
    {
        var listener = (uint)_listeners.Count;
        var result = _backend.AttachListener(listener, descriptor);
        if (result < 0)
        {
            _ = Syscalls.Close(descriptor);
            return -result;
        }

        _listeners.Add(listener);
        if (_accepting) _backend.SubmitAccept(listener);
        return 0;
    }

    /// <summary>Leaves all further clients in the backlog, for good.</summary>
    internal void StopAccepting()
    {
        _acceptingStopped = true;
        SuspendAccepting();
    }

    private void OnAccept(int result)
    {
        if (result < 0)
        {
            // Only an error of this one client's would be worth going on after, and the backend did; anything else comes back at once if it stays.
            _meters.AcceptBackoffs++;
            _acceptPausedUntilMs = NowMs + Options.AcceptBackoffMs;
            SuspendAccepting();
            return;
        }

        if (!_table.TryTake(SlotState.Open, result, out var index))
        {
            _backend.Refuse(result);
            SuspendAccepting();
            return;
        }

        _meters.Accepted++;
        _pace.Take();
        ref var slot = ref _table[index];
        slot.Flags = SlotFlags.InHandshake;
        slot.Deadline = _nowTick + _handshakeTicks;
        EnterHandshake(ref slot);
        slot.LastReceived = _nowTick;
        if (!MayAccept()) SuspendAccepting();

        var attached = _backend.Attach(index);
        if (_handshakeTicks != 0) ArmTimer(ref slot, index, slot.Deadline);
        if (attached < 0) Kill(ref slot, index, CloseReason.Error, -attached);
        _handler.OnAccepted(_table.IdOf(index));
        ReceiveMore(ref slot, index);
    }

    private void OnConnect(ref ConnectionSlot slot, ConnectionId id, int errno)
    {
        if (slot.State != SlotState.Connecting) return;
        if (errno != 0)
        {
            Kill(ref slot, id.Slot, CloseReason.Error, errno);
            return;
        }

        _meters.Connected++;
        slot.State = SlotState.Open;
        slot.LastReceived = _nowTick;
        _wheel.Cancel(id.Slot);
        ArmEarliest(ref slot, id.Slot);
        _handler.OnConnected(id, 0);
        ReceiveMore(ref slot, id.Slot);
    }

    private bool MayAccept() =>
        !_acceptingStopped
        && AcceptRoom() > 0
        && NowMs >= _acceptPausedUntilMs
        && _pace.Allowance(NowMs) > 0;

    private int AcceptRoom() =>
        Math.Min(Options.MaxConnections - _table.InUse, Options.MaxHandshakes - _handshakes - _inbox.MovesUnderWay);

    private void UpdateAccepting()
    {
        var may = MayAccept();
        if (may) _backend.AllowAccepts(Math.Min(AcceptRoom(), _pace.Allowance(NowMs)));
        if (may == _accepting) return;
        if (!may)
        {
            SuspendAccepting();
            return;
        }

        _accepting = true;
        foreach (var listener in _listeners) _backend.SubmitAccept(listener);
    }

    private void SuspendAccepting()
    {
        if (!_accepting) return;
        _accepting = false;
        _meters.AcceptSuspensions++;
        foreach (var listener in _listeners) _backend.CancelAccept(listener);
    }

    private void EnterHandshake(ref ConnectionSlot slot)
    {
        _handshakes++;
        _handshakeGauge?.Enter(HandshakeSinceMs(ref slot));
    }

    private void LeaveHandshake(ref ConnectionSlot slot)
    {
        if (!slot.Has(SlotFlags.InHandshake)) return;
        slot.Flags &= ~SlotFlags.InHandshake;
        _handshakes--;
        _handshakeGauge?.Leave(HandshakeSinceMs(ref slot));
    }

    /// <summary>A handshake's slot remembers its beginning as its deadline, also where there is none.</summary>
    private long HandshakeSinceMs(ref ConnectionSlot slot) => (long)(slot.Deadline - _handshakeTicks) * _clock.TickMs;

    private ref ConnectionSlot FindOpen(ConnectionId c)
    {
        AssertOwner();
        ref var slot = ref _table.Find(c);
        return ref !IsNone(ref slot) && slot.State == SlotState.Open ? ref slot : ref Unsafe.NullRef<ConnectionSlot>();
    }

    private ref ConnectionSlot FindLiving(ConnectionId c)
    {
        AssertOwner();
        ref var slot = ref _table.Find(c);
        return ref !IsNone(ref slot) && slot.State is SlotState.Open or SlotState.Connecting or SlotState.Closing ? ref slot : ref Unsafe.NullRef<ConnectionSlot>();
    }

    private static bool IsNone(ref ConnectionSlot slot) => Unsafe.IsNullRef(ref slot);
}
