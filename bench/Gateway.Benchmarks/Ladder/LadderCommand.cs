using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace Gateway.Benchmarks.Ladder;

/// <summary><c>ladder</c>: builds the C rungs, measures, and writes the report. Exit code 0 when every measurement added up.</summary>
internal static class LadderCommand
{
    private static readonly TimeSpan LongestTime = TimeSpan.FromMinutes(10);

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "of interleaved measurements; a report wants at least 5", HelpName = "N", DefaultValueFactory = _ => 5 };
        rounds.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 100) r.AddError("--rounds: from 1 to 100");
        });
        var time = Duration("--time", "of one measurement", TimeSpan.FromSeconds(5));
        var warmup = Duration("--warmup", "before each, under its load", TimeSpan.FromSeconds(2));
        var only = new Option<string[]>("--only")
        {
            Description = "rungs and loads by name, with commas between them; of what is not named at all everything runs. Rungs: "
                + string.Join(", ", Rung.All.Select(r => r.Name)) + ". Loads: " + string.Join(", ", Load.All.Select(l => l.Name)),
            HelpName = "NAME,...",
            CustomParser = r => [.. r.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
            DefaultValueFactory = _ => [],
        };
        only.Validators.Add(r =>
        {
            foreach (var name in r.GetValueOrDefault<string[]>() ?? [])
            {
                if (Rung.All.All(x => x.Name != name) && Load.All.All(x => x.Name != name)) r.AddError($"--only: there is no rung or load {name}");
            }
        });
        var data = new Option<string?>("--data")
        {
            Description = "a folder on a real disk for the nodes' data; data/ladder of the source tree otherwise. What the ladder puts there it takes away again",
            HelpName = "FOLDER",
        };
        var report = new Option<string?>("--report")
        {
            Description = "Markdown; the samples go beside it as JSON. perf-reports/DATE-ladder.md otherwise",
            HelpName = "FILE",
        };
        var command = new Command("ladder", "Measure the gateway against C and against what a .NET user would write, and report.") { rounds, time, warmup, only, data, report };
        command.SetAction(async (parse, stop) =>
        {
            var chosen = parse.GetValue(only)!;
            var date = TimeProvider.System.GetLocalNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
            var settings = new LadderSettings(
                parse.GetValue(rounds), parse.GetValue(time), parse.GetValue(warmup), Choose(Rung.All, r => r.Name, chosen), Choose(Load.All, l => l.Name, chosen),
                Path.Combine(Path.GetFullPath(parse.GetValue(data) ?? Path.Combine(LadderPaths.Root, "data", "ladder")), $"run-{Environment.ProcessId}"));
            var path = Path.GetFullPath(parse.GetValue(report) ?? Path.Combine(LadderPaths.Root, "perf-reports", $"{date}-ladder.md"));
            try
            {
                return await RunAsync(settings, date, path, CommandOf(parse), stop);
            }
            catch (LadderException e)
            {
                await Console.Error.WriteLineAsync($"ladder: {e.Message}");
                return 1;
            }
            catch (OperationCanceledException)
            {
                return 130;
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(LadderSettings settings, string date, string path, string command, CancellationToken stop)
    {
        if (settings.Rungs.Any(r => r.Kind == RungKind.C)) await BuildAsync(stop);
        Directory.CreateDirectory(settings.DataFolder);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        IReadOnlyList<Sample> samples;
        ReportFacts facts;
        try
        {
            var machine = Machine.Look(settings.DataFolder);
            if (machine.Disk is "tmpfs" or "ramfs") throw new LadderException($"--data: {settings.DataFolder} is on {machine.Disk}, where fdatasync costs nothing");
            var (loadBefore, cpuBefore) = (Machine.LoadAverage(), CpuClock.Now());
            samples = await new LadderRun(settings, Console.Out).RunAsync(stop);
            facts = new ReportFacts(date, command, machine, settings, loadBefore, Machine.LoadAverage(), CpuClock.Now().Stolen - cpuBefore.Stolen);
        }
        finally
        {
            Directory.Delete(settings.DataFolder, recursive: true);
        }

        await File.WriteAllTextAsync(path, LadderReport.MarkdownOf(facts, samples), CancellationToken.None);
        await File.WriteAllTextAsync(Path.ChangeExtension(path, ".json"), LadderReport.JsonOf(facts, samples), CancellationToken.None);
        Console.WriteLine($"report: {path}");
        return samples.All(s => s.AddsUp) ? 0 : 1;
    }

    /// <summary>The C rungs; everything else was built with this program.</summary>
    private static async Task BuildAsync(CancellationToken stop)
    {
        using var build = Process.Start(new ProcessStartInfo("bash", [LadderPaths.BuildScript]) { RedirectStandardError = true })!;
        var errors = await build.StandardError.ReadToEndAsync(stop);
        await build.WaitForExitAsync(stop);
        if (build.ExitCode != 0) throw new LadderException(errors.Trim());
    }

    /// <summary>Those that are named, or all when none is.</summary>
    private static IReadOnlyList<T> Choose<T>(IReadOnlyList<T> all, Func<T, string> name, string[] chosen)
    {
        var named = all.Where(x => chosen.Contains(name(x))).ToList();
        return named.Count == 0 ? all : named;
    }

    /// <summary>The line that repeats the run; where it put things does not belong to it.</summary>
    internal static string CommandOf(ParseResult parse)
    {
        var words = parse.Tokens.Select(t => t.Value).ToList();
        foreach (var option in (ReadOnlySpan<string>)["--data", "--report"])
        {
            if (words.IndexOf(option) is >= 0 and var at) words.RemoveRange(at, Math.Min(2, words.Count - at));
        }

        return $"dotnet run -c {LadderPaths.Configuration} --project bench/Gateway.Benchmarks -- {string.Join(' ', words)}";
    }

    internal static Option<TimeSpan> Duration(string name, string description, TimeSpan otherwise) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        DefaultValueFactory = _ => otherwise,
        CustomParser = result =>
        {
            if (TryParse(result.Tokens[0].Value, out var time)) return time;
            result.AddError($"{name}: '{result.Tokens[0].Value}' is no duration from 100ms to {LongestTime.TotalSeconds:0}s, as in 500ms or 5s");
            return default;
        },
    };

    private static bool TryParse(string text, out TimeSpan time)
    {
        var isMillis = text.EndsWith("ms", StringComparison.Ordinal);
        var digits = isMillis ? text[..^2] : text.TrimEnd('s');
        time = default;
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        var seconds = isMillis ? number / 1000 : number;
        if (seconds < 0.1 || seconds > LongestTime.TotalSeconds) return false;
        time = TimeSpan.FromSeconds(seconds);
        return true;
    }
}
