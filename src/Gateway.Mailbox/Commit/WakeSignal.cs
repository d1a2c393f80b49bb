using System.Runtime.InteropServices;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// Wakes one sleeping thread from any other. Setting it costs a read while it is set, one exchange while the sleeper works, and a
/// system call only when the sleeper sleeps.
/// Who sets it must have published the work by an interlocked operation or under a lock before (a full fence), and the sleeper looks
/// for work after each wait: then no work is slept over.
/// </summary>
internal sealed unsafe class WakeSignal : IDisposable
{
    private const int Lowered = 0;
    private const int Raised = 1;
    private const int Sleeping = -1;

    private int* _word;

    public WakeSignal()
    {
        // SAFETY: one cache line of native memory, owned by this object until Dispose, when both sides have stopped.
        _word = (int*)NativeMemory.AlignedAlloc(64, 64);
        *_word = Lowered;
    }

    public void Set()
    {
        // SAFETY: the word lives until Dispose.
        ref var word = ref *_word;
        if (Volatile.Read(ref word) == Raised) return;
        if (Interlocked.Exchange(ref word, Raised) == Sleeping) Posix.FutexWakeOne(_word);
    }

    /// <summary>The same, by milliseconds.</summary>
    public bool Wait(int timeoutMs) => Wait(TimeSpan.FromMilliseconds(timeoutMs));

    /// <summary>The one sleeper. Returns whether it was set; either way it is unset now.</summary>
    public bool Wait(TimeSpan timeout)
    {
        // SAFETY: the word lives until Dispose.
        ref var word = ref *_word;
        if (Interlocked.CompareExchange(ref word, Sleeping, Lowered) == Lowered) Posix.FutexWait(_word, Sleeping, timeout);
        return Interlocked.Exchange(ref word, Lowered) == Raised;
    }

    /// <summary>The one sleeper: unsets it, having seen or being about to see what it was set for.</summary>
    public void Lower()
    {
        // SAFETY: the word lives until Dispose.
        Interlocked.Exchange(ref *_word, Lowered);
    }

    public void Dispose()
    {
        // SAFETY: freed once; callers have stopped both sides.
        var word = _word;
        _word = null;
        if (word is not null) NativeMemory.AlignedFree(word);
    }
}
