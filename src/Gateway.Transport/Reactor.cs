using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Gateway.Transport.Backend;
using Gateway.Transport.Buffers;
using Gateway.Transport.Connections;
using Gateway.Transport.Inbox;
using Gateway.Transport.Pools;
using Gateway.Transport.Timers;

namespace Gateway.Transport;

/// <summary>
/// One pinned thread and everything it owns: connections, buffers, timers, its end of the lanes. Every member is for that thread alone
/// but <see cref="Wake"/>, <see cref="TryPost"/>, <see cref="Counters"/>, <see cref="ReadQueues"/>, <see cref="ClockMs"/>,
/// <see cref="SinceTurnMs"/>, <see cref="Index"/> and <see cref="Options"/>.
/// <para>A turn: wait; reap completions; present what was resumed; drain the lanes; expire timers; the handler's turn; flush output; bury
/// the dead; send off what moves. Invariants: a slot is released only while burying, so a reference to a slot holds throughout a turn; the
/// handler is never entered twice; after a turn a connection without unsent output holds no output buffer, and one without unconsumed
/// input holds no lease.</para>
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The group releases what its reactors hold, after their threads have ended.")]
public sealed partial class Reactor
{
    /// <summary>The longest context that <see cref="Move"/> takes.</summary>
    public const int MaxMoveContextBytes = 256;

    private const int WheelBuckets = 8192;
    private const int AcceptGapMs = 2;

    private readonly ReactorGroup _group;
    private readonly MonotonicClock _clock;
    private readonly ConnectionTable _table;
    private readonly IReactorBackend _backend;
    private readonly BufferBudget _budget;
    private readonly SegmentPool _segments;
    private readonly LeasePool _leases;
    private readonly OutputTable _outputs;
    private readonly TimerWheel _wheel;
    private readonly ReactorInbox _inbox;
    private readonly PostQueue _posts;
    private readonly Housekeeping _keeping;
    private readonly ElasticQueue<ConnectionId> _resumed = new();
    private readonly ElasticQueue<ConnectionId> _dirty = new();
    private readonly ReactorMeters _meters = new();
    private readonly AcceptPace _pace;
    private IReactorHandler _handler = null!;
    private Thread? _owner;
    private uint _nowTick;
    private long _turnStartUs;

    internal Reactor(ReactorGroup group, int index, Lanes[][] lanes, Reactor[] peers, Func<ConnectionTable, IReactorBackend> backend)
    {
        _group = group;
        Index = index;
        Options = group.Options;
        _clock = group.Clock;
        // Moves may bring every connection of the group here; address space is all that costs.
        _table = new ConnectionTable((uint)Math.Min((long)Options.MaxConnections * Options.Reactors + 1024, int.MaxValue / 2));
        _backend = backend(_table);
        _budget = new BufferBudget(group.NodeBudget, Options);
        _segments = new SegmentPool(_budget, Options.RetainedBufferBytes);
        _leases = new LeasePool(_segments, Options.RetainedLeases);
        ReadClock();
        if (Options.MeasureQueues) MakeGauges();
        _pace = new AcceptPace(Options.AcceptsPerTurn, Options.AcceptLagUs, Options.AcceptsPerSecond);
        _outputs = new OutputTable(_segments, _leases, _leaseGauge);
        SetTimeouts();
        _wheel = new TimerWheel(_table, WheelBuckets, _nowTick);
        _inbox = new ReactorInbox(index, lanes, peers, Options);
        _spareRecords = new SpareRecords(lanes[index]);
        _posts = new PostQueue(Options.PostSlots, _clock);
        _keeping = new Housekeeping(Options.KeepUnusedMs);
        _keeping.Add(_table, _segments, _leases, _outputs, _resumed, _dirty, _submitted, _drained, _waiting, _overBudget, _departures, _dead, _spareRecords);
        _inbox.AddTo(_keeping);
        _backend.AddTo(_keeping);
    }

    /// <summary>0 to the group's reactors minus 1.</summary>
    public int Index { get; }

    public ReactorGroupOptions Options { get; }

    /// <summary>Milliseconds of the group's monotonic clock, read once a turn; never 0.</summary>
    public long NowMs { get; private set; }

    /// <summary>What the reactor has done and holds. Any thread.</summary>
    public ReactorCounters Counters => _meters.Read(_budget);

    /// <summary>For tests.</summary>
    internal IReactorBackend Backend => _backend;

    /// <summary>The loop, on the reactor's thread, until the group stops or the handler fails.</summary>
    internal void Run(Func<Reactor, IReactorHandler> handlerFactory)
    {
        _owner = Thread.CurrentThread;
        ReadClock();
        _backend.Begin();
        _handler = handlerFactory(this);
        while (!_group.IsStopping) Turn();
        Stop();
    }

    /// <summary>Frees what the kernel holds for the reactor, after its thread ended.</summary>
    internal void Release()
    {
        _backend.Dispose();
        _table.Dispose();
    }

