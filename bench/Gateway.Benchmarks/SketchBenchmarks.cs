using BenchmarkDotNet.Attributes;
using Gateway.Mailbox.Index;
using Gateway.Messaging;

namespace Gateway.Benchmarks;

/// <summary>
/// What a message pays for top lists: its sender is noted, its mailbox grows and shrinks. Figures are per message. Memory must be 0.
/// </summary>
[MemoryDiagnoser]
public class SketchBenchmarks
{
    private const int Batch = 4096;

    private readonly BusiestSenders _senders = new(Home.SendersCounted, BusiestSenders.Stride, seed: 1);
    private readonly ulong[] _devices = new ulong[Batch];
    private DeepestMailboxes _deepest = null!;

    /// <summary>Senders, and mailboxes that hold enough to be followed.</summary>
    [Params(10, 10_000)]
    public int Devices { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        for (var i = 0; i < Batch; i++) _devices[i] = 1 + (ulong)random.Next(Devices);
        _deepest = new DeepestMailboxes();
        for (ulong mailbox = 1; mailbox <= (ulong)Devices; mailbox++) _deepest.Resize(mailbox, 0, 10 + random.Next(1000));
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public void NoteSender()
    {
        foreach (var device in _devices) _senders.Note(device);
    }

    /// <summary>A mailbox that is not among the deepest, as nearly all are.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void ResizeShallow()
    {
        foreach (var device in _devices) _deepest.Resize(device + 1_000_000, 9, 10);
    }

    /// <summary>One that is.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void ResizeDeepest()
    {
        for (var i = 0; i < Batch; i++) _deepest.Resize(7, 5000 + (i & 1), 5001 - (i & 1));
    }
}
