using BenchmarkDotNet.Attributes;
using Gateway.Transport.Inbox;

namespace Gateway.Benchmarks.Transport;

/// <summary>
/// What a message between two reactors costs beside the wake-up: written into the ring by the producer and read by the consumer, a batch of
/// 16 at a time, on one thread, so that the figure is the ring's and not the cache's. Figures are per message.
/// </summary>
[MemoryDiagnoser]
public class InboxBenchmarks
{
    private const int Batch = 16;

    private readonly byte[] _head = new byte[48];
    private byte[] _body = [];
    private MessageRing _ring = null!;

    /// <summary>0: a reply. 200: a request that carries a message's body.</summary>
    [Params(0, 200)]
    public int BodyBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _ring = new MessageRing(1 << 20);
        _body = new byte[BodyBytes];
    }

    [GlobalCleanup]
    public void Cleanup() => _ring.Dispose();

    [Benchmark(OperationsPerInvoke = Batch)]
    public int WriteAndRead()
    {
        for (var i = 0; i < Batch; i++)
        {
            if (!_ring.TryWrite(_head, _body)) throw new InvalidOperationException("The ring is full.");
        }

        var bytes = 0;
        while (_ring.TryRead(out var message))
        {
            bytes += message.Length;
            _ring.Release();
        }

        return bytes;
    }
}