    // A method of its own, as each stage is, so that tiered compilation replaces it while the loop runs.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Turn()
    {
        Wait();
        Reap();
        PresentResumed();
        if (Options.MeasureQueues) _inbox.NoteHigh();
        TakeArrivals();
        _inbox.Drain(_handler);
        RunPosts();
        ExpireTimers();
        ResumeWithinBudget();
        _handler.OnTurn(NowMs);
        EndWaits(NowMs);
        Settle();
        SendOff();
        UpdateAccepting();
        _inbox.WakeTouched();
        Account();
    }

    private void Wait()
    {
        var timeoutMs = TimeoutMs();
        // A look first: the handler is told that nothing is ready only when that is so.
        _backend.Wait(0);
        if (_backend.HasWork || IsAsked) timeoutMs = 0;
        if (timeoutMs > 0)
        {
            _handler.OnIdle();
            if (!TryFallAsleep()) timeoutMs = 0;
            _backend.Wait(timeoutMs);
        }

        Rise();
        ReadClock();
        _backend.BeginTurn(_nowTick);
        _inbox.NowMs = (uint)NowMs;
        NoteWait(timeoutMs);
    }

    private int TimeoutMs()
    {
        if (_resumed.Count != 0 || _wheel.HasBacklog(_nowTick)) return 0;
        // Nobody wakes a reactor whose moves found their lane full; that is rare enough to be polled.
        if (_departures.Count != 0) return 1;
        var timeoutMs = UntilWaitEnds((int)(_clock.TickMs - NowMs % _clock.TickMs));
        // A full tick's accepts at once would be felt by those inside.
        return _pace.IsSpent && _listeners.Count != 0 ? Math.Min(timeoutMs, AcceptGapMs) : timeoutMs;
    }

    private void ReadClock()
    {
        Volatile.Write(ref _turnStartUs, _clock.NowUs());
        NowMs = _turnStartUs / 1000;
        _nowTick = _clock.TickOf(NowMs);
    }

    private void Reap()
    {
        while (_backend.TryReap(out var completion))
        {
            _meters.Events++;
            Dispatch(in completion);
        }
    }

    private void Dispatch(in Completion completion)
    {
        if (completion.Kind == CompletionKind.Accepted)
        {
            OnAccept(completion.Result);
            return;
        }

        ref var slot = ref _table.Find(completion.Id);
        if (Unsafe.IsNullRef(ref slot))
        {
            _meters.StaleCompletions++;
            return;
        }

        switch (completion.Kind)
        {
            case CompletionKind.Received: OnReceived(ref slot, completion.Id, completion.Result, completion.Bytes); break;
            case CompletionKind.Sent: OnSent(ref slot, completion.Id, completion.Result); break;
            case CompletionKind.Connected: OnConnect(ref slot, completion.Id, -completion.Result); break;
            case CompletionKind.Broken: OnBroken(ref slot, completion.Id, -completion.Result); break;
            case CompletionKind.Closed: Free(ref slot, completion.Id.Slot); break;
            default: throw new UnreachableException($"The backend completed a {completion.Kind}.");
        }
    }

    /// <summary>Flushes and buries until neither leaves work for the other: a failed flush kills, and OnClosed may write to others.</summary>
    private void Settle()
    {
        while (_dirty.Count != 0 || _drained.Count != 0 || _dead.Count != 0)
        {
            FlushDirty();
            TellDrained();
            Bury();
        }
    }

    private void Account()
    {
        _turnEndUs = _clock.NowUs();
        var busyUs = _turnEndUs - _turnStartUs;
        LagUs = _oversleptUs + busyUs;
        _pace.Note(LagUs);
        _meters.Turns++;
        _meters.BusyUs += busyUs;
        if (busyUs > _meters.LongestTurnUs) _meters.LongestTurnUs = busyUs;
        _meters.SlotsInUse = _table.InUse;
        if (_table.InUse > _meters.SlotsHigh) _meters.SlotsHigh = _table.InUse;
        _meters.Handshakes = _handshakes;
        _meters.LeasesOut = _leases.Out;
        _meters.LeasesHigh = _leases.HighOut;
        _meters.OutputsOut = _outputs.Out;
        _meters.OutputsHigh = _outputs.HighOut;
        _meters.SegmentsOut = _segments.Out;
        _meters.PausedByBudget = _overBudget.Count;
        _meters.RequestsRefused = _inbox.RequestsRefused;
        _meters.NoticesShed = _inbox.NoticesShed;
        if (_meters.SampledTick == _nowTick) return;
        _meters.SampledTick = _nowTick;
        NoteLoad();
        _keeping.Run(NowMs);
        _meters.AllocatedBytes = GC.GetAllocatedBytesForCurrentThread();
    }

    private void Stop()
    {
        _posts.Close();
        EndWaits(long.MaxValue);
        FlushDirty();
        for (uint index = 0; index < _table.High; index++)
        {
            ref var slot = ref _table[index];
            if (slot.State != SlotState.Free) Kill(ref slot, index, CloseReason.Shutdown, 0);
        }

        Settle();
        AwaitClosed();
        Account();
    }

    [Conditional("DEBUG")]
    private void AssertOwner()
    {
        if (_owner is not null && _owner != Thread.CurrentThread)
            throw new InvalidOperationException($"Reactor {Index} belongs to thread {_owner.Name}; this is {Thread.CurrentThread.Name ?? "an unnamed thread"}.");
    }
}
