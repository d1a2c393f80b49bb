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
    private const double BarBytes = 256;

    private readonly TemporaryFolder _folder = new();
    private readonly ITestOutputHelper _output;

    public IdleMemoryTests(ITestOutputHelper output) => _output = output;

    public void Dispose() => _folder.Dispose();

    [Fact(Skip = "the bar of 256 B is missed: 319 B a connection; ROADMAP.md, \"Known gaps\"")]
    public async Task The_slope_over_5_10_and_15_thousand_connections_is_at_most_256_bytes()
    {
        // A log memory of 8 MiB is in use to its last page after the warm-up; with the default it would still be growing into its 128 MiB.
        await using var node = new NodeProcess(_folder.File("data"), "--reactors", "2", "--log-memory", "8MiB", "--idle-timeout", "1h");
        await node.StartAsync();
        await LoadProcess.RunAsync(node, "relay", "--pairs", "100", "--messages", $"{WarmMessages}", "--first-address", "9000000");
        await LoadProcess.RunAsync(node, "connect", "--connections", $"{Step}", "--exchange", "1", "--hold", "1s", "--first-address", "8000000");

        var points = new List<(double Connections, double Bytes)>();
        var loads = new List<ChildProgram>();
        try
        {
            for (var i = 1; i <= Steps; i++)
            {
                loads.Add(LoadProcess.Start(node, "connect", "--connections", $"{Step}", "--exchange", "1", "--hold", "10m",
                    "--first-address", $"{1_000_000 + i * Step}", "--first-source", $"127.0.{i}.1"));
                await ComesToRest(node, loads[^1]);
                var bytes = UserMemoryBytes(node.Program.Id);
                points.Add((i * Step, bytes));
                _output.WriteLine($"{i * Step,6} connections: {bytes / 1024:F0} KiB");
            }

            // All are in, and every message has its double check.
            var sessions = (await node.AskAsync("/ops/counters")).GetProperty("reactors").EnumerateArray().Sum(r => r.GetProperty("sessions").GetInt64());
            var ledger = await node.AskAsync("/ops/ledger");
            Assert.Equal(Steps * Step, sessions);
            Assert.Equal(WarmMessages + (1 + Steps) * Step, ledger.GetProperty("delivered").GetInt64());
            Assert.Equal(0, ledger.GetProperty("receipts").GetProperty("pending").GetInt64());
        }
        finally
        {
            foreach (var load in loads) await load.DisposeAsync();
        }

        var slope = Slope(points);
        _output.WriteLine($"{slope:F0} B a connection");
        Assert.True(slope <= BarBytes, $"an idle connection costs {slope:F0} B of user memory");
    }

    /// <summary>
    /// Waits until the node has nothing left to do, without asking it anything: a question's answer would be garbage in what is measured.
    /// </summary>
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

    /// <summary>PSS and swap of the process: slabs, heaps and stacks, but not what the kernel keeps for its sockets.</summary>
    private static long UserMemoryBytes(int pid)
    {
        long kib = 0;
        foreach (var line in File.ReadLines($"/proc/{pid}/smaps_rollup"))
        {
            if (line.StartsWith("Pss:", StringComparison.Ordinal) || line.StartsWith("SwapPss:", StringComparison.Ordinal))
                kib += long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }

        return kib * 1024;
    }

    /// <summary>By least squares.</summary>
    private static double Slope(List<(double X, double Y)> points)
    {
        var x = points.Average(p => p.X);
        var y = points.Average(p => p.Y);
        return points.Sum(p => (p.X - x) * (p.Y - y)) / points.Sum(p => (p.X - x) * (p.X - x));
    }
}
