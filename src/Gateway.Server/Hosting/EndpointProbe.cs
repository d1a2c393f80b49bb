using System.Net;
using System.Net.Sockets;

namespace Gateway.Server.Hosting;

/// <summary>
/// Asks whether an endpoint is free. The reactors listen with SO_REUSEPORT, which lets two processes of one user share a port in silence,
/// each getting half of the connections: so it is tried once without.
/// </summary>
internal static class EndpointProbe
{
    /// <exception cref="NodeStartException">Somebody listens there, or the address is not this machine's.</exception>
    public static void RequireFree(string option, IPEndPoint endpoint)
    {
        if (endpoint.Port == 0) return;
        using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(endpoint);
        }
        catch (SocketException e)
        {
            throw new NodeStartException($"{option}: {endpoint} cannot be bound: {e.Message}", e);
        }
    }
}
