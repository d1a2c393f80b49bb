using System.Diagnostics;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Inbox;

/// <summary>
/// One reactor's end of the lanes: what it sends, what it owes, what it is owed. Owned by the reactor's thread.
/// Invariants: requests to a peer without a reply never exceed ReplySlots, so the peer's reply always finds room; a reply is written only
/// for a request that was taken and not yet answered.
/// </summary>
internal sealed class ReactorInbox
{
    // A peer that writes as fast as this reactor reads must not hold its turn for ever.
    private const int MessagesPerLane = 1024;

    private readonly int _self;
    private readonly int _replySlots;
    private readonly int _replyBytes;
    private readonly Lanes[] _in;
    private readonly Lanes[] _out;
    private readonly Reactor[] _peers;
    private readonly int[] _outstanding;
    private readonly int[] _owed;
    // Size of the largest refused request, -1 when none was.
    private readonly int[] _wanted;
    private readonly bool[] _touched;
    private int _wantedCount;
    private long _high;

    /// <param name="self">The reactor's index.</param>
    /// <param name="lanes">All lanes, by sender, then receiver.</param>
    /// <param name="peers">The group's reactors, complete before the first message.</param>
    /// <param name="options">Slots and sizes.</param>
    public ReactorInbox(int self, Lanes[][] lanes, Reactor[] peers, ReactorGroupOptions options)
    {
        _self = self;
        _replySlots = options.ReplySlots;
        _replyBytes = options.ReplySlotBytes;
        _out = lanes[self];
        _in = [.. lanes.Select(row => row[self])];
        _peers = peers;
        _outstanding = new int[lanes.Length];
        _owed = new int[lanes.Length];
        _wanted = new int[lanes.Length];
        _touched = new bool[lanes.Length];
        Array.Fill(_wanted, -1);
    }

    /// <summary>The turn's time, which its messages carry so that their age can be told.</summary>
    public uint NowMs { get; set; }

    public long RequestsRefused { get; private set; }

    public long NoticesShed { get; private set; }

    /// <summary>Moves published by this reactor that their targets have not taken.</summary>
    public int MovesUnderWay
    {
        get
        {
            var sum = 0;
            foreach (var lanes in _out) sum += lanes.Moves.Count;
            return sum;
        }
    }

    /// <summary>Memory of the lanes to others that may be taken.</summary>
    public long TouchedLaneBytes => _out.Sum(lanes => lanes.Requests.TouchedBytes + lanes.Replies.TouchedBytes + lanes.Notices.TouchedBytes);

    /// <summary>The lanes' memory is their producer's to give back.</summary>
    public void AddTo(Housekeeping keeping)
    {
        foreach (var lanes in _out) lanes.AddTo(keeping);
    }

    /// <summary>Something waits to be drained; exact after a full fence on this thread.</summary>
    public bool HasMessages
    {
        get
        {
            foreach (var lanes in _in)
            {
                if (lanes.HasMessages) return true;
            }

            return false;
        }
    }

    /// <summary>Sends a request if its reply has a slot and its lane has room. Otherwise notes the wish: <see cref="GrantCredits"/>.</summary>
    public bool TryRequest(int to, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        var lane = _out[to].Requests;
        var bytes = head.Length + body.Length;
        if (bytes > lane.MaxPayloadBytes)
            throw new ArgumentException($"A request of {bytes} bytes can never fit the lane; the largest is {lane.MaxPayloadBytes}.");

        if (_outstanding[to] < _replySlots)
        {
            if (lane.TryWrite(head, body, NowMs)) return Sent(to);
            lane.AskForRoom();
            if (lane.TryWrite(head, body, NowMs)) return Sent(to);
        }

        if (_wanted[to] < 0) _wantedCount++;
        _wanted[to] = Math.Max(_wanted[to], bytes);
        RequestsRefused++;
        return false;
    }

    /// <summary>Answers a request of <paramref name="to"/>. Never lacks room.</summary>
    public void Reply(int to, ReadOnlySpan<byte> message)
    {
        if (message.Length > _replyBytes) throw new ArgumentException($"A reply of {message.Length} bytes exceeds ReplySlotBytes = {_replyBytes}.");
        if (_owed[to] == 0) throw new InvalidOperationException($"Reactor {_self} owes reactor {to} no reply.");
        if (!_out[to].Replies.TryWrite(message, default, NowMs)) throw new UnreachableException("A reply found its reserved slot taken.");
        _owed[to]--;
        Touch(to);
    }

    public bool TryNotify(int to, ReadOnlySpan<byte> message)
    {
        var lane = _out[to].Notices;
        if (message.Length > lane.MaxPayloadBytes)
            throw new ArgumentException($"A notice of {message.Length} bytes can never fit the lane; the largest is {lane.MaxPayloadBytes}.");
        if (!lane.TryWrite(message, default, NowMs))
        {
            NoticesShed++;
            return false;
        }

        Touch(to);
        return true;
    }

