using Gateway.Mailbox;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Server.Health;
using Gateway.Server.Health.Flight;
using Gateway.Transport;

namespace Gateway.Server.Node;

/// <summary>Who is behind the node's figures: what its owners publish of mailboxes and senders, and a walk over held bytes on the reactors' threads.</summary>
internal sealed partial class GatewayNode : INodeInsight
{
    /// <summary>Slots that a reactor looks at in one go: some ten microseconds of its time.</summary>
    private const int SlotsPerStep = 1024;

    /// <summary>32 bytes each: a quarter of a megabyte a reactor, minutes of a busy node.</summary>
    private const int FlightEvents = 8192;

    private readonly FlightRing[] _flights = [];

    /// <summary>Null with <c>--metrics off</c>.</summary>
    private readonly CommitRecorder? _commitRecorder;

    public INodeInsight Insight => this;

    public IReadOnlyList<FlightRing> Flights => _flights;

    public TimeSpan TakeLongestCommit() => _commitRecorder?.TakeLongest() ?? TimeSpan.Zero;

    public (IReadOnlyList<MailboxDepth> Mailboxes, long Missed) ReadMailboxes()
    {
        lock (_readingGate)
        {
            if (!_running) return ([], 0);
            var all = new List<MailboxDepth>();
            var some = new List<(ulong Mailbox, long Entries)>(MailboxPartition.DeepestListed);
            long mostMissed = 0;
            for (var i = 0; i < _partitions.Length; i++)
            {
                some.Clear();
                if (!_partitions[i].Partition.TryReadDeepest(some, out var missed)) continue;
                mostMissed = Math.Max(mostMissed, missed);
                foreach (var (mailbox, entries) in some) all.Add(new MailboxDepth(i, new Address(mailbox), entries));
            }

            return (all, mostMissed);
        }
    }

    public IReadOnlyList<SenderReading> ReadSenders()
    {
        lock (_readingGate)
        {
            if (!_running) return [];
            var all = new List<SenderReading>();
            var some = new List<SenderShare>(Home.SendersCounted);
            for (var i = 0; i < _hosts.Length; i++)
            {
                some.Clear();
                if (!_hosts[i].Home.TryReadSenders(some, out var totals) || totals.Sends == 0) continue;
                double sends = totals.Sends;
                foreach (var s in some) all.Add(new SenderReading(i, new Address(s.Device), s.Sends / sends, s.Error / sends, totals.Error / sends));
            }

            return all;
        }
    }

    public async Task<IReadOnlyList<SocketReading>> ReadSocketsAsync(int limit, CancellationToken cancel)
    {
        if (!_running) return [];
        var asked = _hosts.Select(host => WalkHeldAsync(host, limit, cancel)).ToArray();
        // A reactor that hangs answers when it turns again; the others are not to wait for it.
        await Task.WhenAny(Task.WhenAll(asked), Task.Delay(Timeout.Infinite, cancel));
        return [.. asked.Where(a => a.IsCompletedSuccessfully).SelectMany(a => a.Result).OrderByDescending(s => s.HeldBytes).Take(limit)];
    }

    private async Task<IReadOnlyList<SocketReading>> WalkHeldAsync(ReactorHost host, int limit, CancellationToken cancel)
    {
        var worst = new PriorityQueue<SocketReading, long>(limit + 1);
        var slice = new List<HeldReading>();
        uint cursor = 0;
        do
        {
            cancel.ThrowIfCancellationRequested();
            slice.Clear();
            await OnReactor(host, h =>
            {
                h.Reactor.ReadHeld(ref cursor, SlotsPerStep, slice);
                foreach (var reading in slice)
                {
                    worst.Enqueue(ReadingOf(h, in reading), reading.UnsentBytes + reading.KeptBytes);
                    if (worst.Count > limit) worst.Dequeue();
                }

                return true;
            });
        }
        while (cursor != 0);
        return [.. worst.UnorderedItems.Select(i => i.Element)];
    }

    private static SocketReading ReadingOf(ReactorHost host, in HeldReading reading)
    {
        var device = host.DeviceOf(reading.Connection, reading.Tag);
        return new SocketReading(
            host.Reactor.Index, reading.Connection.Slot, reading.Connection.Generation, device == 0 ? null : new Address(device),
            reading.UnsentBytes, reading.KeptBytes, reading.Since);
    }

    /// <summary>On the commit thread.</summary>
    private void OnCommitTimed(TimeSpan took)
    {
        _meters!.RecordCommit(took);
        _commitRecorder!.Note(took);
    }
}
