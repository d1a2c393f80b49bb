using FASTER.core;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// A thread that sees to it that commits make progress while work waits. It touches no file: on a disk that hangs, every thread that does
/// hangs with it. A process that stood still (SIGSTOP, a machine that was paused) gave its commit thread no time either: from one look to the next no
/// more than a part of the limit counts, however long that took.
/// </summary>
internal sealed class ProgressWatch
{
    private const int TickMs = 250;
    private const int LeastLooks = 4;

    private readonly FasterLog _log;
    private readonly Watermark _watermark;
    private readonly WakeSignal _wake;
    private readonly TimeSpan _limit;
    private readonly TimeProvider _time;
    private readonly Thread _thread;
    private volatile bool _stopping;

    public ProgressWatch(FasterLog log, Watermark watermark, WakeSignal wake, TimeSpan limit, TimeProvider time)
    {
        (_log, _watermark, _wake, _limit, _time) = (log, watermark, wake, limit, time);
        _thread = new Thread(Run) { IsBackground = true, Name = "mailbox watch" };
    }

    public void Start() => _thread.Start();

    public void Stop()
    {
        _stopping = true;
        _wake.Set();
        if (!_thread.ThreadState.HasFlag(ThreadState.Unstarted)) _thread.Join();
    }

    private void Run()
    {
        var committed = _watermark.Through;
        var waited = TimeSpan.Zero;
        var looked = _time.GetTimestamp();
        while (!_stopping && !_watermark.IsFrozen)
        {
            var since = _time.GetElapsedTime(looked);
            looked = _time.GetTimestamp();
            var now = _watermark.Through;
            var tail = _log.TailAddress;
            if (now != committed || tail == now) (committed, waited) = (now, TimeSpan.Zero);
            else if ((waited += since < _limit / LeastLooks ? since : _limit / LeastLooks) >= _limit)
                _watermark.Fail(new LogFailedException($"Nothing was committed for {_limit} while {tail - now} bytes waited from address {now} on."));
            _wake.Wait(TickMs);
        }
    }
}
