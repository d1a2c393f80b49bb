namespace Gateway.Transport;

/// <summary>
/// How a reactor falls asleep and is woken. The sleeper stores its mark, fences, then looks for work; a waker stores work, fences, then
/// looks at the mark. With a full fence on both sides at least one sees the other (the store-load case, which acquire and release alone
/// do not order). The waker that takes the mark down pays for the system call; all others are coalesced into it.
/// </summary>
public sealed partial class Reactor
{
    private int _asleep;
    private int _wakeAsked;

    /// <summary>Ends the current wait, or the next: <see cref="IReactorHandler.OnTurn"/> runs after what the caller stored before. Any thread, while the group lives.</summary>
    public void Wake()
    {
        Volatile.Write(ref _wakeAsked, 1);
        Interlocked.MemoryBarrier();
        WakeIfAsleep();
    }

    /// <summary>Asks the reactor to run work on its thread. False when <see cref="ReactorGroupOptions.PostSlots"/> are taken or it stopped. Any thread.</summary>
    public bool TryPost(Action<IReactorHandler> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (!_posts.TryAdd(work)) return false;
        Wake();
        return true;
    }

    /// <summary>The waker's half, after its store and a full fence.</summary>
    internal void WakeIfAsleep()
    {
        if (TryTakeMarkDown()) _backend.Wake();
    }

    /// <summary>The same by a reactor of the group, on its thread.</summary>
    internal void WakeIfAsleep(Reactor by)
    {
        if (TryTakeMarkDown()) by._backend.WakeOther(_backend);
    }

    private bool TryTakeMarkDown() => Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0;

    private bool TryFallAsleep()
    {
        Volatile.Write(ref _asleep, 1);
        Interlocked.MemoryBarrier();
        return !IsAsked;
    }

    /// <summary>Another thread has something for this one.</summary>
    private bool IsAsked => Volatile.Read(ref _wakeAsked) != 0 || _inbox.HasMessages || _posts.HasWork || _group.IsStopping;

    private void Rise()
    {
        Volatile.Write(ref _asleep, 0);
        // An exchange, not a store: what follows must not be read before the mark is down, or a wake between the two would be lost.
        if (Volatile.Read(ref _wakeAsked) != 0) Interlocked.Exchange(ref _wakeAsked, 0);
    }

    private void RunPosts()
    {
        if (!_posts.HasWork) return;
        for (var i = 0; i < Options.PostSlots && _posts.TryTake(out var work); i++) work(_handler);
    }

    private void TakeArrivals()
    {
        for (var from = 0; from < Options.Reactors; from++)
        {
            for (var i = 0; i < Options.MoveLaneSlots && _inbox.TryTakeMove(from, out var record); i++) Arrive(from, record);
        }
    }
}
