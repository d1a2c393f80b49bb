using FASTER.core;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// A thread that sees to it that commits make progress while work waits. It touches no file: on a disk that hangs, every thread that does
/// hangs with it.
/// </summary>
internal sealed class ProgressWatch
{
    private const int TickMs = 250;

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
        var progress = _time.GetTimestamp();
        while (!_stopping && !_watermark.IsFrozen)
        {
            var now = _watermark.Through;
            var tail = _log.TailAddress;
            if (now != committed || tail == now) (committed, progress) = (now, _time.GetTimestamp());
            else if (_time.GetElapsedTime(progress) >= _limit)
                _watermark.Fail(new LogFailedException($"Nothing was committed for {_limit} while {tail - now} bytes waited from address {now} on."));
            _wake.Wait(TickMs);
        }
    }
}
