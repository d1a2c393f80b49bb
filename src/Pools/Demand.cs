#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Pools;
#else
namespace Gateway.Messaging.Pools;
#endif

/// <summary>The most of something that was in use in the current interval and the one before.</summary>
internal struct Demand
{
    private int _now;
    private int _before;

    public readonly int Recent => Math.Max(_now, _before);

    public void Note(int inUse)
    {
        if (inUse > _now) _now = inUse;
    }

    public void Roll(int inUse)
    {
        _before = _now;
        _now = inUse;
    }
}
