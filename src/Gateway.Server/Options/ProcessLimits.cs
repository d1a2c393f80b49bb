using System.Globalization;
using Gateway.Transport;

namespace Gateway.Server.Options;

/// <summary>What the kernel lets this process have.</summary>
/// <param name="OpenFiles">RLIMIT_NOFILE as it stands; the runtime raises the soft limit to the hard one when it starts.</param>
/// <param name="HasUring">The kernel lets this process use io_uring, with which connections are not files.</param>
internal readonly record struct ProcessLimits(long OpenFiles, bool HasUring = false)
{
    /// <summary>Descriptors kept for the log, HTTP, assemblies and whatever else the process opens.</summary>
    private const int Reserved = 512;

    /// <summary>Sockets that the process can hold.</summary>
    public int Connections => (int)Math.Clamp(OpenFiles - Reserved, 1, int.MaxValue);

    /// <summary>Reads proc(5), <c>/proc/self/limits</c>; where it cannot be read nothing is known to limit.</summary>
    public static ProcessLimits Read()
    {
        try
        {
            // "Max open files            1024                 524288               files"
            var line = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
            var soft = line["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
            return new ProcessLimits(soft == "unlimited" ? long.MaxValue : long.Parse(soft, CultureInfo.InvariantCulture), ReactorGroup.WhyNotUring() is null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or FormatException)
        {
            return new ProcessLimits(long.MaxValue);
        }
    }
}
