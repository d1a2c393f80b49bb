namespace Gateway.Messaging;

/// <summary>
/// Windows that nobody has used for long are forgotten (P5), so that a node does not remember every device that it ever met.
/// <para>
/// After that the device's old incarnation is fenced like any that the node does not know, which its client takes for "outcome unknown". A fresh
/// one is above all before even so: it is above the log's floor, which never falls, and a window goes only when its incarnation lies below that.
/// </para>
/// <para>
/// A WINDOW record with low mark 0 says that the window is forgotten. Without it a later run would make a window of what origins the log still
/// has, of numbers open that were settled; it stands behind all of them, so that it may go with its segment.
/// </para>
/// Invariant: for each window the log has a record of the day on which it was used last, or of the day before: of a login that is the first of its
/// day, and of each day that a connected device sees begin. Age is counted in the log's steady time.
/// </summary>
public sealed partial class Home
{
    private const uint DaySeconds = 24 * 3600;

    /// <summary>Windows looked at in one step; a step comes with each retry, every 50 ms.</summary>
    private const int SweptAtOnce = 128;

    /// <summary>Day of the last pass over the windows, 0 before the first; the window it looks at next, and the one it ends with.</summary>
    private uint _sweptDay;
    private uint _nextSwept = 1;
    private uint _sweptThrough;
    private bool _recordsUse;

    /// <summary>One step of the day's pass over all windows: forgets those that are due, and records that connected devices use theirs.</summary>
    private void SweepWindows()
    {
        var now = _log.SteadySeconds;
        if (_nextSwept > Math.Min(_sweptThrough, (uint)_windows.Count))
        {
            var day = now / DaySeconds;
            if (day == _sweptDay) return;
            // Who is connected at the first has logged in on this very day.
            (_recordsUse, _sweptDay) = (_sweptDay != 0, day);
            (_nextSwept, _sweptThrough) = (1, (uint)_windows.Count);
        }

        ulong issued = 0;
        for (var looks = 0; looks < SweptAtOnce && _nextSwept <= Math.Min(_sweptThrough, (uint)_windows.Count); looks++)
        {
            ref var window = ref _windows[_nextSwept];
            if (IsOverdue(in window, now))
            {
                if (issued == 0 && (issued = _log.NextSequence()) == 0) return;
                if (window.Incarnation < issued / 1_000_000)
                {
                    if (!TryForget(_nextSwept, ref window)) return;
                    continue;
                }
            }
            else if (window.Session != 0 ? _recordsUse : window.UsedAt == 0)
            {
                // 0: the log had origins of it and no record, as after a repair. Its time begins now.
                if (!TryRecordWindow(ref window, now, InFlightOf(in window))) return;
                if (window.Session == 0) window.UsedAt = now;
            }

            _nextSwept++;
        }
    }

    /// <summary>Nobody has used it for so long that it counts as forgotten already. Never so while its device is connected or has something in flight: then there is a session.</summary>
    private bool IsOverdue(in SendWindow window, uint now) =>
        window.UsedAt != 0 && now > window.UsedAt && now - window.UsedAt >= _options.ForgetWindowAfterSeconds;

    /// <summary>A device logs in with a window that the log may believe unused for days: it says so before a kill can make it true.</summary>
    private void RecordLogin(ref SendWindow window)
    {
        var now = _log.SteadySeconds;
        if (window.Session == 0 && window.UsedAt / DaySeconds != now / DaySeconds) TryRecordWindow(ref window, now, inFlight: 0);
    }

    /// <summary>What the log is to know of a window.</summary>
    private static LogRecord WindowRecord(ref SendWindow window, uint usedAt) => new()
    {
        Type = LogRecordType.Window,
        Mailbox = window.Device,
        Incarnation = window.Incarnation,
        Low = window.Low,
        Number = window.Settled,
        EnqueuedAt = usedAt,
    };

    private bool TryForget(uint index, ref SendWindow window)
    {
        if (!TryCarry(new LogRecord { Type = LogRecordType.Window, Mailbox = window.Device, Incarnation = window.Incarnation, Low = 0, EnqueuedAt = window.UsedAt })) return false;
        RemoveWindow(index);
        Counters.WindowsForgotten++;
        return true;
    }

    private void RemoveWindow(uint index)
    {
        _windows.Remove(index);
        if (index <= (uint)_windows.Count && _windows[index].Session is var session and not 0) _sessions.OnWindowMoved(session, index);
    }
}
