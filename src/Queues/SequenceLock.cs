#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Queues;
#elif QUEUES_OF_MAILBOX
namespace Gateway.Mailbox.Queues;
#else
namespace Gateway.Messaging.Queues;
#endif

/// <summary>
/// Lets any thread read several words as they stood in one moment, while their one writer never waits: a sequence lock (Lameter, "Effective
/// synchronization on Linux/NUMA systems", 2005). A reader copies the words with <see cref="Volatile"/> reads between <see cref="TryBeginRead"/> and
/// <see cref="Held"/>, and tries again, up to <see cref="Tries"/> times, when either says no. Mutable: never copied, never readonly.
/// </summary>
internal struct SequenceLock
{
    /// <summary>After so many a reader gives up: the writer was changing it all the while.</summary>
    public const int Tries = 64;

    /// <summary>Odd while something is being changed.</summary>
    private int _version;

    /// <summary>The writer, before the first word it changes.</summary>
    public void BeginChange()
    {
        _version++;
        // The odd version is seen before anything of the change.
        Interlocked.MemoryBarrier();
    }

    /// <summary>The writer, after the last.</summary>
    public void EndChange() => Volatile.Write(ref _version, _version + 1);

    /// <summary>A reader, before the first word. False, after giving way to the writer: something is being changed.</summary>
    public bool TryBeginRead(out int version)
    {
        version = Volatile.Read(ref _version);
        if ((version & 1) == 0) return true;
        Thread.Yield();
        return false;
    }

    /// <summary>A reader, after the last: whether nothing was changed meanwhile.</summary>
    public bool Held(int version)
    {
        // What was read must not be read later than the version that vouches for it.
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref _version) == version;
    }
}
