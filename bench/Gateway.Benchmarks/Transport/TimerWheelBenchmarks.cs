using BenchmarkDotNet.Attributes;
using Gateway.Transport.Connections;
using Gateway.Transport.Timers;

namespace Gateway.Benchmarks.Transport;

/// <summary>
/// The wheel with many timers on it: putting one off, which every received byte does to its connection's idle deadline, and a tick with the
/// timers that come due in it. Figures are per timer.
/// </summary>
[MemoryDiagnoser]
public class TimerWheelBenchmarks
{
    private const int Batch = 1024;
    private const int Buckets = 4096;
    private const uint LaterTicks = 3000;

    private ConnectionTable _table = null!;
    private TimerWheel _wheel = null!;
    private uint _now;
    private uint _next;

    [Params(10_000, 1_000_000)]
    public int Timers { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _table = new ConnectionTable((uint)Timers + 1);
        _wheel = new TimerWheel(_table, Buckets, 0);
        for (var i = 0; i < Timers; i++)
        {
            if (!_table.TryTake(SlotState.Open, descriptor: -1, out var index)) throw new InvalidOperationException("The table is full.");
            _wheel.Schedule(index, LaterTicks + (uint)i % LaterTicks);
            _next = index;
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _table.Dispose();

    /// <summary>A stride that visits slots in no order that a cache could foresee, as traffic does.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public int PutOff()
    {
        for (var i = 0; i < Batch; i++)
        {
            _next = (_next + 7919) % (uint)Timers;
            _wheel.Schedule(_next, _now + LaterTicks + (uint)i);
        }

        return _wheel.Count;
    }

    /// <summary>A thousand timers of the next tick: scheduled, expired, and put back where they were.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public int ScheduleAndExpire()
    {
        for (var i = 0; i < Batch; i++)
        {
            _next = (_next + 7919) % (uint)Timers;
            _wheel.Schedule(_next, _now + 1);
        }

        _now++;
        var expired = 0;
        var budget = int.MaxValue;
        while (_wheel.TryExpire(_now, ref budget, out var index))
        {
            _wheel.Schedule(index, _now + LaterTicks);
            expired++;
        }

        return expired;
    }
}
