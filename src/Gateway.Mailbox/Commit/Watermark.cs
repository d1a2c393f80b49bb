namespace Gateway.Mailbox.Commit;

/// <summary>
/// The address below which everything is committed, and the fail stop that freezes it. Read by any thread; raised by the pump.
/// Invariant: once frozen it never moves again, whoever was on the way to raise it.
/// </summary>
internal sealed class Watermark(Action<Exception>? onFailed)
{
    private readonly Lock _gate = new();
    private long _through;
    private volatile Exception? _cause;

    public long Through => Volatile.Read(ref _through);
    public bool IsFrozen => _cause is not null;
    public Exception? Cause => _cause;

    /// <summary>False when frozen.</summary>
    public bool TryRaise(long through)
    {
        lock (_gate)
        {
            if (_cause is not null) return false;
            if (through > _through) Volatile.Write(ref _through, through);
            return true;
        }
    }

    /// <summary>The log was closed: nothing failed, and nothing is written any more.</summary>
    public void Close()
    {
        lock (_gate) _cause ??= new ObjectDisposedException(nameof(MailboxLog));
    }

    /// <summary>Any thread. The first cause counts and is told; later ones follow from it.</summary>
    public void Fail(Exception cause)
    {
        lock (_gate)
        {
            if (_cause is not null) return;
            _cause = cause;
        }

        try
        {
            onFailed?.Invoke(cause);
        }
        catch (Exception)
        {
            // The log is down already; what the host's handler throws has nowhere better to go.
        }
    }
}
