using FASTER.core;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// A thread beside the commit path that allocates segments before admission counts on them, writes them once with zeros, and on a full disk
/// looks again for space.
/// </summary>
internal sealed class SegmentKeeper
{
    private const int TickMs = 250;

    // Zeros keep ahead of the log at twice its pace, so that they are done before the room is needed, and trickle while it rests.
    private const int ZerosPerLogByte = 2;
    private const int ZerosTickMs = 5;

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

    /// <summary>While the log opens: until messages have their room or the disk has none.</summary>
    public static void Allocate(SegmentStore segments, Admission admission, long tail)
    {
        while (admission.NeedsSegment(tail))
        {
            admission.DiskFull = !segments.TryAdd(_ => true);
            if (admission.DiskFull) return;
        }
    }

    private void Run()
    {
        try
        {
            while (!_stopping && !_watermark.IsFrozen)
            {
                if (_admission.NeedsSegment(_log.TailAddress)) AddSegment();
                else _admission.DiskFull = false;
                if (_admission.DiskFull || !_admission.NeedsSegment(_log.TailAddress)) _wake.Wait(TickMs);
            }
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }

    private void AddSegment()
    {
        var from = _log.TailAddress;
        _admission.DiskFull = !_segments.TryAdd(zeros =>
        {
            while (!_stopping && !_watermark.IsFrozen)
            {
                var tail = _log.TailAddress;
                // Room comes before speed.
                if (_admission.RoomForMessages(tail) < _segments.SegmentBytes / 4) return false;
                if (zeros <= (tail - from) * ZerosPerLogByte) return true;
                Thread.Sleep(ZerosTickMs);
                if (_log.TailAddress == tail) return true;
            }

            return false;
        });
    }
}
