using Gateway.Server.Health;
using Gateway.Server.Health.Flight;

namespace Gateway.Tests.Server;

/// <summary>What a scripted node says of who is behind its figures.</summary>
internal sealed class FakeInsight : INodeInsight
{
    public List<MailboxDepth> Mailboxes { get; } = [];
    public long Missed { get; set; } = 9;
    public List<SenderReading> Senders { get; } = [];
    public List<SocketReading> Sockets { get; } = [];
    public TimeSpan LongestCommit { get; set; }
    public IReadOnlyList<FlightRing> Flights { get; set; } = [];

    public (IReadOnlyList<MailboxDepth> Mailboxes, long Missed) ReadMailboxes() => ([.. Mailboxes], Missed);

    public IReadOnlyList<SenderReading> ReadSenders() => [.. Senders];

    public Task<IReadOnlyList<SocketReading>> ReadSocketsAsync(int limit, CancellationToken cancel) =>
        Task.FromResult<IReadOnlyList<SocketReading>>([.. Sockets.Take(limit)]);

    public TimeSpan TakeLongestCommit() => LongestCommit;
}
