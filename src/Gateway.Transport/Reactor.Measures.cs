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
