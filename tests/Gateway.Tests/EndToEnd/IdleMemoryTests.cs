using System.Globalization;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>What an idle authenticated connection costs a node in user memory, after it has exchanged a message.</summary>
public sealed class IdleMemoryTests : IDisposable
{
    private const int Step = 5_000;
    private const int Steps = 3;
    private const int WarmMessages = 100_000;
    private const int WarmLogins = 4;
    private const int Nodes = 3;
    private const double BarBytes = 256;

    private readonly TemporaryFolder _folder = new();
    private readonly ITestOutputHelper _output;

    public IdleMemoryTests(ITestOutputHelper output) => _output = output;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task The_slope_over_5_10_and_15_thousand_connections_is_at_most_256_bytes(int reactors)
    {
        // What a connection costs, each node shows. A step of one to two megabytes, as when the collector takes another region of its heap or the
        // machine stands still and everything comes at once, is 100 to 200 B a connection in one slope and not in the next.
        var least = double.MaxValue;
        for (var node = 1; node <= Nodes && least > BarBytes; node++) least = Math.Min(least, await SlopeOfNode(reactors, _folder.File($"data{node}")));
        Assert.True(least <= BarBytes, $"an idle connection costs {least:F0} B of user memory");
    }

    private async Task<double> SlopeOfNode(int reactors, string data)
    {
        // A log memory of 8 MiB is in use to its last page after the warm-up; with the default it would still be growing into its 128 MiB.
        await using var node = new NodeProcess(data,
            "--reactors", reactors.ToString(CultureInfo.InvariantCulture), "--log-memory", "8MiB", "--idle-timeout", "1h",
            "--login-rate", "1000000", "--login-burst", "1000000");
        await node.StartAsync();
        // What is kept for reuse follows the largest burst. Here as many devices as a step has are all at work at once, with several messages each,
        // so that no later burst is larger, and enough is collected that the collector has touched what it keeps for the young. The logins measured
        // come at a rate, whatever else the machine is doing.
        await LoadProcess.RunAsync(node, "relay", "--pairs", $"{Step / 2}", "--messages", $"{WarmMessages}", "--first-address", "9000000");
        for (var i = 0; i < WarmLogins; i++)
            await LoadProcess.RunAsync(node, "connect", "--connections", $"{Step}", "--exchange", "1", "--hold", "1s", "--first-address", "8000000");

        await Collect(node);
        var points = new List<(double Connections, double Bytes)>();
        var shares = new List<(double Connections, double Bytes)>();
        var loads = new List<ChildProgram>();
        try
        {
            for (var i = 1; i <= Steps; i++)
            {
                loads.Add(LoadProcess.Start(node, "connect", "--connections", $"{Step}", "--rate", "2500", "--exchange", "1", "--hold", "10m",
                    "--first-address", $"{1_000_000 + i * Step}", "--first-source", $"127.0.{i}.1"));
                await ComesToRest(node, loads[^1]);
                await Collect(node);
                var memory = UserMemory.Of(node.Program.Id);
                points.Add((i * Step, memory.Bytes));
                shares.Add((i * Step, memory.ShareBytes));
                _output.WriteLine($"{i * Step,6} connections: {memory.Bytes >> 10} KiB resident or swapped, PSS + swap {memory.ShareBytes >> 10} KiB");
            }

            // All are in, and every message has its double check.
            var sessions = (await node.AskAsync("/ops/counters")).GetProperty("reactors").EnumerateArray().Sum(r => r.GetProperty("sessions").GetInt64());
            var ledger = await node.AskAsync("/ops/ledger");
            Assert.Equal(Steps * Step, sessions);
            Assert.Equal(WarmMessages + (WarmLogins + Steps) * Step, ledger.GetProperty("delivered").GetInt64());
            Assert.Equal(0, ledger.GetProperty("receipts").GetProperty("pending").GetInt64());
        }
        finally
        {
            foreach (var load in loads) await load.DisposeAsync();
        }

        var slope = Slope(points);
        _output.WriteLine($"{slope:F0} B a connection (by PSS + swap {Slope(shares):F0} B)");
        return slope;
    }

    /// <summary>Garbage is not what a connection costs. Twice: the first collection moves what the second can give back.</summary>
    private static async Task Collect(NodeProcess node)
    {
        for (var i = 0; i < 2; i++) await node.PostAsync("/ops/gc");
    }

    /// <summary>Waits until the node has nothing left to do.</summary>
    private static async Task ComesToRest(NodeProcess node, ChildProgram load)
    {
        var deadline = DateTime.UtcNow.AddMinutes(2);
        var quiet = 0;
        for (var before = -1L; quiet < 3;)
        {
            Assert.False(load.HasExited, $"the load ended early\n{load.Output}\n{load.Errors}");
            Assert.True(DateTime.UtcNow < deadline, "the node does not come to rest");
            await Task.Delay(1000);
            var now = ProcessorTicks(node.Program.Id);
            quiet = now - before <= 2 ? quiet + 1 : 0;
            before = now;
        }
    }

    private static long ProcessorTicks(int pid)
    {
        var fields = File.ReadAllText($"/proc/{pid}/stat").Split(')')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// What a process holds of the machine's memory, in bytes, but not what the kernel keeps for its sockets: slabs, heaps, stacks, programs.
    /// </summary>
    /// <param name="Bytes">
    /// Everything resident or swapped, in full. Never less than PSS and swap, and what is measured: PSS counts a page of a library as a share, which
    /// falls whenever another .NET program starts (each load here takes 1 to 2 MB off it, 200 B a connection) and rises when one ends.
    /// </param>
    /// <param name="ShareBytes">PSS and swap.</param>
    private readonly record struct UserMemory(long Bytes, long ShareBytes)
    {
        public static UserMemory Of(int pid)
        {
            var lines = File.ReadAllLines($"/proc/{pid}/smaps_rollup");
            long Field(string name) => 1024 * long.Parse(
                lines.First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            return new UserMemory(Field("Rss:") + Field("Swap:"), Field("Pss:") + Field("SwapPss:"));
        }
    }

    /// <summary>By least squares.</summary>
    private static double Slope(List<(double X, double Y)> points)
    {
        var x = points.Average(p => p.X);
        var y = points.Average(p => p.Y);
        return points.Sum(p => (p.X - x) * (p.Y - y)) / points.Sum(p => (p.X - x) * (p.X - x));
    }
}
