using System.Net;

namespace Gateway.Server.Node;

/// <summary>Top lists over all connections. One at a time, in slices; see <see cref="ConnectionWalk"/>.</summary>
internal sealed partial class GatewayNode
{
    /// <summary>The kernel is asked for each peer's address, which costs several system calls where sockets are no files.</summary>
    private const int RemotesPerStep = 32;

    private readonly SemaphoreSlim _listing = new(1);

    public async Task<ConnectionTop> TopConnectionsAsync(ConnectionRank by, int count, CancellationToken cancel)
    {
        await _listing.WaitAsync(cancel);
        try
        {
            var walks = Array.ConvertAll(_hosts, host => new ConnectionWalk(host, by, count));
            await Task.WhenAll(_hosts.Select((host, i) => WalkAsync(host, walks[i], cancel)));
            var now = _time.GetUtcNow().ToUnixTimeSeconds();
            var top = walks.SelectMany(w => w.Take(now)).OrderByDescending(c => c.Rank).Take(count).Select(c => c.Connection).ToList();
            await Task.WhenAll(top.Select((c, place) => (c.Reactor, Place: place)).GroupBy(c => c.Reactor, c => c.Place)
                .Select(places => AskRemotesAsync(_hosts[places.Key], top, [.. places], cancel)));
            return new ConnectionTop(top, walks.Sum(w => w.Walked));
        }
        finally
        {
            _listing.Release();
        }
    }

    private async Task WalkAsync(ReactorHost host, ConnectionWalk walk, CancellationToken cancel)
    {
        while (await OnReactor(host, _ => walk.Step())) cancel.ThrowIfCancellationRequested();
    }

    /// <summary>Fills in the peers of the connections at these places, all of one reactor: no two reactors write the same place.</summary>
    private async Task AskRemotesAsync(ReactorHost host, List<ListedConnection> top, int[] places, CancellationToken cancel)
    {
        foreach (var some in places.Chunk(RemotesPerStep))
        {
            cancel.ThrowIfCancellationRequested();
            var remotes = await OnReactor(host, h => Array.ConvertAll(some, place => h.Reactor.RemoteEndPoint(top[place].Connection)));
            foreach (var (place, remote) in some.Zip(remotes)) SetRemote(top, place, remote);
        }
    }

    private static void SetRemote(List<ListedConnection> top, int place, IPEndPoint? remote)
    {
        lock (top) top[place] = top[place] with { Remote = remote?.ToString() };
    }
}
