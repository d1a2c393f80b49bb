using System.Text.Json.Nodes;

namespace Gateway.Ctl.Top;

/// <summary>A queue of GET /status: of one reactor, or with reactor -1 of all together.</summary>
internal sealed record QueueRow(string Name, int Reactor, long Depth, double In, double Out, double OldestSeconds, double? DrainSeconds, string Standing, string Text)
{
    public QueueRow(JsonNode q)
        : this(
            (string)q["name"]!, (int)q["reactor"]!, (long)q["depth"]!, (double?)q["rates"]?["in10s"] ?? 0, (double?)q["rates"]?["out10s"] ?? 0,
            (double)q["oldestAgeSeconds"]!, (double?)q["drainSeconds"], (string)q["standing"]!, (string)q["text"]!)
    {
    }

    public string Title => Reactor < 0 ? Name : $"{Name}/{Reactor}";

    public bool IsTrouble => Standing is "alert" or "growing";

    /// <summary>Seconds; infinite while it does not drain.</summary>
    public double Drain => Depth == 0 ? 0 : DrainSeconds ?? double.PositiveInfinity;
}

/// <summary>What the rows are in order of.</summary>
internal enum QueueOrder
{
    /// <summary>As the node gives them.</summary>
    Worst = 0,
    Depth = 1,
    Drain = 2,
    Age = 3,
    In = 4,
    Name = 5,
}
