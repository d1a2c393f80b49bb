using System.CommandLine;
using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Rivals;

/// <summary><c>rivals</c>: every rival under the ladder's relays, and holding idle connections.</summary>
internal static class RivalsCommand
{
    public static Command Create()
    {
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
        var rest = DurationOption.Create("--rest", "of idle connections before the server's memory is read", TimeSpan.FromSeconds(3));
        return new MeasuringCommand("rivals", "Measure the gateway beside ejabberd and mosquitto, and report.", rounds: 3).Create([idle, rest], (parse, rounds) =>
            new RivalsRun(new RivalsSettings(rounds, [.. Load.All.Where(l => !l.IsEcho)], parse.GetValue(idle)!, parse.GetValue(rest)), Console.Out));
    }
}
