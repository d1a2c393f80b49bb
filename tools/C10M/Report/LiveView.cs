using System.Globalization;

namespace Gateway.Load.Report;

/// <summary>
/// A run as it goes. On a terminal one block of lines that is written over each second; elsewhere one line every five seconds, so that a log
/// stays readable. Plain ANSI: cursor up, erase to the end.
/// </summary>
internal sealed class LiveView(TextWriter output, bool isTerminal, string title)
{
    private const double SecondsBetweenLines = 5;
    private int _lines;
    private double _lastLine = double.NegativeInfinity;

    public void Show(Moment m)
    {
        if (!isTerminal)
        {
            if (m.Seconds - _lastLine < SecondsBetweenLines) return;
            _lastLine = m.Seconds;
            output.WriteLine(Text($"{m.Seconds,6:0}s  {m.Phase,-9} {m.Open,9:N0} connections  {m.MessagesPerSecond,9:N0} messages/s  {Latency(m)}  {m.Errors} errors"));
            return;
        }

        Erase();
        Line($"{title}");
        Line(Text($"  {m.Phase}, {m.Seconds:0} s"));
        Line(Text($"  connections  {m.Open,12:N0}    logins/s    {m.LoginsPerSecond,10:N0}"));
        Line(Text($"  accepted     {m.Accepted,12:N0}    accepted/s  {m.AcceptedPerSecond,10:N0}"));
        Line(Text($"  double check {m.DoubleChecks,12:N0}    messages/s  {m.MessagesPerSecond,10:N0}    {Latency(m)}"));
        Line(Text($"  load         {m.LoadCores,12:0.00} cores  backlogged  {m.Backlogged,10:N0}    errors {m.Errors:N0}"));
        if (m.ServerCores is { } cores) Line(Text($"  server       {cores,12:0.00} cores  memory      {m.ServerMemoryBytes / 1048576.0,8:N1} MB"));
    }

    /// <summary>The run is over: what follows stands where the view stood.</summary>
    public void Erase()
    {
        if (_lines > 0) output.Write(Text($"\e[{_lines}F\e[J"));
        _lines = 0;
    }

    private void Line(string text)
    {
        output.WriteLine(text);
        _lines++;
    }

    private static string Latency(Moment m) => m.P50Us == 0 ? "" : Text($"p50 {m.P50Us / 1000.0:0.0} ms  p99 {m.P99Us / 1000.0:0.0} ms");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
