using Gateway.Transport.Connections;
using Gateway.Transport.Pools;

namespace Gateway.Transport;

/// <summary>
/// Output that may wait for other output of its connection, since a send costs as much as hundreds of frames written. It does while the reactor
/// has much to do: an idle one has sends to spare, and nobody gains by waiting. And not where it would wait in vain: each time that it did, only half
/// as many outputs of that connection wait as before, down to one in 256, until company came again.
/// </summary>
public sealed partial class Reactor
{
    private readonly ElasticQueue<(ConnectionId Id, long UntilMs)> _waiting = new();
    private uint _chance = 1;
    private bool _hasMuchToDo;
    private long _loadBusyUs;
    private long _loadSinceUs;

    /// <summary>Lets what was written stay until more is, or until its time has come. False: it goes out now.</summary>
    private bool LetWait(ref ConnectionSlot slot, ConnectionId id)
    {
        var output = _outputs[slot.Output];
        if (output.WaitsUntilMs != 0)
        {
            // So much may have been added that the kernel would not take all.
            if (!output.Urgent && !IsBlocked(ref slot)) return true;
            output.WaitsUntilMs = 0;
            slot.InVain = 0;
            _meters.OutputsJoined++;
            return false;
        }

        if (output.Urgent || output.Unsent == 0 || !MayWait(ref slot) || (NextChance() & slot.InVain) != 0) return false;
        output.WaitsUntilMs = NowMs + Options.OutputWaitMs;
        _waiting.Enqueue((id, output.WaitsUntilMs));
        return true;
    }

    private bool MayWait(ref ConnectionSlot slot) =>
        Options.OutputWaitMs != 0 && (_hasMuchToDo || Options.OutputWaitLoadPercent == 0) && slot.State == SlotState.Open && !IsBlocked(ref slot)
        && _waiting.Count < Options.OutputsPerTurn && !_budget.IsOverSoft;

    /// <summary>By chance and not by turns: connections that are busy in step would always be the same ones whose turn it is not. xorshift32.</summary>
    private uint NextChance()
    {
        _chance ^= _chance << 13;
        _chance ^= _chance >> 17;
        return _chance ^= _chance << 5;
    }

    /// <summary>Has what waited long enough go out in this turn. All waits are equally long: the first of the queue is the first due.</summary>
    private void EndWaits(long nowMs)
    {
        while (_waiting.Count != 0 && _waiting[0].UntilMs <= nowMs)
        {
            var (id, untilMs) = _waiting.Dequeue();
            ref var slot = ref _table.Find(id);
            // It may have gone with another, and a later one be waiting; or it goes with another now.
            if (IsNone(ref slot) || slot.State != SlotState.Open || slot.Output == 0) continue;
            var output = _outputs[slot.Output];
            if (output.WaitsUntilMs != untilMs || output.Urgent) continue;
            slot.InVain = (byte)(slot.InVain << 1 | 1);
            _meters.OutputsInVain++;
            EndWait(ref slot, id);
        }
    }

    /// <summary>If the connection's output waits, it goes out in this turn.</summary>
    private void EndWait(ref ConnectionSlot slot, ConnectionId id)
    {
        if (_outputs[slot.Output].WaitsUntilMs == 0) return;
        var output = OutputOf(ref slot, id);
        output.WaitsUntilMs = 0;
        output.Urgent = true;
    }

    /// <summary>Milliseconds until the first wait ends, and not more than these.</summary>
    private int UntilWaitEnds(int timeoutMs) => _waiting.Count == 0 ? timeoutMs : (int)Math.Clamp(_waiting[0].UntilMs - NowMs, 0, timeoutMs);

    /// <summary>Once a tick: the share of its time that the reactor was at work since the last.</summary>
    private void NoteLoad()
    {
        _hasMuchToDo = (_meters.BusyUs - _loadBusyUs) * 100 >= (_turnEndUs - _loadSinceUs) * Options.OutputWaitLoadPercent;
        _loadBusyUs = _meters.BusyUs;
        _loadSinceUs = _turnEndUs;
    }
}
