using System.Globalization;

namespace Gateway.Load.Measure;

/// <summary>How many descriptors this process may open: the soft limit, which .NET has raised to the hard one.</summary>
internal static class DescriptorLimit
{
    /// <summary>For the runtime, its assemblies, the pollers and the reports.</summary>
    private const int KeptBack = 256;

    public static int ForConnections()
    {
        foreach (var line in File.ReadLines("/proc/self/limits"))
        {
            if (!line.StartsWith("Max open files", StringComparison.Ordinal)) continue;
            var soft = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];
            return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? Math.Max(1, limit - KeptBack) : int.MaxValue;
        }

        return int.MaxValue;
    }
}
