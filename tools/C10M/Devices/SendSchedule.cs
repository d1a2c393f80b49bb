using System.Runtime.CompilerServices;
using Gateway.Load.Measure;

namespace Gateway.Load.Devices;

/// <summary>
/// Who of a fleet may send when. Closed loop: a sender sends whenever its window has room. Open loop: each message has an intended time,
/// drawn in advance; a sender whose window is full is backlogged and its messages go out later with their intended times kept, so that a
/// stall is seen as latency of every message that it delayed. For the reactor's thread but <see cref="WakeAtUs"/>; nothing is allocated for
/// a message. Invariant, between turns: an open-loop sender that is sending is in the queue of due times, once, or backlogged.
/// </summary>
internal sealed class SendSchedule
{
    private readonly FleetSettings _settings;
    private readonly Shape _shape;
    private readonly Slice _slice;
    private readonly FleetTally _tally;
    private readonly DueQueue _dueQueue;
    private long _budget;
    private double _meanGapUs;
    private long _fromUs;
    private int _startCursor;
    private int _active;
    private int _backlogged;
    private bool _stopped;
    private long _wakeAtUs = long.MaxValue;

    public SendSchedule(FleetSettings settings, Slice slice, FleetTally tally)
    {
        _settings = settings;
        _shape = settings.Shape;
        _slice = slice;
        _tally = tally;
        _dueQueue = new DueQueue(_shape.SendersIn(slice));
        _startCursor = slice.Count;
    }

    /// <summary>When the next message is due; <see cref="long.MaxValue"/> in a closed loop. Any thread.</summary>
    public long WakeAtUs => Volatile.Read(ref _wakeAtUs);

    /// <summary>Messages for each recipient.</summary>
    public long Quota { get; private set; }

    private bool IsOpenLoop => _meanGapUs > 0;

    private bool MayBegin => !_stopped && _budget > 0;

    private long Outstanding => _tally[Counter.Sent] - _tally[Counter.DoubleChecks] - _tally[Counter.RefusedFinal];

    public void Begin(Order order)
    {
        _budget = order.Budget == 0 ? long.MaxValue : _slice.ShareOf(order.Budget, _shape.Devices);
        // A sender's quota is this times its recipients.
        Quota = order.Quota == 0 ? long.MaxValue / (1 + _shape.GroupSize) : order.Quota;
        _meanGapUs = order.Rate <= 0 ? 0 : 1e6 * _shape.Senders / order.Rate;
        _fromUs = order.FromUs;
        _startCursor = 0;
        _active = _shape.SendersIn(_slice);
    }

    /// <summary>Nothing new is sent from here on.</summary>
    public void Stop() => _stopped = true;

    /// <summary>
    /// The next sender to begin with, in order, few enough at a time that what is outstanding stays below
    /// <see cref="FleetSettings.StartBelow"/>. It is to be told <see cref="Start"/> or <see cref="PassOver"/>.
    /// </summary>
    public bool TryNext(out int index)
    {
        for (; _startCursor < _slice.Count && Outstanding < _settings.StartBelow; _startCursor++)
        {
            if (!_shape.Sends(_slice.First + _startCursor)) continue;
            index = _startCursor++;
            return true;
        }

        index = -1;
        return false;
    }

    /// <summary>It has no session to send in; why has been counted.</summary>
    public void PassOver() => _active--;

    public void Start(int index, ref Sender sender)
    {
        sender.Quota = Quota * _shape.RecipientsOf(_slice.First + index);
        sender.IsSending = true;
        if (!IsOpenLoop) return;
        sender.NextDue = _fromUs + FirstGap(_slice.First + index) * _meanGapUs;
        Schedule(index, ref sender);
    }

    /// <summary>Open loop: the next whose message is due is taken from the queue; false: nobody's is, and <see cref="WakeAtUs"/> says when.</summary>
    public bool TryTakeDue(long nowUs, out int index)
    {
        index = -1;
        if (!IsOpenLoop) return false;
        if (_dueQueue.NextDue <= nowUs)
        {
            index = _dueQueue.Take();
            return true;
        }

        Volatile.Write(ref _wakeAtUs, _dueQueue.NextDue);
        return false;
    }

    /// <summary>Whether the sender sends a new message now, which then counts as sent. Ask until it does not: only then is its next one scheduled.</summary>
    /// <param name="index">The sender's.</param>
    /// <param name="sender">It.</param>
    /// <param name="number">Of the message.</param>
    /// <param name="hasRoom">Whether the window lets it through.</param>
    /// <param name="nowUs">The turn's time.</param>
    /// <param name="stampUs">When it was meant to be sent: latency counts from there.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryTake(int index, ref Sender sender, ulong number, bool hasRoom, long nowUs, out long stampUs)
    {
        stampUs = nowUs;
        if (!sender.IsSending) return false;
        if (!(IsOpenLoop ? TryPass(index, ref sender, number, hasRoom, nowUs, out stampUs) : hasRoom && MayBegin && nowUs < _tally.EndUs)) return false;
        _budget--;
        _tally[Counter.Sent]++;
        if (--sender.Quota == 0) EndSending(ref sender);
        return true;
    }

    public void UpdateGauges(long nowUs)
    {
        _tally[Counter.Backlogged] = _backlogged;
        var closedAndOver = !IsOpenLoop && nowUs >= _tally.EndUs;
        _tally[Counter.Sending] = MayBegin && !closedAndOver ? _active : 0;
    }

    /// <summary>Open loop: passes the sender's due time and draws the next. False: it is not due, which schedules it, or has no room, which makes it backlogged.</summary>
    private bool TryPass(int index, ref Sender sender, ulong number, bool hasRoom, long nowUs, out long dueUs)
    {
        dueUs = (long)sender.NextDue;
        if (sender.IsScheduled) return false;
        if (sender.NextDue > nowUs || sender.NextDue >= _tally.EndUs || !MayBegin)
        {
            SetBacklogged(ref sender, false);
            Schedule(index, ref sender);
            return false;
        }

        if (!hasRoom)
        {
            SetBacklogged(ref sender, true);
            return false;
        }

        _tally.NoteLag(dueUs, nowUs);
        sender.NextDue += _settings.Mix.GapAfter((uint)(_slice.First + index), number) * _meanGapUs;
        return true;
    }

    private void Schedule(int index, ref Sender sender)
    {
        if (sender.NextDue >= _tally.EndUs || !MayBegin)
        {
            EndSending(ref sender);
            return;
        }

        // Rounded up: woken a fraction early it would be not due and queued again, for ever.
        sender.IsScheduled = true;
        _dueQueue.Add(index, (long)Math.Ceiling(sender.NextDue));
    }

    private void EndSending(ref Sender sender)
    {
        sender.IsSending = false;
        SetBacklogged(ref sender, false);
        _active--;
    }

    private void SetBacklogged(ref Sender sender, bool backlogged)
    {
        if (sender.IsBacklogged == backlogged) return;
        sender.IsBacklogged = backlogged;
        _backlogged += backlogged ? 1 : -1;
    }

    /// <summary>Even gaps: the senders follow each other evenly. Otherwise somewhere within a gap.</summary>
    private double FirstGap(int ordinal) => _settings.Mix.Kind == MixKind.Fixed
        ? (double)ordinal / _shape.Devices
        : Hash.Unit(Hash.Of(_settings.Seed ^ 0x9A5, (ulong)ordinal, 0));
}
