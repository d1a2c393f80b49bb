using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// Goes through a fleet's devices to ask each session for a pong, so many a turn. For the reactor's thread. Invariant: a round that has
/// begun comes to every device once, unless another begins.
/// </summary>
internal sealed class CheckRound(Reactor reactor, FleetTally tally, int devices)
{
    /// <summary>Pings written in one turn.</summary>
    private const int PerTurn = 1024;

    private int _cursor = int.MaxValue;

    public void Begin()
    {
        tally[Counter.Pongs] = 0;
        _cursor = 0;
    }

    /// <summary>The next device to look at in a turn that has asked so many; false: the turn or the round is over.</summary>
    public bool TryNext(int asked, out int index)
    {
        index = _cursor;
        if (_cursor >= devices) return false;
        if (asked == PerTurn)
        {
            // The transport turns at once when asked; without this the next thousand would wait for its tick.
            reactor.Wake();
            return false;
        }

        _cursor++;
        return true;
    }
}
