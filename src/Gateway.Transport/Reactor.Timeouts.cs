using Gateway.Transport.Connections;

namespace Gateway.Transport;

/// <summary>
/// One timer a connection stands for all its deadlines: it is linked at the earliest of them, and what is really due is worked out when it
/// fires. So a received byte only stores a tick, and a deadline that moved later costs nothing until the timer fires for the old one.
/// </summary>
public sealed partial class Reactor
{
    private uint _handshakeTicks;
    private uint _frameTicks;
    private uint _idleTicks;
    private uint _quietTicks;
    private uint _quietSpreadTicks;
    private uint _lingerTicks;

    /// <summary>
    /// Calls <see cref="IReactorHandler.OnTimeout"/> with <see cref="TimeoutKind.Application"/> once <see cref="NowMs"/> has reached
    /// <paramref name="dueMs"/>, at most two ticks later; replaces an earlier time. 0 cancels.
    /// </summary>
    public void SetTimer(ConnectionId c, long dueMs)
    {
        ref var slot = ref FindOpen(c);
        if (IsNone(ref slot)) return;
        slot.ApplicationDue = 0;
        if (dueMs <= 0) return;
        var due = _nowTick + (dueMs > NowMs ? _clock.TicksFor(dueMs - NowMs) : 1);
        slot.ApplicationDue = due == 0 ? 1 : due;
        ArmTimer(ref slot, c.Slot, slot.ApplicationDue);
    }

    private static bool IsDue(uint due, uint now) => (int)(due - now) <= 0;

    private void SetTimeouts()
    {
        _handshakeTicks = Options.HandshakeTimeoutMs == 0 ? 0 : _clock.TicksFor(Options.HandshakeTimeoutMs);
        _frameTicks = Options.FrameTimeoutMs == 0 ? 0 : _clock.TicksFor(Options.FrameTimeoutMs);
        _idleTicks = Options.IdleTimeoutMs == 0 ? 0 : _clock.TicksFor(Options.IdleTimeoutMs);
        _quietTicks = Options.QuietTimeoutMs == 0 ? 0 : _clock.TicksFor(Options.QuietTimeoutMs);
        _quietSpreadTicks = _quietTicks == 0 || Options.QuietSpreadMs == 0 ? 0 : Math.Min(_clock.TicksFor(Options.QuietSpreadMs), _quietTicks - 1);
        _lingerTicks = _clock.TicksFor(Options.LingerTimeoutMs);
    }

    /// <summary>
    /// When the silence of a connection is told. Each has its own moment, another one after each silence: those that came all at once, as after a restart of the node,
    /// would be asked all at once for ever. It is reckoned from what the slot has, so that it is the same each time it is looked at.
    /// </summary>
    private uint QuietAt(ref ConnectionSlot slot, uint index)
    {
        var at = slot.LastReceived + _quietTicks;
        if (_quietSpreadTicks == 0) return at;
        var mixed = (index * 0x9E37_79B1u) ^ (slot.LastReceived * 0x85EB_CA6Bu);
        mixed = (mixed ^ mixed >> 15) * 0x2C1B_3C6Du;
        return at - (uint)((ulong)(mixed ^ mixed >> 16) * (_quietSpreadTicks + 1UL) >> 32);
    }

    private void ArmDeadline(ref ConnectionSlot slot, uint index, uint ticks)
    {
        slot.Deadline = _nowTick + ticks;
        ArmTimer(ref slot, index, slot.Deadline);
    }

    /// <summary>Links the timer unless it is linked at an earlier tick already.</summary>
    private void ArmTimer(ref ConnectionSlot slot, uint index, uint due)
    {
        if (!_wheel.IsScheduled(index) || (int)(due - slot.TimerDue) < 0) _wheel.Schedule(index, due);
    }

