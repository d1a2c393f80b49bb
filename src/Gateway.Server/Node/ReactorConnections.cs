using Gateway.Messaging;
using Gateway.Transport;

namespace Gateway.Server.Node;

/// <summary>A reactor's sockets and lanes as messaging asks for them. Owned by the reactor's thread once <see cref="Reactor"/> is set.</summary>
internal sealed class ReactorConnections : IConnections, IHomeLinks
{
    public Reactor Reactor { get; set; } = null!;

    public Span<byte> GetSpan(ulong connection, int sizeBytes) => Reactor.GetSpan(ConnectionId.Unpack(connection), sizeBytes);

    public void Advance(ulong connection, int bytes) => Reactor.Advance(ConnectionId.Unpack(connection), bytes);

    public void AdvanceWithNext(ulong connection, int bytes) => Reactor.AdvanceWithNext(ConnectionId.Unpack(connection), bytes);

    public int UnsentBytes(ulong connection) => Reactor.UnsentBytes(ConnectionId.Unpack(connection));

    public long HeardAtMs(ulong connection) => Reactor.HeardAtMs(ConnectionId.Unpack(connection));

    public void Pause(ulong connection) => Reactor.PauseReading(ConnectionId.Unpack(connection));

    public void Resume(ulong connection) => Reactor.ResumeReading(ConnectionId.Unpack(connection));

    public void Close(ulong connection) => Reactor.Close(ConnectionId.Unpack(connection));

    public void SetTimer(ulong connection, long dueMs) => Reactor.SetTimer(ConnectionId.Unpack(connection), dueMs);

    public bool TryRequest(int home, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body) => Reactor.TryRequest(home, head, body);

    public void Reply(int home, ReadOnlySpan<byte> message) => Reactor.Reply(home, message);

    public bool TryNotify(int home, ReadOnlySpan<byte> message) => Reactor.TryNotify(home, message);
}
