using Gateway.Transport;

namespace Gateway.Load.Measure;

/// <summary>
/// What the fleet of one reactor has counted: counters, errors and latencies, and which of it is measured. For the reactor's thread but
/// <see cref="CopyTo"/>. Nothing is allocated but for an error. Invariant: a latency is recorded only of what was sent, or meant to be, at
/// the mark or later; a double check is measured when it comes between the mark and <see cref="EndUs"/>.
/// </summary>
internal sealed class FleetTally(Reactor reactor)
{
    private readonly Counters _counters = new();
    private readonly ErrorTally _errors = new();
    private readonly Histogram _doubleCheck = new();
    private readonly Histogram _accept = new();
    private readonly Histogram _login = new();
    private readonly Histogram _drain = new();
    private readonly Histogram _lag = new();
    private long _markUs = long.MaxValue;

    /// <summary>The end of what is measured, at which senders stop; <see cref="long.MaxValue"/> until it is known.</summary>
    public long EndUs { get; private set; } = long.MaxValue;

    public ref long this[Counter counter] => ref _counters[counter];

    /// <summary>Measures what happens between the two.</summary>
    public void Measure(long fromUs, long untilUs) => (_markUs, EndUs) = (fromUs, untilUs);

    public void Count(string error)
    {
        _counters[Counter.Errors]++;
        _errors.Add(error);
    }

    /// <summary>A connection that nobody here closed is an error.</summary>
    public void CountClosed(CloseReason reason, int errno) => Count(errno == 0 ? $"closed_{reason}" : $"closed_{reason}_errno_{errno}");

    public void NoteLogin(long startedUs, long nowUs)
    {
        _counters[Counter.Logins]++;
        _counters[Counter.Open]++;
        _counters[Counter.LastLoginAt] = nowUs;
        _login.Record(nowUs - startedUs);
    }

    /// <summary>The server says that it has a message.</summary>
    public void NoteAccepted(long stampUs, long nowUs)
    {
        _counters[Counter.Accepted]++;
        _counters[Counter.LastAcceptedAt] = nowUs;
        if (stampUs >= _markUs) _accept.Record(nowUs - stampUs);
    }

    /// <summary>A message of this run arrived for the first time.</summary>
    public void NoteDelivered(long nowUs)
    {
        _counters[Counter.Delivered]++;
        _counters[Counter.LastDeliveredAt] = nowUs;
    }

    public void NoteDoubleCheck(long nowUs)
    {
        _counters[Counter.DoubleChecks]++;
        _counters[Counter.LastDoubleCheckAt] = nowUs;
        if (nowUs >= _markUs && nowUs <= EndUs) _counters[Counter.MeasuredDoubleChecks]++;
    }

    /// <summary>How long the double check took of a message whose send is known.</summary>
    public void TimeDoubleCheck(long stampUs, long nowUs)
    {
        if (stampUs >= _markUs) _doubleCheck.Record(nowUs - stampUs);
    }

    /// <summary>All that waited for a device has arrived.</summary>
    public void NoteDrain(long welcomedUs, long nowUs) => _drain.Record(nowUs - welcomedUs);

    /// <summary>A message goes out whose intended time was <paramref name="dueUs"/>.</summary>
    public void NoteLag(long dueUs, long nowUs) => _lag.Record(nowUs - dueUs);

    /// <summary>Adds what has been counted. Any thread.</summary>
    public void CopyTo(LoadSnapshot into)
    {
        into.Counters.Add(_counters);
        into.DoubleCheck.Add(_doubleCheck);
        into.Accept.Add(_accept);
        into.Login.Add(_login);
        into.Drain.Add(_drain);
        into.Lag.Add(_lag);
        into.AddErrors(_errors.Copy());
        into.AllocatedBytes += reactor.Counters.AllocatedBytes;
    }
}