    private void ArmEarliest(ref ConnectionSlot slot, uint index)
    {
        if (slot.State != SlotState.Open)
        {
            if (slot.State == SlotState.Closing || (slot.State == SlotState.Connecting && _handshakeTicks != 0)) ArmTimer(ref slot, index, slot.Deadline);
            return;
        }

        if (slot.Has(SlotFlags.InHandshake))
        {
            if (_handshakeTicks != 0) ArmTimer(ref slot, index, slot.Deadline);
        }
        else if (_quietTicks != 0 && !slot.Has(SlotFlags.Quiet))
        {
            ArmTimer(ref slot, index, QuietAt(ref slot, index));
        }
        else if (_idleTicks != 0)
        {
            ArmTimer(ref slot, index, slot.LastReceived + _idleTicks);
        }

        if (slot.Input != 0 && _frameTicks != 0) ArmTimer(ref slot, index, _leases[slot.Input].SinceTick + _frameTicks);
        if (slot.ApplicationDue != 0) ArmTimer(ref slot, index, slot.ApplicationDue);
    }

    private void ExpireTimers()
    {
        var budget = Options.TimersPerTurn;
        while (_wheel.TryExpire(_nowTick, ref budget, out var index))
        {
            ref var slot = ref _table[index];
            switch (slot.State)
            {
                case SlotState.Open: ExpireOpen(ref slot, _table.IdOf(index)); break;
                case SlotState.Connecting: ExpireConnecting(ref slot, index); break;
                case SlotState.Closing: ExpireClosing(ref slot, index); break;
                default: continue;
            }

            ArmEarliest(ref slot, index);
        }
    }

    private void ExpireConnecting(ref ConnectionSlot slot, uint index)
    {
        if (IsDue(slot.Deadline, _nowTick)) Kill(ref slot, index, CloseReason.Error, Linux.Errno.ETIMEDOUT);
    }

    private void ExpireClosing(ref ConnectionSlot slot, uint index)
    {
        if (!IsDue(slot.Deadline, _nowTick)) return;
        if (slot.Has(SlotFlags.SendShut)) Kill(ref slot, index, CloseReason.Closed, 0);
        else Kill(ref slot, index, CloseReason.Lingered, 0, reset: true);
    }

    private void ExpireOpen(ref ConnectionSlot slot, ConnectionId id)
    {
        // A peer is not to blame for the time in which nobody read from it.
        if (slot.Has(SlotFlags.PausedByApplication | SlotFlags.PausedByBudget)) slot.LastReceived = _nowTick;
        if (slot.Has(SlotFlags.AnyPause) && slot.Input != 0) _leases[slot.Input].SinceTick = _nowTick;

        if (slot.Has(SlotFlags.InHandshake))
        {
            if (_handshakeTicks != 0 && IsDue(slot.Deadline, _nowTick))
            {
                // Left open by its handler, it starts again, and so does its age.
                var since = HandshakeSinceMs(ref slot);
                slot.Deadline = _nowTick + _handshakeTicks;
                _handshakeGauge?.Renew(since, HandshakeSinceMs(ref slot));
                _handler.OnTimeout(id, TimeoutKind.Handshake);
            }
        }
        else if (_idleTicks != 0 && IsDue(slot.LastReceived + _idleTicks, _nowTick))
        {
            slot.LastReceived = _nowTick;
            slot.Flags &= ~SlotFlags.Quiet;
            _handler.OnTimeout(id, TimeoutKind.Idle);
        }
        else if (_quietTicks != 0 && !slot.Has(SlotFlags.Quiet) && IsDue(QuietAt(ref slot, id.Slot), _nowTick))
        {
            slot.Flags |= SlotFlags.Quiet;
            _handler.OnTimeout(id, TimeoutKind.Quiet);
        }

        if (slot.State == SlotState.Open && slot.Input != 0 && _frameTicks != 0 && IsDue(_leases[slot.Input].SinceTick + _frameTicks, _nowTick))
        {
            _leases[slot.Input].SinceTick = _nowTick;
            _handler.OnTimeout(id, TimeoutKind.Frame);
        }

        if (slot.State == SlotState.Open && slot.ApplicationDue != 0 && IsDue(slot.ApplicationDue, _nowTick))
        {
            slot.ApplicationDue = 0;
            _handler.OnTimeout(id, TimeoutKind.Application);
        }
    }
}
