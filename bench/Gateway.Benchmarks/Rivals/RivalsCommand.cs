using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Ladder;

namespace Gateway.Benchmarks.Rivals;

/// <summary><c>rivals</c>: installs the rivals if they are missing, measures, and writes the report. Exit code 0 when every measurement added up.</summary>
internal static class RivalsCommand
{
    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "of interleaved measurements", HelpName = "N", DefaultValueFactory = _ => 3 };
        rounds.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 100) r.AddError("--rounds: from 1 to 100");
        });
        var time = LadderCommand.Duration("--time", "of one measurement", TimeSpan.FromSeconds(5));
        var warmup = LadderCommand.Duration("--warmup", "before each, under its load", TimeSpan.FromSeconds(2));
        var idle = new Option<int[]>("--idle")
        {
            Description = "numbers of idle connections, even and rising, with commas between them",
            HelpName = "N,...",
            DefaultValueFactory = _ => [2000, 4000, 8000],
            CustomParser = r =>
            {
                var sizes = r.Tokens[0].Value.Split(',').Select(s => int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0).ToArray();
                if (sizes.Length < 2 || sizes.Any(s => s is < 2 or > 9000 || s % 2 != 0) || !sizes.SequenceEqual(sizes.Distinct().Order()))
                    r.AddError("--idle: at least two even numbers from 2 to 9000, rising, as in 2000,4000,8000");
                return sizes;
            },
        };
        var rest = LadderCommand.Duration("--rest", "of idle connections before the server's memory is read", TimeSpan.FromSeconds(3));
        var data = new Option<string?>("--data") { Description = "a folder on a real disk for the servers' data; data/rivals of the source tree otherwise", HelpName = "FOLDER" };
        var report = new Option<string?>("--report") { Description = "Markdown; the samples go beside it as JSON. perf-reports/DATE-rivals.md otherwise", HelpName = "FILE" };
        var command = new Command("rivals", "Measure the gateway beside ejabberd and mosquitto, and report.") { rounds, time, warmup, idle, rest, data, report };
        command.SetAction(async (parse, stop) =>
        {
            var date = TimeProvider.System.GetLocalNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
            var settings = new RivalsSettings(
                parse.GetValue(rounds), parse.GetValue(time), parse.GetValue(warmup), [.. Load.All.Where(l => !l.IsEcho)], parse.GetValue(idle)!, parse.GetValue(rest),
                Path.Combine(Path.GetFullPath(parse.GetValue(data) ?? Path.Combine(LadderPaths.Root, "data", "rivals")), $"run-{Environment.ProcessId}"));
            var path = Path.GetFullPath(parse.GetValue(report) ?? Path.Combine(LadderPaths.Root, "perf-reports", $"{date}-rivals.md"));
            try
            {
                return await RunAsync(settings, date, path, LadderCommand.CommandOf(parse), stop);
            }
            catch (LadderException e)
            {
                await Console.Error.WriteLineAsync($"rivals: {e.Message}");
                return 1;
            }
            catch (OperationCanceledException)
            {
                return 130;
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(RivalsSettings settings, string date, string path, string command, CancellationToken stop)
    {
        await InstallAsync(stop);
        var query = new ProcessStartInfo("dpkg-query", ["-W", "-f", "${Package} ${Version}; ", "ejabberd", "mosquitto"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var (versions, _) = await LoadEnd.RunAsync(query, stop);
        Directory.CreateDirectory(settings.DataFolder);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try
        {
            var machine = Machine.Look(settings.DataFolder);
            if (machine.Disk is "tmpfs" or "ramfs") throw new LadderException($"--data: {settings.DataFolder} is on {machine.Disk}, where fdatasync costs nothing");
            var (loadBefore, cpuBefore) = (Machine.LoadAverage(), CpuClock.Now());
            var (samples, idle) = await new RivalsRun(settings, Console.Out).RunAsync(stop);
            var facts = new RivalsFacts(
                date, command, machine, versions.TrimEnd(' ', ';'), settings, loadBefore, Machine.LoadAverage(), CpuClock.Now().Stolen - cpuBefore.Stolen);
            await File.WriteAllTextAsync(path, RivalsReport.MarkdownOf(facts, samples, idle), CancellationToken.None);
            await File.WriteAllTextAsync(Path.ChangeExtension(path, ".json"), RivalsReport.JsonOf(facts, samples, idle), CancellationToken.None);
            Console.WriteLine($"report: {path}");
            return samples.All(s => s.Of.AddsUp) && idle.All(s => s.AddsUp) ? 0 : 1;
        }
        finally
        {
            Directory.Delete(settings.DataFolder, recursive: true);
        }
    }

    private static async Task InstallAsync(CancellationToken stop)
    {
        using var install = Process.Start(Path.Combine(LadderPaths.Root, "bench", "rivals", "install.sh"));
        await install.WaitForExitAsync(stop);
        if (install.ExitCode != 0) throw new LadderException("bench/rivals/install.sh failed; what it said stands above");
    }
}
