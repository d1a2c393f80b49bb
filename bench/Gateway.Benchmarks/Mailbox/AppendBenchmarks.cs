using BenchmarkDotNet.Attributes;
using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox;

/// <summary>
/// The owner's side of the log: a message of 200 bytes appended and indexed, and the acknowledgement of the one before it, so that every
/// mailbox has one pending throughout. 64 pairs a batch, each batch ended as a reactor ends its turn; the commit runs beside it on its own thread and the wait for it is not in the figure unless admission holds
/// appends back. Durability <c>os</c>, so that the figure is the processor's and not the disk's. Figures are per message with its
/// acknowledgement. Each iteration appends a fixed number, since the log grows with them.
/// </summary>
[MemoryDiagnoser]
[SimpleJob(warmupCount: 3, iterationCount: 12, invocationCount: 1)]
public class AppendBenchmarks
{
    private const int Pairs = 100_000;
    private const int Batch = 64;

    private readonly byte[] _body = new byte[200];
    private ulong[] _pending = [];
    private LogUnderTest _log = null!;
    private ulong _next;

    [Params(1_000, 1_000_000)]
    public int Mailboxes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _log = new LogUnderTest(Durability.Os);
        _pending = new ulong[Mailboxes];
        for (var mailbox = 0UL; mailbox < (ulong)Mailboxes; mailbox++)
        {
            _pending[mailbox] = _log.Send(mailbox + 1, _body, out var position);
            if (mailbox % Batch == 0) _log.AwaitCommit(position);
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _log.Dispose();

    [Benchmark(OperationsPerInvoke = Pairs)]
    public long MessageAndAcknowledgement()
    {
        var position = 0L;
        for (var done = 0; done < Pairs; done += Batch)
        {
            for (var i = 0; i < Batch; i++)
            {
                // A stride that visits mailboxes in no order that a cache could foresee.
                _next = (_next + 7919) % (ulong)Mailboxes;
                var before = _pending[_next];
                _pending[_next] = _log.Send(_next + 1, _body, out _);
                position = _log.Acknowledge(_next + 1, before);
            }

            _log.Partition.EndBatch();
        }

        return position;
    }
}
