using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Server.Hosting;

/// <summary>
/// Tells the service manager that started this process how far it is, by datagrams to the socket that the manager named: sd_notify(3). Without
/// such a manager it says nothing. A datagram that cannot be sent is dropped: the node's promises do not rest on who watches it. Any thread.
/// </summary>
/// <remarks>https://www.freedesktop.org/software/systemd/man/sd_notify.html, "Notes", has the protocol.</remarks>
internal sealed class ServiceNotifier : IDisposable
{
    private readonly UnixDomainSocketEndPoint? _manager;
    private readonly Socket? _socket;
    private readonly TimeProvider _time;

    private ServiceNotifier(UnixDomainSocketEndPoint? manager, TimeSpan? watchdogPeriod, TimeProvider time)
    {
        _manager = manager;
        _time = time;
        WatchdogPeriod = watchdogPeriod;
        if (manager is not null) _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
    }

    /// <summary>For a process that nobody manages.</summary>
    public static ServiceNotifier None { get; } = new(null, null, TimeProvider.System);

    /// <summary>Half of the time after which the manager takes the process for hung; null when it does not watch.</summary>
    public TimeSpan? WatchdogPeriod { get; }

    /// <param name="environment">NOTIFY_SOCKET: a path, or an abstract name after '@'. WATCHDOG_USEC: µs; WATCHDOG_PID: whom that is meant for.</param>
    /// <param name="processId">This process: what is meant for another is not heeded.</param>
    /// <param name="time">Spaces the watchdog's signs of life.</param>
    public static ServiceNotifier Of(IReadOnlyDictionary<string, string> environment, int processId, TimeProvider time)
    {
        if (!environment.TryGetValue("NOTIFY_SOCKET", out var name) || name.Length < 2 || name[0] is not ('/' or '@')) return None;
        try
        {
            // An abstract name has a zero byte where the variable has its '@': unix(7).
            var manager = new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name);
            return new ServiceNotifier(manager, PeriodOf(environment, processId), time);
        }
        catch (Exception e) when (e is ArgumentException or SocketException)
        {
            return None; // a name longer than the kernel's 108 bytes
        }
    }

    /// <summary>The node takes connections.</summary>
    public void Ready() => Tell("READY=1\nSTATUS=ready");

    /// <summary>The node ends in good order.</summary>
    public void Stopping(string why) => Tell($"STOPPING=1\nSTATUS={OneLine(why)}");

    /// <summary>What <c>systemctl status</c> shows.</summary>
    public void Status(string text) => Tell($"STATUS={OneLine(text)}");

    /// <summary>Gives signs of life for as long as there is life, until cancelled; does nothing when the manager does not watch.</summary>
    /// <param name="alive">False: none is given, and the manager ends the process when its time is over.</param>
    /// <param name="cancel">Ends it; it does not throw.</param>
    public async Task GiveSignsOfLifeAsync(Func<bool> alive, CancellationToken cancel)
    {
        if (WatchdogPeriod is not { } period) return;
        using var timer = new PeriodicTimer(period, _time);
        try
        {
            do
            {
                if (alive()) Tell("WATCHDOG=1");
            }
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException)
        {
            // The node has ended.
        }
    }

    public void Dispose() => _socket?.Dispose();

    private static TimeSpan? PeriodOf(IReadOnlyDictionary<string, string> environment, int processId)
    {
        if (environment.TryGetValue("WATCHDOG_PID", out var text) && text != processId.ToString(CultureInfo.InvariantCulture)) return null;
        if (!environment.TryGetValue("WATCHDOG_USEC", out text)) return null;
        // Below a few milliseconds nobody means it, and a timer cannot keep it.
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var micros) && micros is >= 2000 and < 1L << 50
            ? TimeSpan.FromMicroseconds(micros / 2) : null;
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");

    private void Tell(string state)
    {
        if (_socket is null || _manager is null) return;
        try
        {
            _socket.SendTo(Encoding.UTF8.GetBytes(state), _manager);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Nobody listens, or its buffer is full.
        }
    }
}
