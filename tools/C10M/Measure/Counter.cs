using System.Runtime.CompilerServices;

namespace Gateway.Load.Measure;

/// <summary>What a fleet counts. Sums over fleets and processes are meaningful for all but the <c>At</c> stamps, of which the latest counts.</summary>
internal enum Counter
{
    /// <summary>Orders that fleets have carried out or begun.</summary>
    OrdersTaken,
    /// <summary>
    /// Logins that this phase still has to begin, to begin again or to end, as of a turn's end: with 0, whatever they came to is counted. A copy is made in
    /// the order of these names, so that what follows is as late as this.
    /// </summary>
    LoginsLeft,
    /// <summary>Connections that exist now, in whatever state.</summary>
    Attached,
    /// <summary>Sessions established now.</summary>
    Open,
    /// <summary>Connects and logins under way now.</summary>
    LoginsInFlight,
    /// <summary>Logins that ended with a welcome.</summary>
    Logins,
    /// <summary>Logins begun again because the node asked for it (overloaded, go away).</summary>
    LoginRetries,
    /// <summary>Sessions that were established again after they broke.</summary>
    Reconnects,
    /// <summary>Sessions that ended although nobody here meant them to.</summary>
    Disconnects,
    /// <summary>Sessions that the node asked to come back later, and that do.</summary>
    GoAways,
    /// <summary>Connections that did what a <see cref="Devices.Visit"/> is, and ended it themselves.</summary>
    Visits,

    /// <summary>Messages sent for the first time.</summary>
    Sent,
    /// <summary>Frames sent again for a message already sent.</summary>
    Resent,
    Accepted,
    RefusedTemporary,
    RefusedFinal,
    DoubleChecks,
    /// <summary>Double checks that came within the measured interval.</summary>
    MeasuredDoubleChecks,
    /// <summary>Receipts for a message that had its double check: idempotent, and no error.</summary>
    RepeatedReceipts,

    /// <summary>Messages of this run that arrived for the first time.</summary>
    Delivered,
    /// <summary>Messages that arrived again without the flag that says so, or under a second sequence.</summary>
    Duplicates,
    /// <summary>Frames that arrived again with the flag: the node may do that.</summary>
    Redelivered,
    /// <summary>Messages that arrived before an earlier one of the same sender.</summary>
    OutOfOrder,
    /// <summary>Entries of the mailbox that are no message of this run: left behind by another.</summary>
    Strays,

    /// <summary>Open-loop senders whose next message is due and that may not send it yet.</summary>
    Backlogged,
    /// <summary>Senders that still have messages to send, now.</summary>
    Sending,
    /// <summary>Connections that answered the last check.</summary>
    Pongs,
    /// <summary>Errors of every kind.</summary>
    Errors,

    LastLoginAt,
    LastAcceptedAt,
    LastDeliveredAt,
    LastDoubleCheckAt,
}

/// <summary>The values of all counters. Written by one thread; another may read each one whole.</summary>
internal sealed class Counters
{
    public const int Count = (int)Counter.LastDoubleCheckAt + 1;

    private Values _values;

    /// <summary>Within the object: to count is to write where a constant says.</summary>
    [InlineArray(Count)]
    private struct Values
    {
        private long _first;
    }

    public ref long this[Counter counter] => ref _values[(int)counter];

    public void Clear() => ((Span<long>)_values).Clear();

    public void Add(Counters other)
    {
        for (var i = 0; i < Count; i++)
        {
            var value = Volatile.Read(ref other._values[i]);
            if (i >= (int)Counter.LastLoginAt) _values[i] = Math.Max(_values[i], value);
            else _values[i] += value;
        }
    }
}
