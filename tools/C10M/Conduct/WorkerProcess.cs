using System.Text.Json;
using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>A load process from its first line to the end of its input; see <see cref="ShardWire"/>.</summary>
internal static class WorkerProcess
{
    public static int Run(TextReader input, TextWriter output, TimeProvider time)
    {
        try
        {
            if (input.ReadLine() is not { } first) return ExitCode.Usage;
            using var shard = new LocalShard(JsonSerializer.Deserialize<LoadSettings>(first)!, time);
            Say(output, ShardWire.Ready);
            while (input.ReadLine() is { } line)
            {
                if (line.StartsWith(ShardWire.Order, StringComparison.Ordinal))
                {
                    shard.Give(JsonSerializer.Deserialize<Order>(line.AsSpan(ShardWire.Order.Length))!);
                }
                else if (line == ShardWire.Look)
                {
                    var snapshot = new LoadSnapshot();
                    shard.CopyTo(snapshot);
                    Say(output, ShardWire.Format(snapshot));
                }
                else
                {
                    throw new LoadException(ExitCode.Usage, $"'{line}' is nothing a load process is told");
                }
            }

            return ExitCode.Ok;
        }
        catch (Exception e) when (e is LoadException or JsonException)
        {
            Say(output, ShardWire.Failed + e.Message);
            return e is LoadException failure ? failure.ExitCode : ExitCode.Usage;
        }
    }

    private static void Say(TextWriter output, string line)
    {
        output.WriteLine(line);
        output.Flush();
    }
}
