using System.Diagnostics;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Server.Node;

/// <summary>
/// A walk over one reactor's connections that keeps the first few by a rank. Made by whoever asks; then each step is the reactor's, one
/// slice of slots and no garbage, and between two steps the reactor turns. Invariant: of what was walked, nothing outside <c>_best</c> ranks above
/// anything in it.
/// </summary>
internal sealed class ConnectionWalk(ReactorHost host, ConnectionRank by, int count)
{
    /// <summary>A tenth of a millisecond of a reactor's time, as measured with 150,000 idle connections: the whole walk took 17 ms.</summary>
    private const int SlotsPerStep = 1024;

    private readonly ConnectionReading[] _slice = new ConnectionReading[SlotsPerStep];
    private readonly PriorityQueue<Found, long> _best = new(count + 1);
    private uint _cursor;

    /// <summary>A connection with what its home knows of it.</summary>
    private readonly record struct Found(ConnectionReading Reading, SessionListing Session, bool HasSession);

    /// <summary>Connections looked at.</summary>
    public long Walked { get; private set; }

    /// <summary>One slice; false when it was the last. The reactor's thread.</summary>
    public bool Step()
    {
        var read = host.Reactor.ReadConnections(ref _cursor, _slice, out var ended);
        Walked += read;
        foreach (ref readonly var reading in _slice.AsSpan(0, read))
        {
            var has = host.TryList(in reading, out var session);
            var rank = RankOf(in reading, in session, has);
            if (_best.Count < count) _best.Enqueue(new Found(reading, session, has), rank);
            else if (_best.TryPeek(out _, out var least) && rank > least) _best.EnqueueDequeue(new Found(reading, session, has), rank);
        }

        return !ended;
    }

    /// <summary>What it found, in no order; once, after the last step.</summary>
    public IEnumerable<(long Rank, ListedConnection Connection)> Take(long nowSeconds)
    {
        while (_best.TryDequeue(out var found, out var rank)) yield return (rank, Listed(found, nowSeconds));
    }

    private long RankOf(in ConnectionReading reading, in SessionListing session, bool hasSession) => by switch
    {
        ConnectionRank.Queue => session.PendingEntries,
        ConnectionRank.Bytes => reading.UnsentBytes + reading.KeptBytes,
        ConnectionRank.Age => hasSession ? uint.MaxValue - session.LoggedInAt : -1,
        _ => throw new UnreachableException($"A top list by {by}."),
    };

    private ListedConnection Listed(in Found found, long nowSeconds) => new()
    {
        Reactor = host.Reactor.Index,
        Connection = found.Reading.Id,
        Device = found.HasSession ? found.Session.Device : (Address?)null,
        // A clock that was set back must not put a login into the future.
        LoggedInAt = found.HasSession ? DateTimeOffset.FromUnixTimeSeconds(Math.Min(found.Session.LoggedInAt, nowSeconds)) : null,
        PendingEntries = found.Session.PendingEntries,
        PendingBytes = found.Session.PendingBytes,
        Unacknowledged = found.Session.Unacknowledged,
        UnsentBytes = found.Reading.UnsentBytes,
        KeptBytes = found.Reading.KeptBytes,
        Silent = TimeSpan.FromMilliseconds(found.Reading.SilentMs),
        Pauses = found.Reading.Pauses,
        Closing = found.Reading.Closing,
    };
}
