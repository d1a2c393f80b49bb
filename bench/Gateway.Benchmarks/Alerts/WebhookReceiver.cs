using System.Net;
using System.Net.Sockets;

namespace Gateway.Benchmarks.Alerts;

/// <summary>Takes what a node posts, until it hangs: then requests are taken and not answered before that is over. One task; the switch from any thread.</summary>
internal sealed class WebhookReceiver : IDisposable
{
    private readonly HttpListener _http = new();
    private readonly List<HttpListenerContext> _unanswered = [];
    private bool _isHanging;

    public WebhookReceiver()
    {
        Address = $"http://127.0.0.1:{FreePort()}";
        _http.Prefixes.Add(Address + "/");
        _http.Start();
        _ = Task.Run(TakeAsync);
    }

    /// <summary>Without a path.</summary>
    public string Address { get; }

    public bool IsHanging
    {
        set
        {
            lock (_unanswered)
            {
                _isHanging = value;
                if (!value) _unanswered.ForEach(Answer);
                if (!value) _unanswered.Clear();
            }
        }
    }

    public void Dispose() => _http.Close();

    private async Task TakeAsync()
    {
        try
        {
            while (true)
            {
                var request = await _http.GetContextAsync();
                lock (_unanswered)
                {
                    if (_isHanging) _unanswered.Add(request);
                    else Answer(request);
                }
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // Closed.
        }
    }

    private static void Answer(HttpListenerContext request)
    {
        try
        {
            request.Response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or IOException)
        {
            // The node gave up on it long ago.
        }
    }

    /// <summary>HttpListener takes no port 0.</summary>
    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
