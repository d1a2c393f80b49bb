using System.Globalization;
using System.Text;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Report;

/// <summary>A run in a screenful for a person.</summary>
internal static class Summary
{
    public static string TextOf(LoadResult r)
    {
        var text = new StringBuilder();
        var totals = r.Totals;
        var s = r.Settings;
        Line($"{r.Command}: {s.Devices:N0} devices from {s.FirstAddress}, {s.Processes} process(es) of {s.Threads} reactor(s), seed {s.Seed}");
        if (s.ShapeKind != ShapeKind.Idle) Line($"  mix            {new MessageMix(s.Mix, s.SizeBytes, s.Seed)}; window {s.Window}");
        if (r.Connections > 0) Line($"  connections    {r.Connections:N0}, {r.LoginsPerSecond:N0} logins/s, {r.Alive:N0} alive at the end");
        Latency("login", totals.Login);
        if (r.MessagesPerSecond is { } rate) Line($"  messages       {rate:N0} a second: {r.MeasuredMessages:N0} in {r.MeasuredSeconds:0.00} s");
        Latency("double check", totals.DoubleCheck);
        Latency("accepted", totals.Accept);
        Latency("send lag", totals.Lag);
        Latency("drain", totals.Drain);
        if (totals[Counter.Sent] > 0)
        {
            Line($"  whole run      {totals[Counter.Sent]:N0} sent, {totals[Counter.Accepted]:N0} accepted, {totals[Counter.Delivered]:N0} delivered, {totals[Counter.DoubleChecks]:N0} double checks");
            Line($"                 {r.Lost:N0} lost, {totals[Counter.Duplicates]:N0} twice, {totals[Counter.OutOfOrder]:N0} out of order, {totals[Counter.RefusedTemporary]:N0} refused for now, {totals[Counter.Redelivered]:N0} redelivered");
        }

        foreach (var p in r.Phases) Phase(p);
        foreach (var (name, value) in r.Extra)
        {
            if (value is StormRound ramp) Round(name, ramp);
            else if (value is IEnumerable<StormRound> rounds) rounds.ToList().ForEach(round => Round("round", round));
            else if (value is ServerSample sample) Server(name, sample);
            else if (value is KernelSockets kernel) Line($"  {name,-14} {kernel.AtServer:N0} at the server, {kernel.CloseWait:N0} in CLOSE_WAIT; slab objects: {kernel.TcpObjects:N0} TCP, {kernel.InodeObjects:N0} socket inodes");
            else if (value is not null) Line($"  {name,-14} {value}");
        }

        if (r.LoadCpuSeconds is { } cpu) Line($"  load           {cpu:0.00} s of CPU");
        if (r.ServerCpuSeconds is { } serverCpu) Line($"  server         {serverCpu:0.00} s of CPU");
        if (r.ServerCpuUsPerMessage is { } perMessage) Line($"                 {perMessage:0.00} µs a message");
        if (r.ServerBytesPerConnection is { } bytes) Line($"                 {bytes:N0} bytes a connection more than before");
        foreach (var (kind, count) in r.Errors) Line($"  error          {kind}: {count:N0}");
        Line($"{(r.Interrupted ? "interrupted" : r.AddsUp ? "everything adds up" : "DOES NOT ADD UP")}");
        return text.ToString();

        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));

        void Round(string name, StormRound round)
        {
            Line($"  {name,-14} {round.Logins:N0} logins in {round.Seconds:0.00} s ({round.LoginsPerSecond:N0}/s), p99 {round.P99Us / 1000.0:0.0} ms");
            if (round.ServerMemoryBytes is { } memory) Line($"                 server memory {memory / 1048576.0:N1} MB");
        }

        void Phase(PhaseResult p)
        {
            Line($"  {p.Name,-14} {p.Seconds:0.0} s: {p.Connections:N0} connections, {p.Logins:N0} logins ({p.LoginsPerSecond:N0}/s), {p.Disconnects:N0} disconnects, {p.GoAways:N0} sent away, {p.Errors:N0} errors");
            if (p.LoginUs is { } login) Line($"                 login p50 {Ms(login.P50)}  p99 {Ms(login.P99)}  max {Ms(login.Max)}  ms");
            if (p.LatencyUs is { } l)
                Line($"                 {p.DoubleChecks:N0} double checks: p50 {Ms(l.P50)}  p90 {Ms(l.P90)}  p99 {Ms(l.P99)}  p99.9 {Ms(l.P999)}  max {Ms(l.Max)}  ms; worst p99 of 5 s {Ms(p.WorstP99Us ?? 0)} ms; {p.Lost:N0} lost, {p.Duplicates:N0} twice");
            if (p.ServerMemoryBytes is { } memory) Line($"                 server {memory / 1048576.0:N1} MB, {p.ServerBytesPerConnection:N0} bytes a connection, {p.ServerCpuSeconds:0.00} s of CPU");
        }

        void Server(string name, ServerSample s)
        {
            Line($"  {name,-14} {s.MemoryBytes / 1048576.0:N1} MB, {s.ResidentBytes / 1048576.0:N1} MB resident, {s.Descriptors:N0} descriptors");
            if (s.Node is { } node) Line($"                 {node.Connections:N0} connections, {node.Handshakes:N0} handshakes, {node.Mailboxes:N0} mailboxes, {node.Windows:N0} windows");
        }

        void Latency(string name, Histogram h)
        {
            if (h.Count() == 0) return;
            Line($"  {name,-14} p50 {Ms(h.Quantile(0.5))}  p90 {Ms(h.Quantile(0.9))}  p99 {Ms(h.Quantile(0.99))}  p99.9 {Ms(h.Quantile(0.999))}  max {Ms(h.Max)}  ms");
        }
    }

    private static string Ms(long us) => (us / 1000.0).ToString("0.000", CultureInfo.InvariantCulture);
}
