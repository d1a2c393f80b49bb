using System.Globalization;

namespace Gateway.Benchmarks.Ladder;

/// <summary>What the load end does to a rung: a closed loop of pairs through a relay, or of connections to an echo.</summary>
/// <param name="Name">As <c>--only</c> takes it.</param>
/// <param name="IsEcho">Otherwise a relay.</param>
/// <param name="Senders">Pairs, or connections.</param>
/// <param name="Window">Messages of each sender that are under way.</param>
/// <param name="SizeBytes">Of a message's body.</param>
internal sealed record Load(string Name, bool IsEcho, int Senders, int Window, int SizeBytes)
{
    /// <summary>Few and one at a time: what a message waits for, more than what it costs. The bar on latency is judged here.</summary>
    public const string LatencyName = "100x1";

    public static IReadOnlyList<Load> All { get; } =
    [
        new("echo-256x1", true, 256, 1, 64),
        new("echo-100x16", true, 100, 16, 128),
        new("100x16", false, 100, 16, 128),
        new("1000x4", false, 1000, 4, 128),
        new(LatencyName, false, 100, 1, 128),
    ];

    public string Title => string.Create(
        CultureInfo.InvariantCulture, $"{(IsEcho ? "echo" : "relay")}, {Senders} {(IsEcho ? "connections" : "pairs")} × window {Window}, {SizeBytes} B");

    /// <summary>C10M's arguments for it.</summary>
    public IEnumerable<string> Arguments =>
    [
        IsEcho ? "echo" : "relay", IsEcho ? "--connections" : "--pairs", Text(Senders), "--window", Text(Window), "--size", Text(SizeBytes),
    ];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
