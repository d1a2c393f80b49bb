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
        return new MeasuringCommand("transport", "Measure the transport against C and its backends against each other, and report.", rounds: 5)
            .Create([connections], (parse, rounds) => new TransportRun(new TransportSettings(rounds, parse.GetValue(connections)), Console.Out));
    }
}

/// <param name="Rounds">Each measures everything once.</param>
/// <param name="Connections">To an echo.</param>
internal sealed record TransportSettings(RoundSettings Rounds, int Connections);
