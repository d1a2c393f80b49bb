using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Spectre.Console;

namespace Gateway.Ctl.Replay;

/// <summary>Shows how far a replay is: a bar on a terminal, otherwise a line a second while something happens, on the error stream.</summary>
internal static class ReplayProgress
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public static async Task ShowAsync(Task work, ReplayTracker tracker, long lines, CtlEnvironment environment, bool quiet)
    {
        if (!quiet && ReferenceEquals(environment.Errors, Console.Error) && !Console.IsErrorRedirected) await BarAsync(work, tracker, lines, environment);
        else await LinesAsync(work, tracker, lines, environment, quiet);
        await work;
    }

    private static Task BarAsync(Task work, ReplayTracker tracker, long lines, CtlEnvironment environment)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(environment.Errors) });
        return console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var total = Math.Max(lines, 1);
                var (sent, accepted, delivered) =
                    (context.AddTask("sent", maxValue: total), context.AddTask("accepted ✓", maxValue: total), context.AddTask("delivered ✓✓", maxValue: total));
                bool ended;
                do
                {
                    ended = await EndsAsync(work, environment.Time);
                    var counts = tracker.Counts;
                    (sent.Value, accepted.Value, delivered.Value) = (counts.Sent, counts.Accepted, counts.Delivered + counts.Failed);
                }
                while (!ended);
            });
    }

    private static async Task LinesAsync(Task work, ReplayTracker tracker, long lines, CtlEnvironment environment, bool quiet)
    {
        var shown = new ReplayCounts(-1, 0, 0, 0, 0);
        var shownAt = environment.Time.GetTimestamp();
        bool ended;
        do
        {
            ended = await EndsAsync(work, environment.Time);
            var counts = tracker.Counts;
            var due = ended || environment.Time.GetElapsedTime(shownAt) >= Every;
            if (quiet || counts == shown || !due) continue;
            shown = counts;
            shownAt = environment.Time.GetTimestamp();
            var done = 100 * (counts.Delivered + counts.Failed) / Math.Max(lines, 1);
            await environment.Errors.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture, $"{done,3} %: of {lines} lines {counts.Sent} sent, {counts.Accepted} accepted, {counts.Delivered} delivered"));
        }
        while (!ended);
    }

    [SuppressMessage("Design", "CA1031", Justification = "The caller awaits the work itself; here only its end matters.")]
    private static async Task<bool> EndsAsync(Task work, TimeProvider time)
    {
        try
        {
            await work.WaitAsync(Refresh, time);
        }
        catch (Exception)
        {
            return work.IsCompleted;
        }

        return true;
    }
}
