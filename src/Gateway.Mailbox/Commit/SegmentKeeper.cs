using FASTER.core;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// A thread beside the commit path: allocates segments before admission counts on them, looks again for space on a full disk, and watches
/// that commits make progress, which the pump cannot do while it hangs in the kernel.
/// </summary>
internal sealed class SegmentKeeper
{
    private const int TickMs = 250;

    private readonly FasterLog _log;
    private readonly SegmentStore _segments;
    private readonly Admission _admission;
    private readonly Watermark _watermark;
    private readonly TimeProvider _time;
    private readonly TimeSpan _stallLimit;
    private readonly Thread _thread;
    private volatile bool _stopping;

    public SegmentKeeper(FasterLog log, SegmentStore segments, Admission admission, Watermark watermark, WakeSignal wake, MailboxLogOptions options, TimeProvider time)
    {
        (_log, _segments, _admission, _watermark, Wake, _time) = (log, segments, admission, watermark, wake, time);
        _stallLimit = options.CommitStallLimit;
        _thread = new Thread(Run) { IsBackground = true, Name = "mailbox segments" };
    }

    private WakeSignal Wake { get; }

    public void Start() => _thread.Start();

    public bool Stop()
    {
        _stopping = true;
        Wake.Set();
        return _thread.ThreadState.HasFlag(ThreadState.Unstarted) || _thread.Join(TimeSpan.FromSeconds(10));
    }

    /// <summary>Until messages have their room or the disk has none.</summary>
    public static void Allocate(SegmentStore segments, Admission admission, Func<long> tail)
    {
        while (admission.NeedsSegment(tail()))
        {
            admission.DiskFull = !segments.TryAdd();
            if (admission.DiskFull) return;
        }

        admission.DiskFull = false;
    }

    private void Run()
    {
        try
        {
            var committed = _watermark.Through;
            var progress = _time.GetTimestamp();
            while (!_stopping && !_watermark.IsFrozen)
            {
                Allocate(_segments, _admission, () => _log.TailAddress);

                var now = _watermark.Through;
                if (now != committed || _log.TailAddress == now) (committed, progress) = (now, _time.GetTimestamp());
                else if (_time.GetElapsedTime(progress) >= _stallLimit) throw new LogFailedException($"Nothing was committed for {_stallLimit} while {_log.TailAddress - now} bytes waited from address {now} on.");
                Wake.Wait(TickMs);
            }
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }
}
