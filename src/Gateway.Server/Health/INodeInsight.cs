using Gateway.Protocol;
using Gateway.Server.Health.Flight;

namespace Gateway.Server.Health;

/// <summary>
/// Who is behind a node's figures, for its watch and for operators. Cheap and from any thread; nothing waits for a reactor but
/// <see cref="ReadSocketsAsync"/>, which asks each on its own thread. Everything is empty with <c>--metrics off</c> and before the node runs.
/// </summary>
public interface INodeInsight
{
    /// <summary>Each reactor's deepest mailboxes, exact; and what a mailbox holds at most that is not among them.</summary>
    (IReadOnlyList<MailboxDepth> Mailboxes, long Missed) ReadMailboxes();

    /// <summary>Each reactor's busiest senders, as shares of the sends that reached it lately.</summary>
    IReadOnlyList<SenderReading> ReadSenders();

    /// <summary>The connections for which most bytes are held, the worst first; those of a reactor that does not answer are missing.</summary>
    /// <param name="limit">How many.</param>
    /// <param name="cancel">Ends the waiting: what has come by then is returned.</param>
    Task<IReadOnlyList<SocketReading>> ReadSocketsAsync(int limit, CancellationToken cancel);

    /// <summary>The longest commit since this was last asked.</summary>
    TimeSpan TakeLongestCommit();

    /// <summary>What lately happened, one recorder a writing thread.</summary>
    IReadOnlyList<FlightRing> Flights { get; }
}

/// <param name="Reactor">Its home.</param>
/// <param name="Mailbox">Whose.</param>
/// <param name="Entries">Pending, receipts included.</param>
public readonly record struct MailboxDepth(int Reactor, Address Mailbox, long Entries);

/// <param name="Reactor">Its home.</param>
/// <param name="Device">Who.</param>
/// <param name="Share">Of the reactor's sends, 0 to 1; not too small but for sampling.</param>
/// <param name="Error">By which the share may be too great.</param>
/// <param name="MissedShare">No sender of this reactor that is not listed has more.</param>
public readonly record struct SenderReading(int Reactor, Address Device, double Share, double Error, double MissedShare);

/// <param name="Reactor">Its reactor.</param>
/// <param name="Slot">Of the connection, with its generation what it is called by there.</param>
/// <param name="Generation">Of the slot.</param>
/// <param name="Device">Null before its login.</param>
/// <param name="UnsentBytes">Of output, that the kernel has not taken.</param>
/// <param name="KeptBytes">Of input: a frame whose end has not come, or one that had to wait.</param>
/// <param name="Since">How long the kernel has not taken all; without output, how long nothing has arrived.</param>
public readonly record struct SocketReading(int Reactor, uint Slot, uint Generation, Address? Device, long UnsentBytes, long KeptBytes, TimeSpan Since)
{
    public long HeldBytes => UnsentBytes + KeptBytes;
}
