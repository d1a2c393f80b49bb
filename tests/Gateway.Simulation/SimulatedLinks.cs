using Gateway.Messaging;

namespace Gateway.Simulation;

/// <summary>The lane from one home to another: three queues, each in order, and the replies that are still owed to it.</summary>
internal sealed class HomeLane
{
    public HomeLane(int from, int to)
    {
        From = from;
        To = to;
    }

    public int From { get; }
    public int To { get; }
    public Queue<byte[]> Requests { get; } = new();
    public Queue<byte[]> Replies { get; } = new();
    public Queue<byte[]> Notices { get; } = new();

    /// <summary>Reply slots reserved by requests of this lane that were not answered, or whose answer did not arrive.</summary>
    public int Reserved { get; set; }

    /// <summary>A request was refused for want of a slot since credit was last announced.</summary>
    public bool WantsCredit { get; set; }

    public int Count => Requests.Count + Replies.Count + Notices.Count;
}

/// <summary>
/// The lanes between all homes of a node, bounded by the reply slots of each ordered pair. Nothing arrives until it is delivered.
/// Invariants: requests, replies and notices of a pair each arrive in order; a reply always finds its slot.
/// </summary>
internal sealed class SimulatedLinks
{
    private readonly HomeNet _net;
    private readonly HomeLane[] _lanes;
    private readonly int _homes;

    public SimulatedLinks(HomeNet net, int homes)
    {
        _net = net;
        _homes = homes;
        _lanes = new HomeLane[homes * homes];
        for (var from = 0; from < homes; from++)
        {
            for (var to = 0; to < homes; to++) _lanes[from * homes + to] = new HomeLane(from, to);
        }
    }

    /// <summary>The lane of an ordered pair: its requests and notices go to <paramref name="to"/>, its replies are those sent to <paramref name="to"/>.</summary>
    public HomeLane this[int from, int to] => _lanes[from * _homes + to];

    public IEnumerable<HomeLane> Lanes => _lanes;

    public bool IsEmpty => _lanes.All(lane => lane.Count == 0);

    public IHomeLinks Of(int home) => new Ends(this, home);

    public void DeliverRequest(HomeLane lane) => _net.Reactors[lane.To].OnRequest(lane.From, lane.Requests.Dequeue());

    public void DeliverNotice(HomeLane lane) => _net.Reactors[lane.To].OnNotice(lane.Notices.Dequeue());

    /// <summary>Delivers a reply, frees its slot, and says so if somebody waits for one.</summary>
    public void DeliverReply(HomeLane lane)
    {
        var reactor = _net.Reactors[lane.To];
        reactor.OnReply(lane.From, lane.Replies.Dequeue());
        var asked = this[lane.To, lane.From];
        asked.Reserved--;
        if (!asked.WantsCredit) return;
        asked.WantsCredit = false;
        reactor.OnRequestCredit(lane.From);
    }

    private sealed class Ends : IHomeLinks
    {
        private readonly SimulatedLinks _links;
        private readonly int _home;

        public Ends(SimulatedLinks links, int home)
        {
            _links = links;
            _home = home;
        }

        public bool TryRequest(int home, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
        {
            var lane = LaneTo(home);
            if (lane.Reserved >= _links._net.Options.ReplySlots)
            {
                lane.WantsCredit = true;
                return false;
            }

            lane.Reserved++;
            lane.Requests.Enqueue([.. head, .. body]);
            _links._net.Observer?.OnQueued(lane);
            return true;
        }

        public void Reply(int home, ReadOnlySpan<byte> message)
        {
            if (message.Length > HomeMessage.MaxReplyBytes)
                throw new InvalidOperationException($"A reply of {message.Length} bytes does not fit its slot of {HomeMessage.MaxReplyBytes}.");
            var lane = LaneTo(home);
            if (lane.Replies.Count >= _links[home, _home].Reserved)
                throw new InvalidOperationException($"Home {_home} answers home {home} more often than it was asked.");
            lane.Replies.Enqueue(message.ToArray());
            _links._net.Observer?.OnQueued(lane);
        }

        public bool TryNotify(int home, ReadOnlySpan<byte> message)
        {
            var lane = LaneTo(home);
            if (lane.Notices.Count >= _links._net.Options.Notices) return false;
            lane.Notices.Enqueue(message.ToArray());
            _links._net.Observer?.OnQueued(lane);
            return true;
        }

        private HomeLane LaneTo(int home) => home != _home
            ? _links[_home, home]
            : throw new InvalidOperationException($"Home {_home} talks to itself through a lane.");
    }
}
