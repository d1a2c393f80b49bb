using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>What an operator's walk over connections wants to know of each.</summary>
public sealed partial class Home
{
    /// <summary>Whose connection it is and what waits for it; false when the session is not this connection's. Opens nothing and allocates nothing.</summary>
    public bool TryList(ulong connection, uint session, out SessionListing listing)
    {
        listing = default;
        if (session >= _sessions.End || !_sessions.TryRead(session, out var s) || s.Connection != connection) return false;
        var mailbox = _log.State(s.Key);
        listing = new SessionListing(new Address(s.Key), s.LoggedInAt, mailbox.Entries, mailbox.Bytes, (int)s.UnackedMessages);
        return true;
    }
}

/// <summary>A session in a list of connections.</summary>
/// <param name="Device">Whose it is.</param>
/// <param name="LoggedInAt">Seconds since 1970.</param>
/// <param name="PendingEntries">In its mailbox, receipts included.</param>
/// <param name="PendingBytes">Of their records.</param>
/// <param name="Unacknowledged">Of those, delivered and not acknowledged.</param>
public readonly record struct SessionListing(Address Device, uint LoggedInAt, long PendingEntries, long PendingBytes, int Unacknowledged);
