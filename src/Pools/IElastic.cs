#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Pools;
#else
namespace Gateway.Messaging.Pools;
#endif

/// <summary>
/// Something whose memory rises with the largest burst and follows what was needed of late back down. What was in use in the current
/// interval or the one before is kept, so that whatever comes and goes by the turn, or by the second, is not given back and taken anew.
/// Owned by one thread, as all that it belongs to.
/// </summary>
internal interface IElastic
{
    /// <summary>An interval has ended.</summary>
    void Roll();

    /// <summary>Gives back one piece, of a bounded size, of what was not needed of late; false when there is none.</summary>
    bool GiveBack();
}
