using System.Globalization;
using System.Net;
using System.Text;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Report;

/// <summary>A run as one HTML file that needs neither network nor script.</summary>
internal static class HtmlReport
{
    private const string Blue = "#2563eb";
    private const string Orange = "#d97706";
    private const string Green = "#059669";

    private const string Style = """
        body{font:14px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#1f2937}
        h1{font-size:1.4em}h2{font-size:1.05em;margin-top:2em}svg{width:100%}svg text{font-size:11px;fill:#6b7280}
        .grid{stroke:#e5e7eb}.legend{font-size:12px;margin:0}table{border-collapse:collapse}td,th{padding:.15em 1.2em .15em 0;text-align:right}
        td:first-child,th:first-child{text-align:left}.good{color:#059669}.bad{color:#dc2626}pre{background:#f3f4f6;padding:1em;overflow:auto}
        """;

    public static string TextOf(LoadResult r, IReadOnlyList<Moment> moments)
    {
        var html = new StringBuilder();
        var s = r.Settings;
        Add($"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>C10M {r.Command}</title><style>{Style}</style>");
        Add($"<h1>C10M {r.Command}: {s.Devices:N0} devices</h1>");
        var verdict = r.Interrupted ? "interrupted" : r.AddsUp ? "everything adds up" : "does not add up";
        Add($"<p class=\"{(r.AddsUp && !r.Interrupted ? "good" : "bad")}\"><b>{verdict}</b></p>");
        Add($"<p>{s.Processes} process(es) of {s.Threads} reactor(s); seed {s.Seed}; {Escape(new MessageMix(s.Mix, s.SizeBytes, s.Seed).ToString())}; window {s.Window}.</p>");
        AddFigures();
        AddPhases();
        AddLatencies();
        AddCurve();
        AddCourse();
        if (r.ServerSamples.Count > 1) AddServer();
        Add($"<h2>All figures</h2><pre>{Escape(JsonReport.TextOf(r))}</pre></html>");
        return html.ToString();

        void Add(FormattableString text) => html.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');

        void AddFigures()
        {
            Add($"<h2>Figures</h2><table>");
            Row("connections", $"{r.Connections:N0}");
            Row("logins a second", $"{r.LoginsPerSecond:N0}");
            if (r.MessagesPerSecond is not null) Row("messages a second", $"{r.MessagesPerSecond:N0} ({r.MeasuredMessages:N0} in {r.MeasuredSeconds:0.00} s)");
            Row("accepted / delivered / double checks", $"{r.Totals[Counter.Accepted]:N0} / {r.Totals[Counter.Delivered]:N0} / {r.Totals[Counter.DoubleChecks]:N0}");
            Row("lost / twice / out of order", $"{r.Lost:N0} / {r.Totals[Counter.Duplicates]:N0} / {r.Totals[Counter.OutOfOrder]:N0}");
            if (r.ServerCpuUsPerMessage is { } cpu) Row("server CPU a message", $"{cpu:0.00} µs");
            if (r.ServerBytesPerConnection is { } bytes) Row("server memory a connection", $"{bytes:N0} bytes");
            foreach (var (kind, count) in r.Errors) Row($"error {Escape(kind)}", $"{count:N0}");
            Add($"</table>");
        }

        void Row(string name, FormattableString value) => Add($"<tr><td>{name}</td><td>{value.ToString(CultureInfo.InvariantCulture)}</td></tr>");

        void AddPhases()
        {
            if (r.Phases.Count == 0) return;
            Add($"<h2>Phases</h2><table><tr><th></th><th>s</th><th>connections</th><th>disconnects</th><th>errors</th><th>logins/s</th><th>login p99, ms</th><th>double checks</th><th>p50</th><th>p99</th><th>p99.9</th><th>worst p99 of 5 s</th><th>lost</th><th>twice</th><th>MB</th><th>bytes each</th></tr>");
            foreach (var p in r.Phases)
            {
                Add($"<tr><td>{p.Name}</td><td>{p.Seconds:0.0}</td><td>{p.Connections:N0}</td><td>{p.Disconnects:N0}</td><td>{p.Errors:N0}</td><td>{p.LoginsPerSecond:N0}</td><td>{p.LoginUs?.P99 / 1000.0:0.0}</td>");
                Add($"<td>{p.DoubleChecks:N0}</td><td>{p.LatencyUs?.P50 / 1000.0:0.000}</td><td>{p.LatencyUs?.P99 / 1000.0:0.000}</td><td>{p.LatencyUs?.P999 / 1000.0:0.000}</td><td>{p.WorstP99Us / 1000.0:0.000}</td>");
                Add($"<td>{p.Lost:N0}</td><td>{p.Duplicates:N0}</td><td>{p.ServerMemoryBytes / 1048576.0:N1}</td><td>{p.ServerBytesPerConnection:N0}</td></tr>");
            }

            Add($"</table>");
            foreach (var p in r.Phases)
            {
                if (p.P99EachFiveSecondsUs is not { Count: > 1 } windows) continue;
                Add($"<h2>p99 of each 5 s of {p.Name}</h2>");
                html.Append(SvgChart.Draw("seconds", " ms", true, [new Series("p99", Orange, [.. windows.Select((us, i) => (5.0 * (i + 1), us == 0 ? null : (double?)(us / 1000.0)))])]));
            }
        }

        void AddLatencies()
        {
            Add($"<h2>Latencies, ms</h2><table><tr><th></th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th><th>count</th></tr>");
            foreach (var (name, h) in Histograms(r.Totals))
                Add($"<tr><td>{name}</td><td>{Ms(h, 0.5)}</td><td>{Ms(h, 0.9)}</td><td>{Ms(h, 0.99)}</td><td>{Ms(h, 0.999)}</td><td>{h.Max / 1000.0:0.000}</td><td>{h.Count():N0}</td></tr>");
            Add($"</table>");
        }

        void AddCurve()
        {
            (double Share, string Label)[] marks = [(0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99")];
            string[] colors = [Blue, Orange, Green, "#7c3aed", "#dc2626"];
            var series = Histograms(r.Totals).Select((h, i) => new Series(h.Name, colors[i % colors.Length], CurveOf(h.Histogram))).ToList();
            Add($"<h2>Latency by percentile, ms</h2>");
            if (series.Count > 0) html.Append(SvgChart.Draw("percentile", "", true, series, [.. marks.Select(m => (Nines(m.Share), m.Label))]));
        }

        void AddCourse()
        {
            Chart("Messages", "/s", false, Line("double checks", Blue, m => m.MessagesPerSecond), Line("accepted", Orange, m => m.AcceptedPerSecond));
            Chart("Latency of double checks, p50 and p99", " ms", true, Line("p50", Blue, m => m.P50Us == 0 ? null : m.P50Us / 1000.0), Line("p99", Orange, m => m.P99Us == 0 ? null : m.P99Us / 1000.0));
            Chart("Connections", "", false, Line("open", Green, m => m.Open));
            Chart("Logins", "/s", false, Line("logins", Blue, m => m.LoginsPerSecond));
            Chart("CPU, cores", "", false, Line("server", Blue, m => m.ServerCores), Line("load", Orange, m => m.LoadCores));
            Chart("Server memory", " MB", false, Line("Pss + SwapPss", Blue, m => m.ServerMemoryBytes / 1048576.0));
        }

        void AddServer()
        {
            Samples("Server memory, every 10 s", " MB", ("Pss + SwapPss", Blue, s => s.MemoryBytes / 1048576.0), ("Rss", Orange, s => s.ResidentBytes / 1048576.0));
            Samples("Server's open files", "", ("files", Blue, s => s.Descriptors));
            Samples("The node's connections", "", ("connections", Blue, s => s.Node?.Connections), ("handshakes", Orange, s => s.Node?.Handshakes));
            Samples("The node's mailboxes and windows", "", ("mailboxes that hold something", Blue, s => s.Node?.Mailboxes), ("windows", Orange, s => s.Node?.Windows));
        }

        void Samples(string title, string unit, params (string Name, string Color, Func<ServerSample, double?> Value)[] lines) => Chart(
            title, unit, false, [.. lines.Select(line => new Series(line.Name, line.Color, [.. r.ServerSamples.Select(s => (s.Seconds, line.Value(s)))]))]);

        Series Line(string name, string color, Func<Moment, double?> value) => new(name, color, [.. moments.Select(m => (m.Seconds, value(m)))]);

        void Chart(string title, string unit, bool logarithmic, params Series[] series)
        {
            if (!series.Any(line => line.Points.Any(p => p.Y is > 0))) return;
            Add($"<h2>{title}</h2>");
            html.Append(SvgChart.Draw("seconds", unit, logarithmic, series));
        }
    }

    private static IEnumerable<(string Name, Histogram Histogram)> Histograms(LoadSnapshot totals)
    {
        (string, Histogram)[] all =
        [
            ("double check", totals.DoubleCheck), ("accepted", totals.Accept), ("login", totals.Login), ("send lag", totals.Lag), ("drain", totals.Drain),
        ];
        return all.Where(h => h.Item2.Count() > 0);
    }

    private static List<(double X, double? Y)> CurveOf(Histogram h)
    {
        var points = new List<(double, double?)>();
        for (var x = 0.0; x <= 4.0001; x += 0.05)
        {
            var share = 1 - Math.Pow(10, -x);
            // Beyond what the count can resolve there is only the maximum.
            if (h.Count() * (1 - share) < 0.5) break;
            points.Add((x, h.Quantile(share) / 1000.0));
        }

        return points;
    }

    /// <summary>0 at 0, 1 at 90 %, 2 at 99 % and so on.</summary>
    private static double Nines(double share) => -Math.Log10(1 - share);

    private static string Ms(Histogram h, double share) => (h.Quantile(share) / 1000.0).ToString("0.000", CultureInfo.InvariantCulture);

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
