using System.Net.Sockets;
using System.Text;

namespace Gateway.Tests.Ops;

/// <summary>A service manager's end of sd_notify(3): a unix datagram socket, and what was told to it.</summary>
internal sealed class ServiceManagerSocket : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly byte[] _datagram = new byte[4096];

    /// <param name="name">As NOTIFY_SOCKET names it: a path, or '@' and an abstract name.</param>
    public ServiceManagerSocket(string name)
    {
        Name = name;
        _socket.Bind(new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name));
    }

    public string Name { get; }

    /// <summary>What waits to be read, without waiting for more.</summary>
    public IReadOnlyList<string> Waiting()
    {
        var all = new List<string>();
        while (_socket.Available > 0) all.Add(Encoding.UTF8.GetString(_datagram, 0, _socket.Receive(_datagram)));
        return all;
    }

    public async Task<string> NextAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline);
        return Encoding.UTF8.GetString(_datagram, 0, await _socket.ReceiveAsync(_datagram, deadline.Token));
    }

    public void Dispose() => _socket.Dispose();
}
