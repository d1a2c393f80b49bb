using Gateway.Transport.Pools;

namespace Gateway.Transport.Inbox;

/// <summary>
/// Everything that flows from one reactor to another, each kind in a lane of its own so that none can block another: requests may be
/// refused, replies never (the ring holds one for every credit), notices may be shed, moves wait at their source.
/// </summary>
internal sealed class Lanes : IDisposable
{
    public Lanes(ReactorGroupOptions options)
    {
        Requests = new MessageRing(options.RequestLaneBytes, restarts: true);
        // Outstanding replies and one skip to the start of the ring, which is smaller than a reply, always fit.
        Replies = new MessageRing((options.ReplySlots + 1) * MessageRing.SizeOf(options.ReplySlotBytes));
        Notices = new MessageRing(options.NoticeLaneBytes, restarts: true);
        Moves = new MoveLane(options.MoveLaneSlots);
        Capacity = 2L * options.ReplySlots + options.MoveLaneSlots + options.NoticeLaneBytes / MessageRing.SizeOf(1);
    }

    public MessageRing Requests { get; }

    public MessageRing Replies { get; }

    public MessageRing Notices { get; }

    public MoveLane Moves { get; }

    /// <summary>
    /// The most that can wait here: a request for each reply slot (fewer when they are long), as many replies, the moves, and the smallest notices
    /// that fill their lane.
    /// </summary>
    public long Capacity { get; }

    /// <summary>Entries that came in, of every kind. Any thread.</summary>
    public long In => Requests.Written + Replies.Written + Notices.Written + Moves.Written;

    /// <summary>Entries that were taken. Any thread.</summary>
    public long Out => Requests.Taken + Replies.Taken + Notices.Taken + Moves.Taken;

    /// <summary>How long the oldest entry has waited; false when nothing waits. Any thread.</summary>
    public bool TryReadOldest(uint nowMs, out uint ageMs)
    {
        ageMs = 0;
        var any = Moves.TryReadOldest(out var at);
        if (any) ageMs = Since(at, nowMs);
        foreach (var ring in (ReadOnlySpan<MessageRing>)[Requests, Replies, Notices])
        {
            if (!ring.TryReadOldest(out at)) continue;
            any = true;
            ageMs = Math.Max(ageMs, Since(at, nowMs));
        }

        return any;
    }

    /// <summary>Has the producer give back what the three rings do not need any more.</summary>
    public void AddTo(Housekeeping keeping) => keeping.Add(Requests, Replies, Notices);

    public bool HasMessages => Requests.HasMessages || Replies.HasMessages || Notices.HasMessages || Moves.HasMessages;

    public void Dispose()
    {
        Requests.Dispose();
        Replies.Dispose();
        Notices.Dispose();
    }

    // The writer's turn may have begun after the reader looked at the clock.
    private static uint Since(uint at, uint nowMs) => (uint)Math.Max(0, (int)(nowMs - at));
}
