using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Ctl.Texts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gateway.Ctl.Top;

/// <summary>What a live view needs of its terminal.</summary>
/// <param name="Size">Columns and lines, as they are now.</param>
/// <param name="Key">The next key pressed, null when there is none.</param>
/// <param name="Output">Takes what is drawn.</param>
/// <param name="WithColours">Otherwise shapes and words alone.</param>
internal sealed record TopTerminal(Func<(int Columns, int Lines)> Size, Func<ConsoleKeyInfo?> Key, TextWriter Output, bool WithColours)
{
    public static TopTerminal OfThisProcess(CtlEnvironment environment) => new(
        () => (Math.Max(Console.WindowWidth, 40), Math.Max(Console.WindowHeight, 10)),
        () => Console.KeyAvailable ? Console.ReadKey(intercept: true) : null,
        environment.Output,
        string.IsNullOrEmpty(environment.Variables("NO_COLOR")) && environment.Variables("TERM") is not (null or "" or "dumb"));
}

/// <summary>
/// The live view: asks the node again and again and draws each answer over the one before, in one write and without clearing in between, on the alternate
/// screen. A node that goes away is said to be away, with what was last known of it, and is waited for. One thread at a time.
/// </summary>
/// <param name="ask">GET /status; a <see cref="CtlException"/> when the node does not answer.</param>
/// <param name="node">As the title names it.</param>
/// <param name="interval">Between two questions.</param>
/// <param name="terminal">Drawn on.</param>
/// <param name="time">For waits and graphs.</param>
internal sealed class TopScreen(Func<CancellationToken, Task<JsonNode>> ask, string node, TimeSpan interval, TopTerminal terminal, TimeProvider time)
{
    private static readonly TimeSpan KeyTick = TimeSpan.FromMilliseconds(50);

    private readonly DepthHistory _history = new();
    private readonly long _startedAt = time.GetTimestamp();
    private TopView _view = new(QueueOrder.Worst, false, true);
    private bool _paused;
    private JsonNode? _status;
    private TimeSpan _statusAt;
    private DateTimeOffset? _lastAnswer;
    private string? _failure;

    /// <summary>Until the person leaves (q, Escape, Ctrl-C) or <paramref name="cancel"/>.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        terminal.Output.Write("\e[?1049h\e[?25l");
        try
        {
            var asking = AskAsync(cancel);
            var (askedAt, isDrawn) = (Now, false);
            while (!cancel.IsCancellationRequested)
            {
                if (asking.IsCompleted && isDrawn && Now - askedAt >= interval && !_paused) (asking, askedAt, isDrawn) = (AskAsync(cancel), Now, false);
                var redraw = false;
                for (var key = terminal.Key(); key is not null; key = terminal.Key())
                {
                    if (Leaves(key.Value)) return;
                    redraw |= Press(char.ToLowerInvariant(key.Value.KeyChar));
                }

                // An answer is drawn once, and whatever is there again after a key.
                var isAnswered = asking.IsCompleted;
                if (redraw || (isAnswered && !isDrawn)) Draw();
                isDrawn = isAnswered;
                var tick = Task.Delay(KeyTick, time, CancellationToken.None);
                await (isDrawn ? tick : Task.WhenAny(asking, tick));
            }

            await asking;
        }
        finally
        {
            terminal.Output.Write("\e[?25h\e[?1049l");
            await terminal.Output.FlushAsync(CancellationToken.None);
        }
    }

    private TimeSpan Now => time.GetElapsedTime(_startedAt);

    private async Task AskAsync(CancellationToken cancel)
    {
        try
        {
            _status = await ask(cancel);
            _statusAt = Now;
            _lastAnswer = time.GetUtcNow();
            _failure = null;
            _history.Note(_status, _statusAt);
        }
        catch (CtlException e) when (e.ExitCode == ExitCode.Unreachable)
        {
            _failure = e.Message;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The view ends.
        }
    }

    private static bool Leaves(ConsoleKeyInfo key) =>
        key.Key == ConsoleKey.Escape || char.ToLowerInvariant(key.KeyChar) == 'q' || (key.Modifiers.HasFlag(ConsoleModifiers.Control) && key.Key is ConsoleKey.C or ConsoleKey.D);

    private bool Press(char key)
    {
        switch (key)
        {
            case 's':
                _view = _view with { Order = (QueueOrder)(((int)_view.Order + 1) % Enum.GetValues<QueueOrder>().Length) };
                return true;
            case 'r':
                _view = _view with { ByReactor = !_view.ByReactor };
                return true;
            case 'e':
                _view = _view with { WithEmpty = !_view.WithEmpty };
                return true;
            case 'p':
                _paused = !_paused;
                return true;
            default:
                return false;
        }
    }

    private void Draw()
    {
        var (columns, lines) = terminal.Size();
        var frame = new List<IRenderable> { TopFrame.Line("bold", Title(), columns) };
        if (_failure is not null) frame.Add(TopFrame.Line("bold red", $"▲ no data{(_lastAnswer is { } last ? $" since {Clock(last)}" : "")}: {_failure}", columns));
        var keys = TopFrame.Line("grey", $"q quit  s order: {_view.Order.ToString().ToLowerInvariant()}  r {(_view.ByReactor ? "all reactors" : "by reactor")}"
            + $"  e {(_view.WithEmpty ? "hide" : "show")} empty  p {(_paused ? "go on" : "pause")}", columns);
        if (_status is not null)
        {
            frame.AddRange(TopFrame.Of(
                _status, _view, columns, lines - frame.Count - 1, (queue, width) => Sparkline.Of(_history.Of(queue, width, _statusAt)), _lastAnswer!.Value));
        }

        frame.Add(keys);
        terminal.Output.Write(Over(frame, columns, lines));
        terminal.Output.Flush();
    }

    private string Title()
    {
        if (_status is null) return $"gateway at {node}";
        var uptime = Figures.Time(Math.Floor((double)_status["uptimeSeconds"]!));
        return $"gateway at {node}, {_status["state"]}, up {uptime}, {Clock(_lastAnswer!.Value)}{(_paused ? ", PAUSED" : "")}";
    }

    private static string Clock(DateTimeOffset moment) => moment.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>The lines, each to its end, and nothing left of what was below: drawn over the frame before it, so that nothing is ever blank.</summary>
    private string Over(IReadOnlyList<IRenderable> frame, int columns, int lines)
    {
        var rows = FrameText.Render(frame, columns, terminal.WithColours).ToList();
        // The keys stay at the bottom of a terminal that is too small for the rest.
        if (rows.Count > lines) rows.RemoveRange(lines - 1, rows.Count - lines);
        var screen = new StringBuilder("\e[?2026h\e[H");
        screen.AppendJoin("\r\n", rows.Select(row => row + "\e[0m\e[K"));
        return screen.Append("\e[J\e[?2026l").ToString();
    }
}
