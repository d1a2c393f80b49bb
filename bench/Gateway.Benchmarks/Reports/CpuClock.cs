using System.Globalization;

namespace Gateway.Benchmarks.Reports;

/// <summary>CPU time since boot, seconds over all cores (proc(5), /proc/stat), and of this process's ended children.</summary>
internal readonly record struct CpuClock(double Busy, double Stolen, double Children)
{
    /// <summary>USER_HZ: 100 on every Linux that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    public static CpuClock Now()
    {
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..8];
        var ticks = fields.Select(f => double.Parse(f, CultureInfo.InvariantCulture)).ToArray();
        // user nice system idle iowait irq softirq steal
        var stolen = double.Parse(File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[8], CultureInfo.InvariantCulture);
        var busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
        var self = StatOf("self");
        return new CpuClock(busy / TicksPerSecond, stolen / TicksPerSecond, (self[13] + self[14]) / TicksPerSecond);
    }

    /// <summary>User and system time of a process, seconds.</summary>
    public static double OfProcess(int id)
    {
        var stat = StatOf(id.ToString(CultureInfo.InvariantCulture));
        return (stat[11] + stat[12]) / TicksPerSecond;
    }

    /// <summary>The numbers of /proc/ID/stat behind the name and the state: [11] is field 14, utime.</summary>
    private static double[] StatOf(string id)
    {
        var text = File.ReadAllText($"/proc/{id}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return [.. fields.Select((f, i) => i == 0 ? 0 : double.Parse(f, CultureInfo.InvariantCulture))];
    }
}
