using System.Diagnostics;
using System.Globalization;

namespace Gateway.Simulation;

/// <summary>
/// The command: a long sweep with its progress, or one run with its history. Exit status 0 when everything was kept and every cell of the coverage
/// table was met, 1 when a promise was broken, 2 when it was called wrongly, 3 when a cell stayed empty.
/// </summary>
public static class SweepCommand
{
    private const string Usage = """
        Gateway.Simulation --seeds N [--first N] [--threads N] [--until-failures N] [--brief]    run N seeds
        Gateway.Simulation --seed N [--verbose]                                        run one, and tell what happened
        """;

    private static readonly TimeSpan ProgressEvery = TimeSpan.FromSeconds(5);

    public static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(error);
        var options = new Dictionary<string, int>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var name = arguments[i];
            if (name is "--verbose" or "--brief")
            {
                options[name] = 1;
            }
            else if (name is "--seeds" or "--first" or "--threads" or "--seed" or "--until-failures" && i + 1 < arguments.Count
                && int.TryParse(arguments[++i], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            {
                options[name] = value;
            }
            else
            {
                error.WriteLine(Usage);
                return 2;
            }
        }

        if (options.TryGetValue("--seed", out var seed)) return RunOne(seed, options.ContainsKey("--verbose"), output);
        if (options.TryGetValue("--seeds", out var seeds) && seeds > 0)
            return RunMany(options.GetValueOrDefault("--first", 1), seeds, Math.Max(1, options.GetValueOrDefault("--threads", 2)), options, output);
        error.WriteLine(Usage);
        return 2;
    }

    private static int RunOne(int seed, bool verbose, TextWriter output)
    {
        var plan = RunPlan.Draw(seed);
        var verdict = Verdict.Of(plan, keepsWords: verbose);
        foreach (var line in verdict.Run.History.Lines) output.WriteLine(line);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"seed {seed}: {verdict.Run.Events} events, {verdict.Run.Messages} messages, history {verdict.Run.History.Hash:x16}: {verdict.Broken ?? "every promise kept"}"));
        if (verdict.Broken is null) return 0;
        output.WriteLine(Shortening.Explain(plan, verdict.Broken));
        return 1;
    }

    private static int RunMany(int first, int seeds, int threads, Dictionary<string, int> options, TextWriter output)
    {
        var maxFailures = options.GetValueOrDefault("--until-failures", 5);
        // Each at once: who interrupts a sweep of an hour keeps what it found.
        var sweep = new Sweep(first, seeds, (failed, broken) => output.WriteLine($"seed {failed}: {broken}"));
        var clock = Stopwatch.StartNew();
        using (new Timer(_ => Tell(sweep, seeds, clock.Elapsed, output), null, ProgressEvery, ProgressEvery)) sweep.Run(threads, maxFailures);
        Tell(sweep, seeds, clock.Elapsed, output);
        output.WriteLine(sweep.Coverage);
        var empty = sweep.Coverage.Empty.ToList();
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"seeds {first} to {first + sweep.Done - 1}: {sweep.Events} events (median run {sweep.MedianEvents}), {sweep.Messages} messages, {sweep.Ahead} double checks ahead of their commit ({sweep.LostAhead} lost in a crash), {sweep.Failures.Count} broken, {empty.Count} empty cells"));
        if (sweep.Failures.Count != 0)
        {
            if (!options.ContainsKey("--brief")) output.WriteLine(Shortening.Explain(RunPlan.Draw(sweep.Failures[0].Seed), sweep.Failures[0].Broken));
            return 1;
        }

        foreach (var (fault, state) in empty) output.WriteLine($"empty: {fault} × {state}");
        return empty.Count == 0 ? 0 : 3;
    }

    private static void Tell(Sweep sweep, int seeds, TimeSpan elapsed, TextWriter output)
    {
        var done = sweep.Done;
        var rate = done / Math.Max(0.001, elapsed.TotalSeconds);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{done} of {seeds} seeds, {rate:0} a second, {TimeSpan.FromSeconds(rate == 0 ? 0 : (seeds - done) / rate):hh\\:mm\\:ss} to go, {sweep.Failures.Count} broken"));
    }
}
