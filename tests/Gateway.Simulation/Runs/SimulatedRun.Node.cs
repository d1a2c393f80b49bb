using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>What goes on within the node: turns, lanes, commits, pages, its death and its return.</summary>
public sealed partial class SimulatedRun
{
    private int[] _laneDue = [];
    private int[] _pagesDue = [];
    private bool _isCommitting;
    private bool _isDown;
    private long[] _stalledUntil = [];
    private long _diskStalledUntil;
    private int _diskSlowness = 1;
    private int _readSlowness = 1;
    private int _laneSlowness = 1;

    private void BeginNode()
    {
        NodeRuns++;
        Net.Store.ClaimsAhead = NodeRuns >= Plan.LogLiesFromRun ? Plan.LogClaimsAhead : 0;
        var homes = Net.Reactors.Count;
        _turnDue = new bool[homes];
        _laneDue = new int[homes * homes];
        _pagesDue = new int[homes];
        _stalledUntil = new long[homes];
        _isCommitting = false;
        In(TickMicros, Happening.Tick);
    }

    private void Wake(int reactor)
    {
        if (_isDown || _turnDue[reactor]) return;
        _turnDue[reactor] = true;
        In(Math.Max(1 + _chance.Next(30), _stalledUntil[reactor] - NowMicros), Happening.Turn, reactor);
    }

    private void Turn(int reactor, bool submits)
    {
        if (_isDown) return;
        if (_stalledUntil[reactor] > NowMicros)
        {
            Wake(reactor);
            return;
        }

        Net.Reactors[reactor].Turn(submits);
        if (!submits) Wake(reactor);
        LookAtDisk();
    }

    /// <summary>What a reactor does at least this often, whether anything has happened or not. Only of a node that has anything to do.</summary>
    private void Tick()
    {
        if (!_isDown)
        {
            var isBusy = false;
            foreach (var reactor in Net.Reactors) isBusy |= reactor.Home.BusySessions != 0 || reactor.Home.ReceiptsOwed != 0 || reactor.Home.Uncommitted != 0 || !Net.Store.Homes[reactor.Index].IsEmpty;
            for (var i = 0; isBusy && i < Net.Reactors.Count; i++)
            {
                if (!_turnDue[i] && _stalledUntil[i] <= NowMicros) Turn(i, submits: true);
            }
        }

        In(TickMicros, Happening.Tick);
    }

    void INodeObserver.OnQueued(HomeLane lane)
    {
        var index = lane.From * Net.Reactors.Count + lane.To;
        _laneDue[index]++;
        In(_chance.Spread(1, Plan.LaneMicros * _laneSlowness), Happening.LaneArrives, index);
    }

    private void ArriveOnLane(int index)
    {
        if (_isDown) return;
        var lane = Net.Links[index / Net.Reactors.Count, index % Net.Reactors.Count];
        if (_stalledUntil[lane.To] > NowMicros)
        {
            In(_stalledUntil[lane.To] - NowMicros, Happening.LaneArrives, index);
            return;
        }

        _laneDue[index]--;
        var pick = _chance.Next(lane.Count);
        if (pick < lane.Requests.Count) Net.Links.DeliverRequest(lane);
        else if (pick < lane.Requests.Count + lane.Replies.Count) Net.Links.DeliverReply(lane);
        else Net.Links.DeliverNotice(lane);
        Judge.ReadLog();
        Wake(lane.To);
    }

    /// <summary>Begins a commit if there is anything to commit, and has the pages come that were asked for.</summary>
    private void LookAtDisk()
    {
        var store = Net.Store;
        if (!_isCommitting && store.SubmittedThrough > store.CommittedThrough && store.Outcome == LogOutcome.Committed)
        {
            _isCommitting = true;
            var takes = _chance.Spread(Math.Max(1, Plan.CommitMicros / 4), Plan.CommitMicros * 2L) * _diskSlowness;
            In(Math.Max(takes, _diskStalledUntil - NowMicros + 1), Happening.Committed, 0, store.SubmittedThrough);
        }

        for (var i = 0; i < _pagesDue.Length; i++)
        {
            for (var asked = store.Homes[i].ReadsUnderWay; _pagesDue[i] < asked; _pagesDue[i]++)
                In(_chance.Spread(1, 3_000) * _readSlowness, Happening.PageArrives, i);
        }
    }

