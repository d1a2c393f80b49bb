using FASTER.core;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Commit;

/// <summary>A thread beside the commit path that allocates segments before admission counts on them, and on a full disk looks again for space.</summary>
internal sealed class SegmentKeeper
{
    private const int TickMs = 250;

    private readonly FasterLog _log;
    private readonly SegmentStore _segments;
    private readonly Admission _admission;
    private readonly Watermark _watermark;
    private readonly WakeSignal _wake;
    private readonly Thread _thread;
    private volatile bool _stopping;

    public SegmentKeeper(FasterLog log, SegmentStore segments, Admission admission, Watermark watermark, WakeSignal wake)
    {
        (_log, _segments, _admission, _watermark, _wake) = (log, segments, admission, watermark, wake);
        _thread = new Thread(Run) { IsBackground = true, Name = "mailbox segments" };
    }

    public void Start() => _thread.Start();

    /// <summary>False when the thread hangs in the kernel.</summary>
    public bool Stop()
    {
        _stopping = true;
        _wake.Set();
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
            Func<long> tail = () => _log.TailAddress;
            while (!_stopping && !_watermark.IsFrozen)
            {
                Allocate(_segments, _admission, tail);
                _wake.Wait(TickMs);
            }
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }
}
