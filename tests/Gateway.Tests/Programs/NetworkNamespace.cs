using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Gateway.Tests.Programs;

/// <summary>
/// A network of its own for a test's devices, joined to this one by a pair of virtual interfaces, whose way back can be cut: nothing that the
/// far end says arrives any more, and nobody is told. That is a half-open connection, which loopback cannot have. Takes root and the program ip.
/// </summary>
internal sealed class NetworkNamespace : IDisposable
{
    private const int CloneNewNet = 0x4000_0000;

    private static int _made;

    private readonly string _name;

    private NetworkNamespace(string name, IPAddress near, IPAddress far)
    {
        _name = name;
        Near = near;
        Far = far;
    }

    /// <summary>Null where namespaces can be made; otherwise why not.</summary>
    public static string? Missing { get; } = WhyNot();

    /// <summary>Where a node listens for those inside.</summary>
    public IPAddress Near { get; }

    /// <summary>The address of those inside.</summary>
    public IPAddress Far { get; }

    public static NetworkNamespace Create()
    {
        for (var tries = 0; ; tries++)
        {
            // Blocks of four addresses in the range for benchmarks (RFC 2544); another test run may have taken one.
            var ordinal = (Environment.ProcessId * 61 + Interlocked.Increment(ref _made)) % 32_000;
            var name = string.Create(CultureInfo.InvariantCulture, $"gw{ordinal}");
            var error = TryMake(name, ordinal, out var made);
            if (error is null) return made!;
            if (tries == 20) throw new InvalidOperationException(error);
        }
    }

    /// <summary>A blocking socket of the far end, connected.</summary>
    public Socket Connect(IPEndPoint server)
    {
        Socket? socket = null;
        Exception? failure = null;
        // A thread is in one namespace, a socket for good in the one of the thread that made it. The thread ends here.
        var thread = new Thread(() =>
        {
            try
            {
                using var handle = File.OpenHandle($"/run/netns/{_name}");
                if (SetNamespace((int)handle.DangerousGetHandle(), CloneNewNet) != 0)
                    throw new InvalidOperationException($"setns: {Marshal.GetLastPInvokeErrorMessage()}");
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 60_000, SendTimeout = 60_000 };
                socket.Connect(server);
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? socket! : throw new InvalidOperationException($"No connection from {_name} to {server}.", failure);
    }

    /// <summary>From now on nothing that the far end sends arrives.</summary>
    public void Cut() => Run($"-n {_name} route add blackhole {Near}/32");

    /// <summary>Undoes <see cref="Cut"/>.</summary>
    public void Mend() => Run($"-n {_name} route del blackhole {Near}/32");

    public void Dispose() => Run($"netns del {_name}");

    private static string? TryMake(string name, int ordinal, out NetworkNamespace? made)
    {
        made = null;
        if (TryRun($"netns add {name}") is { } error) return error;
        var first = (198 << 24 | 18 << 16) + ordinal * 4;
        var near = new IPAddress(BitConverter.GetBytes(IPAddress.HostToNetworkOrder(first + 1)));
        var far = new IPAddress(BitConverter.GetBytes(IPAddress.HostToNetworkOrder(first + 2)));
        string[] steps =
        [
            $"link add {name}a type veth peer name {name}b netns {name}",
            $"addr add {near}/30 dev {name}a",
            $"link set {name}a up",
            $"-n {name} addr add {far}/30 dev {name}b",
            $"-n {name} link set {name}b up",
        ];
        foreach (var step in steps)
        {
            if (TryRun(step) is not { } failed) continue;
            TryRun($"netns del {name}");
            return failed;
        }

        made = new NetworkNamespace(name, near, far);
        return null;
    }

    private static string? WhyNot()
    {
        if (!Environment.IsPrivilegedProcess) return "network namespaces take root";
        try
        {
            var error = TryMake(string.Create(CultureInfo.InvariantCulture, $"gwprobe{Environment.ProcessId % 10_000}"), 32_001 + Environment.ProcessId % 700, out var probe);
            probe?.Dispose();
            return error is null ? null : $"network namespaces: {error}";
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return $"the program ip: {e.Message}";
        }
    }

    private static void Run(string arguments)
    {
        if (TryRun(arguments) is { } error) throw new InvalidOperationException(error);
    }

    /// <summary>Null, or what ip said.</summary>
    private static string? TryRun(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : $"ip {arguments}: {error.Trim()}";
    }

    [DllImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetNamespace(int descriptor, int type);
}
