using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary>What a rung on the transport says when it gets SIGUSR1: bytes received, bytes that its reactor's thread allocated, collections of generation 0.</summary>
internal readonly record struct RungCount(long Received, long Allocated, int Collections)
{
    private const string Name = "counted";

    /// <exception cref="MeasuringException">It is no such line.</exception>
    public static RungCount Parse(string line)
    {
        var words = line.Split(' ');
        if (words.Length != 4 || words[0] != Name) throw new MeasuringException($"a rung said '{line}'");
        return new RungCount(
            long.Parse(words[1], CultureInfo.InvariantCulture), long.Parse(words[2], CultureInfo.InvariantCulture), int.Parse(words[3], CultureInfo.InvariantCulture));
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Name} {Received} {Allocated} {Collections}");
}
