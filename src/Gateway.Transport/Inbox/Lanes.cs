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
    }

    public MessageRing Requests { get; }

    public MessageRing Replies { get; }

    public MessageRing Notices { get; }

    public MoveLane Moves { get; }

    public bool HasMessages => Requests.HasMessages || Replies.HasMessages || Notices.HasMessages || Moves.HasMessages;

    public void Dispose()
    {
        Requests.Dispose();
        Replies.Dispose();
        Notices.Dispose();
    }
}
