using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// When a fleet may begin its next login, at a rate or as fast as it goes, and from where it connects. For the reactor's thread. Invariant: a
/// login begins only while fewer than <see cref="FleetSettings.LoginsInFlight"/> are under way, and each that has begun is counted as under
/// way until its fleet says that it is over.
/// </summary>
internal sealed class Logins(Reactor reactor, FleetSettings settings, Slice slice, FleetTally tally)
{
    private double _gapUs;
    private double _nextUs;
    private uint _sourceShift;

    /// <summary>Whether another may be under way.</summary>
    public bool HasRoom => tally[Counter.LoginsInFlight] < settings.LoginsInFlight;

    public void Begin(Order order, long nowUs)
    {
        _nextUs = nowUs;
        _gapUs = order.Rate <= 0 ? 0 : 1e6 * settings.Shape.Devices / (order.Rate * Math.Max(1, slice.Count));
    }

    /// <summary>From here on devices connect from other addresses than before, as far as there are any.</summary>
    public void RotateSources() => _sourceShift += (uint)settings.Shape.Devices;

    /// <summary>Whether there is room, and the rate lets the next one begin.</summary>
    public bool IsDue(long nowUs) => HasRoom && _nextUs <= nowUs;

    /// <summary>One has begun that counts for the rate.</summary>
    public void Advance() => _nextUs += _gapUs;

    /// <summary>Connects a device of the slice; false: the transport has no slot, which is counted as an error.</summary>
    public bool TryConnect(int index, out ConnectionId c)
    {
        c = reactor.Connect(settings.Target, settings.Sources.Of((int)(((uint)(slice.First + index) + _sourceShift) & int.MaxValue)));
        if (c.IsNone)
        {
            tally.Count("no_connection_slot");
            return false;
        }

        tally[Counter.LoginsInFlight]++;
        tally[Counter.Attached]++;
        return true;
    }
}
