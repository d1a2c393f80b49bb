using BenchmarkDotNet.Attributes;
using Gateway.Messaging.Queues;

namespace Gateway.Benchmarks;

/// <summary>
/// What it costs a queue's owner to be measured: an entry coming in and going out again, at three depths and with a clock that moves a millisecond every
/// 64 entries. Figures are per entry, in and out together. The gauge is the same source in every part. Memory must be 0.
/// </summary>
[MemoryDiagnoser]
public class QueueBenchmarks
{
    private const int Batch = 4096;
    private const int EntriesPerMs = 64;

    private QueueGauge _gauge = null!;
    private QueueGauge _ordered = null!;
    private long _in;
    private long _out;

    /// <summary>Entries that stay in the queue meanwhile.</summary>
    [Params(0, 1_000, 100_000)]
    public int Depth { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _gauge = new QueueGauge("benchmark", 0, TimeSpan.FromMilliseconds(1));
        _ordered = new QueueGauge("ordered", 0, TimeSpan.FromMilliseconds(1));
        (_in, _out) = (0, 0);
        for (var i = 0; i < Depth; i++)
        {
            _gauge.Enter(_in / EntriesPerMs);
            _ordered.EnterLast(_in++ / EntriesPerMs);
        }
    }

    /// <summary>As a queue is measured whose entries leave in any order; here they leave in the order they came.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void EnterAndLeave()
    {
        for (var i = 0; i < Batch; i++)
        {
            _gauge.Enter(_in++ / EntriesPerMs);
            _gauge.Leave(_out++ / EntriesPerMs);
        }
    }

    /// <summary>As a queue is measured that is first in, first out.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void EnterLastAndLeaveFirst()
    {
        for (var i = 0; i < Batch; i++)
        {
            _ordered.EnterLast(_in++ / EntriesPerMs);
            _ordered.LeaveFirst(++_out / EntriesPerMs);
        }
    }

    /// <summary>A scraper's part, for comparison: it reads four words.</summary>
    [Benchmark]
    public long Read() => _gauge.Read(_in).Depth;
}
