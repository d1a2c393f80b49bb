using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary>Authenticated connections of one node that do nothing, held by a C10M of their own. They end with this object.</summary>
internal sealed class Residents : IAsyncDisposable
{
    /// <summary>Devices of their own: no other load's reach comes so far.</summary>
    private const int FirstAddress = 500_000_000;

    /// <summary>Longer than any round.</summary>
    private const string HeldFor = "360m";
    private static readonly TimeSpan MoveLimit = TimeSpan.FromMinutes(10);

    private readonly Process _load;
    private readonly Task<string> _said;

    private Residents(Process load) => (_load, _said) = (load, load.StandardError.ReadToEndAsync());

    /// <exception cref="MeasuringException">They did not get in.</exception>
    public static async Task<Residents> MoveInAsync(RungServer server, int count, CancellationToken stop)
    {
        string[] arguments =
        [
            "connect", "--connections", Text(count), "--hold", HeldFor, "--target", "127.0.0.1:" + Text(server.Port),
            "--secret", server.SecretPath, "--first-address", Text(FirstAddress), "--first-source", "127.0.64.1", "--quiet",
        ];
        var start = new ProcessStartInfo(BenchPaths.LoadTool, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        var residents = new Residents(Process.Start(start)!);
        try
        {
            var clock = Stopwatch.StartNew();
            while (await SessionsAsync(server, stop) < count)
            {
                if (residents._load.HasExited) throw new MeasuringException($"{server.Rung.Name}: the load that holds its idle connections ended:\n{await residents._said}");
                if (clock.Elapsed > MoveLimit) throw new MeasuringException($"{server.Rung.Name}: its idle connections were not there within {MoveLimit}.");
                await Task.Delay(200, stop);
            }

            return residents;
        }
        catch
        {
            await residents.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_load.HasExited) _load.Kill();
        await _load.WaitForExitAsync();
        _load.Dispose();
    }

    private static async Task<long> SessionsAsync(RungServer server, CancellationToken stop) =>
        (await server.AskAsync("/ops/counters", stop))["reactors"]!.AsArray().Sum(r => (long)r!["sessions"]!);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
