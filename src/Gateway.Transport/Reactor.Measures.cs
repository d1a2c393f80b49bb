using Gateway.Transport.Connections;
using Gateway.Transport.Queues;

namespace Gateway.Transport;

/// <summary>
/// What a reactor tells of its queues and of its pace. Written by its thread in passing; read from any without a lock, and never waiting: so
/// it can be read of a reactor that hangs.
/// </summary>
public sealed partial class Reactor
{
    private QueueGauge? _handshakeGauge;
    private QueueGauge? _leaseGauge;
    private long _turnEndUs;
    private long _oversleptUs;

    /// <summary>
    /// Microseconds that the turn before kept others waiting: its work, and before it what the wait took beyond its time because the
    /// processor was elsewhere. The reactor's thread, in <see cref="IReactorHandler.OnTurn"/>.
    /// </summary>
    public long LagUs { get; private set; }

    /// <summary>The group's clock, read now: what <see cref="NowMs"/> is read from once a turn. Any thread.</summary>
    public long ClockMs => _clock.NowUs() / 1000;

    /// <summary>Milliseconds since the reactor last began a turn; more than a few ticks means that it hangs or is starved. Any thread.</summary>
    public long SinceTurnMs => Math.Max(0, (_clock.NowUs() - Volatile.Read(ref _turnStartUs)) / 1000);

    /// <summary>
    /// Adds the readings of <c>inbox</c>, <c>posts</c>, <c>handshakes</c> and <c>send_leases</c>; nothing without
    /// <see cref="ReactorGroupOptions.MeasureQueues"/>. Any thread, before the group's Dispose.
    /// </summary>
    public void ReadQueues(ICollection<QueueCounts> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        if (!Options.MeasureQueues) return;
        var nowMs = ClockMs;
        into.Add(_inbox.Read("inbox", (uint)nowMs));
        into.Add(_posts.Read("posts", nowMs));
        into.Add(_handshakeGauge!.Read(nowMs));
        into.Add(_leaseGauge!.Read(nowMs));
    }

    /// <summary>
    /// Goes on through the slots, a slice at a call, and lists the connections for which bytes are held: output that a flush left behind, or input that was
    /// not consumed. The reactor's thread.
    /// </summary>
    /// <param name="cursor">0 at first; 0 again when the last slice was read.</param>
    /// <param name="slots">To look at.</param>
    /// <param name="into">Added to. What comes and goes between two slices may be passed over.</param>
    public void ReadHeld(ref uint cursor, int slots, ICollection<HeldReading> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        AssertOwner();
        var end = (uint)Math.Min(_table.High, (long)cursor + slots);
        for (; cursor < end; cursor++)
        {
            ref var slot = ref _table[cursor];
            if (slot.State is not (SlotState.Open or SlotState.Closing)) continue;
            var lags = slot.Output != 0 && slot.Has(SlotFlags.Lagging);
            if (!lags && slot.Input == 0) continue;
            var since = lags ? NowMs - _outputs[slot.Output].LaggingSinceMs : (long)(_nowTick - slot.LastReceived) * _clock.TickMs;
            into.Add(new HeldReading(
                _table.IdOf(cursor), slot.Tag, lags ? _outputs[slot.Output].Unsent : 0, slot.Input == 0 ? 0 : _leases[slot.Input].Bytes,
                TimeSpan.FromMilliseconds(Math.Max(0, since))));
        }

        if (cursor >= _table.High) cursor = 0;
    }

    private void MakeGauges()
    {
        var unit = TimeSpan.FromMilliseconds(1);
        _handshakeGauge = new QueueGauge("handshakes", Options.MaxHandshakes, unit);
        _leaseGauge = new QueueGauge("send_leases", Options.MaxConnections, unit);
    }

    /// <summary>A wait that an event ended was not too long; one that ended by itself may have been.</summary>
    private void NoteWait(int timeoutMs) =>
        _oversleptUs = _turnEndUs == 0 ? 0 : Math.Max(0, _turnStartUs - _turnEndUs - timeoutMs * 1000L);
}

/// <summary>A connection for which bytes are held.</summary>
/// <param name="Connection">Which.</param>
/// <param name="Tag">The application's.</param>
/// <param name="UnsentBytes">Of output, that the kernel has not taken.</param>
/// <param name="KeptBytes">Of input, that the handler has not consumed.</param>
/// <param name="Since">How long the kernel has not taken all; without output, how long nothing has arrived.</param>
public readonly record struct HeldReading(ConnectionId Connection, ulong Tag, long UnsentBytes, long KeptBytes, TimeSpan Since);