    private void Commit(long through)
    {
        if (_isDown) return;
        if (_diskStalledUntil > NowMicros)
        {
            In(_diskStalledUntil - NowMicros, Happening.Committed, 0, through);
            return;
        }

        _isCommitting = false;
        Judge.ReadLog();
        Net.Store.CommitThrough(through);
        History.Say(FormattableString.Invariant($"committed through {Net.Store.CommittedThrough} of {Net.Store.Appended}"));
        for (var i = 0; i < Net.Reactors.Count; i++) Wake(i);
        LookAtDisk();
    }

    private void ArrivePage(int home)
    {
        if (_isDown) return;
        _pagesDue[home]--;
        var log = Net.Store.Homes[home];
        log.CompleteRead(_chance.Next(log.ReadsUnderWay));
        Wake(home);
    }

    /// <summary>As the node's host does it, a few devices at a time: carries what still counts, and truncates when that is durable.</summary>
    private void Compact(long through)
    {
        var carried = new Queue<(ulong Device, uint Incarnation, ulong Number, bool HasKeyEpoch)>(Net.Store.CarriedBefore(through));
        var carriedThrough = 0L;
        Next();

        void Next()
        {
            if (_isDown || Net.Store.Outcome != LogOutcome.Committed) return;
            while (carried.TryPeek(out var next) && TryCarry(new Address(next.Device), next.Incarnation, next.Number, next.HasKeyEpoch, through)) carried.Dequeue();
            if (carried.Count == 0 && carriedThrough == 0) carriedThrough = Net.Store.Appended;
            if (carried.Count != 0 || Net.Store.CommittedThrough < carriedThrough)
            {
                In(2_000, Happening.FaultEnds, 0, (Action)Next);
                return;
            }

            Net.Store.Truncate(through);
            History.Say(FormattableString.Invariant($"the log is truncated through {through}"));
        }
    }

    private bool TryCarry(Address device, uint incarnation, ulong number, bool hasKeyEpoch, long through)
    {
        var reactor = Net.ReactorOf(device);
        reactor.Enter();
        Wake(reactor.Index);
        if (reactor.Home.CarryWindows([new CarriedWindow(device.Value, incarnation, number)], through) == 0) return false;
        return !hasKeyEpoch || reactor.Home.TryCarryKeyEpoch(device, Net.CurrentEpoch(device));
    }

    /// <summary>The node dies. Its connections end, or seem to go on when the machine died with it.</summary>
    private void KillNode(long downMicros, bool tellsDevices)
    {
        _isDown = true;
        Judge.ReadLog();
        foreach (var route in _routes.ToList())
        {
            if (!tellsDevices) Kill(route);
            route.Connection.IsClosed = true;
            Judge.OnClosed(route.Connection);
            if (tellsDevices) Break(route);
        }

        _routes.Clear();

        In(downMicros, Happening.NodeStarts);
    }

    private void StartNode()
    {
        var uncommitted = (int)(Net.Store.Appended - Net.Store.CommittedThrough);
        var kept = _chance.OneIn(2) ? 0 : _chance.Next(uncommitted + 1);
        int? homes = _chance.OneIn(4) ? _chance.Pick(1, 2, 3, 8) : null;
        var faults = Net.Store;
        Net.Crash(kept, homes);
        // The disk is the same as before.
        (Net.Store.Admission, Net.Store.ReceiptAdmission, Net.Store.RemovalAdmission) = (faults.Admission, faults.ReceiptAdmission, faults.RemovalAdmission);
        Net.Store.MayReserve = faults.MayReserve;
        _isDown = false;
        History.Note(100, (ulong)kept, (ulong)Net.Store.Appended);
        History.Say(FormattableString.Invariant($"the node starts with {Net.Reactors.Count} homes on {Net.Store.Appended} records, {kept} of {uncommitted} uncommitted ones among them"));
        BeginNode();
        Judge.OnCrash();
    }
}
