using BenchmarkDotNet.Attributes;
using Gateway.Messaging;

namespace Gateway.Benchmarks.Messaging;

/// <summary>A send's way through its device's window: looked up, begun, settled, and passed by the low mark. Figures are per number.</summary>
[MemoryDiagnoser]
public class WindowBenchmarks
{
    private const int Batch = 64;

    private SendWindow _window;
    private ulong _inFlight;

    [GlobalSetup]
    public void Setup() => _window.Begin(incarnation: 1);

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong SendAndSettle()
    {
        var first = _window.Low;
        for (var number = first; number < first + Batch; number++)
        {
            if (_window.StateOf(number, _inFlight) != NumberState.Open) throw new InvalidOperationException($"Number {number} is not open.");
            _window.Begin(number, ref _inFlight);
        }

        for (var number = first; number < first + Batch; number++) _window.Settle(number, ref _inFlight);
        for (var number = first; number < first + Batch; number++) _window.Advance(number + 1, ref _inFlight);
        return _window.Low;
    }
}