    public bool CanMove(int to) => _out[to].Moves.CanWrite;

    public void Move(int to, MoveRecord record)
    {
        record.PublishedAtMs = NowMs;
        if (!_out[to].Moves.TryWrite(record)) throw new UnreachableException("A move found its lane full.");
        Touch(to);
    }

    public bool TryTakeMove(int from, out MoveRecord record) => _in[from].Moves.TryRead(out record);

    /// <summary>Returns the record of a move that has arrived to who sent it.</summary>
    public void GiveBack(int from, MoveRecord record) => _in[from].Moves.GiveBack(record);

    /// <summary>Hands every message to the handler: replies first, since they free what others wait for.</summary>
    public void Drain(IReactorHandler handler)
    {
        for (var from = 0; from < _in.Length; from++) DrainReplies(from, handler);
        for (var from = 0; from < _in.Length; from++) DrainRequests(from, handler);
        for (var from = 0; from < _in.Length; from++) DrainNotices(from, handler);
        if (_wantedCount != 0) GrantCredits(handler);
    }

    /// <summary>
    /// Owner, before it takes what arrived: what waits now is the most that waited since it last looked, for only it takes anything away.
    /// </summary>
    public void NoteHigh()
    {
        long waiting = 0;
        foreach (var lanes in _in) waiting += lanes.In - lanes.Out;
        if (waiting > _high) Volatile.Write(ref _high, waiting);
    }

    /// <summary>What waits in the lanes to this reactor. Any thread, while the lanes live; takes no lock.</summary>
    public QueueCounts Read(string name, uint nowMs)
    {
        long entered = 0, left = 0, capacity = 0;
        uint oldestMs = 0;
        foreach (var lanes in _in)
        {
            left += lanes.Out;
            if (lanes.TryReadOldest(nowMs, out var ageMs)) oldestMs = Math.Max(oldestMs, ageMs);
            entered += lanes.In;
            capacity += lanes.Capacity;
        }

        return (name, entered - left, capacity, Volatile.Read(ref _high), entered, left, TimeSpan.FromMilliseconds(oldestMs));
    }

    /// <summary>
    /// Wakes the peers that this turn wrote to and that sleep. The fence stands between the stores of the lanes' tails and the loads of
    /// the peers' sleep marks; a peer stores its mark, fences, and then looks at the lanes. So either it sees the message or it is woken.
    /// </summary>
    public void WakeTouched()
    {
        Interlocked.MemoryBarrier();
        for (var to = 0; to < _touched.Length; to++)
        {
            if (!_touched[to]) continue;
            _touched[to] = false;
            _peers[to].WakeIfAsleep(_peers[_self]);
        }
    }

    private bool Sent(int to)
    {
        _outstanding[to]++;
        Touch(to);
        return true;
    }

    private void Touch(int to)
    {
        if (_touched[to]) return;
        _touched[to] = true;
        if (to == _self) return;
        // At once as well as at the turn's end: a sleeping peer should not wait for the rest of a long turn.
        Interlocked.MemoryBarrier();
        _peers[to].WakeIfAsleep(_peers[_self]);
    }

    private void DrainReplies(int from, IReactorHandler handler)
    {
        var lane = _in[from].Replies;
        for (var i = 0; i < MessagesPerLane && lane.TryRead(out var message); i++)
        {
            handler.OnReply(from, message);
            // The slot is the peer's again before the credit that lets it be used.
            lane.Release();
            _outstanding[from]--;
        }
    }

    private void DrainRequests(int from, IReactorHandler handler)
    {
        var lane = _in[from].Requests;
        var taken = 0;
        while (taken < MessagesPerLane && lane.TryRead(out var message))
        {
            taken++;
            _owed[from]++;
            handler.OnRequest(from, message);
            lane.Release();
        }

        if (taken == 0) return;
        // Head was stored; the fence comes before the load of the question. See MessageRing.AskForRoom.
        Interlocked.MemoryBarrier();
        if (lane.TakeRoomAsked()) _peers[from].Wake();
    }

    private void DrainNotices(int from, IReactorHandler handler)
    {
        var lane = _in[from].Notices;
        for (var i = 0; i < MessagesPerLane && lane.TryRead(out var message); i++)
        {
            handler.OnNotice(from, message);
            lane.Release();
        }
    }

    private void GrantCredits(IReactorHandler handler)
    {
        for (var to = 0; to < _wanted.Length; to++)
        {
            if (_wanted[to] < 0 || _outstanding[to] >= _replySlots) continue;
            var lane = _out[to].Requests;
            if (!lane.CanWrite(_wanted[to]))
            {
                lane.AskForRoom();
                if (!lane.CanWrite(_wanted[to])) continue;
            }

            _wanted[to] = -1;
            _wantedCount--;
            handler.OnRequestCredit(to);
        }
    }
}
