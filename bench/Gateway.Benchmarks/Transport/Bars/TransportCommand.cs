using System.CommandLine;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Transport.Bars;

/// <summary><c>transport</c>: the bars on what an echo costs against C, and what a move and a wake between reactors cost.</summary>
internal static class TransportCommand
{
    public static Command Create()
    {
        var connections = new Option<int>("--connections") { Description = "that are echoed to, one message each under way", HelpName = "N", DefaultValueFactory = _ => 256 };
        connections.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 9000) r.AddError("--connections: from 1 to 9000");
        });
        var shuttles = new Option<bool>("--shuttles") { Description = "only what goes between two reactors" };
        return new MeasuringCommand("transport", "Measure the transport against C and its backends against each other, and report.", rounds: 5)
            .Create([connections, shuttles], (parse, rounds) =>
                new TransportRun(new TransportSettings(rounds, parse.GetValue(connections), !parse.GetValue(shuttles)), Console.Out));
    }
}

/// <param name="Rounds">Each measures everything once.</param>
/// <param name="Connections">To an echo.</param>
/// <param name="Echoes">Are measured too.</param>
internal sealed record TransportSettings(RoundSettings Rounds, int Connections, bool Echoes);
