using System.Diagnostics.Metrics;
using Gateway.Mailbox;
using Gateway.Protocol;
using Gateway.Server.Metrics;
using Gateway.Transport;

namespace Gateway.Server.Node;

/// <summary>
/// Figures that anybody may read at any time: whole words that reactors and the log's threads publish in passing. No lock is taken that one
/// of those threads takes, and none is waited for; the one gate here keeps readers and dispose apart.
/// </summary>
internal sealed partial class GatewayNode
{
    private static readonly RefusalReason[] RefusalReasonsTold =
        [.. Enum.GetValues<RefusalReason>().Where(r => r is not (RefusalReason.None or RefusalReason.FirstFinal))];

    private readonly Lock _readingGate = new();

    public IReadOnlyList<Meter> Meters => _meters is null ? [] : [_meters.Meter];

    public TimeSpan StalledFor
    {
        get
        {
            lock (_readingGate)
                return _running ? TimeSpan.FromMilliseconds(_group!.Reactors.Max(r => r.SinceTurnMs)) : TimeSpan.Zero;
        }
    }

    public NodeCounters GetCounters()
    {
        lock (_readingGate)
        {
            if (!_running || _mailboxLog is null) return NodeCounters.None;
            var mailboxes = MailboxCountersOf();
            return new NodeCounters(
                [.. _group!.Reactors.Select(r => CountersOf(r, _hosts[r.Index]))],
                LogCountersOf(_mailboxLog.Counters, mailboxes.Messages.Pending + mailboxes.Receipts.Pending),
                GC.GetTotalAllocatedBytes())
            {
                Mailboxes = mailboxes,
            };
        }
    }

    public IReadOnlyList<QueueReading> GetQueues()
    {
        lock (_readingGate)
        {
            if (!_running || !_options.Metrics) return [];
            var readings = new List<QueueReading>(8 * _hosts.Length);
            var counts = new List<QueueCounts>(8);
            for (var i = 0; i < _hosts.Length; i++)
            {
                var reactor = _group!.Reactors[i];
                counts.Clear();
                reactor.ReadQueues(counts);
                _hosts[i].Home.ReadQueues(reactor.ClockMs, counts);
                _partitions[i].Partition.ReadQueues(counts);
                foreach (var queue in counts) readings.Add(QueueReading.Of(queue, i));
            }

            return readings;
        }
    }

    private MailboxCounters MailboxCountersOf()
    {
        Mailbox.Ledger ledger = default;
        PendingBacklog pending = default;
        long indexBytes = 0;
        var rejected = new long[MailboxCounters.RejectionReasons];
        foreach (var log in _partitions)
        {
            var partition = log.Partition;
            ledger += partition.Ledger;
            pending += partition.ReadBacklog();
            indexBytes += partition.IndexBytes;
            for (var i = 0; i < rejected.Length; i++) rejected[i] += partition.MessagesRejected(i);
        }

        return new MailboxCounters
        {
            Messages = Totals(ledger.Messages, pending.Messages),
            Receipts = Totals(ledger.Receipts, pending.Receipts),
            PendingBytes = pending.Bytes,
            MailboxesHolding = [.. Enumerable.Range(0, PendingBacklog.Decades).Select(pending.MailboxesHolding)],
            Rejected = rejected,
            Refused = RefusalReasonsTold.ToDictionary(r => r, r => _hosts.Sum(h => h.Home.Counters.RefusedFor(r))),
            IndexBytes = indexBytes,
        };
    }

    private static LogCounters LogCountersOf(in MailboxLogCounters log, long pending) => new()
    {
        Commits = log.Commits,
        BytesAppended = log.CommittedBytes + log.UncommittedBytes,
        BytesWritten = log.WrittenBytes,
        Syncs = log.Syncs,
        SyncMicros = log.SyncMicroseconds,
        LogBytes = log.LogBytes,
        LiveBytes = log.LiveBytes,
        TruncatedSegments = log.TruncatedSegments,
        UncommittedBytes = log.UncommittedBytes,
        AllocatedAheadBytes = log.AllocatedAheadBytes,
        Segments = log.Segments,
        SpareSegments = log.SpareSegments,
        DiskFull = log.DiskFull,
        PagesRead = log.PagesRead,
        PendingEntries = pending,
    };

    private static ReactorCounters CountersOf(Reactor reactor, ReactorHost host)
    {
        var transport = reactor.Counters;
        var home = host.Home.Counters;
        return new ReactorCounters
        {
            Index = reactor.Index,
            Connections = transport.SlotsInUse,
            Sessions = host.Home.Online,
            ConnectionsAccepted = transport.Accepted,
            ConnectionsClosed = transport.Closed,
            AuthenticationsFailed = host.AuthenticationsFailed,
            LoginsDeferred = host.LoginsDeferred,
            ConnectionsShed = host.ConnectionsShed,
            MessagesIn = home.SendsReceived,
            MessagesAccepted = home.Accepted,
            MessagesRefused = home.RefusedTemporary + home.RefusedFinal,
            MessagesOut = home.DeliveredFromMemory + home.DeliveredAhead + home.DeliveredFromLog,
            MessagesAcknowledged = home.Acknowledged,
            BytesIn = transport.ReceivedBytes,
            BytesOut = transport.SentBytes,
            LeasesInUse = transport.LeasesOut,
            BufferedBytes = transport.BufferedBytes,
            PausedByBudget = transport.PausedByBudget,
            Logins = home.Logins,
            TakeOvers = home.TakeOvers,
            Windows = host.Home.Windows,
            WindowsForgotten = home.WindowsForgotten,
            ProtocolErrors = home.ProtocolErrors,
            Probes = home.Probes,
            DeadPeers = home.DeadPeers,
            DeliveredFromMemory = home.DeliveredFromMemory,
            DeliveredAhead = home.DeliveredAhead,
            DeliveredFromLog = home.DeliveredFromLog,
            Redelivered = home.Redelivered,
            EphemeralShed = home.EphemeralShed,
            Parked = home.Parked,
            BusyMicros = transport.BusyUs,
            SinceTurn = TimeSpan.FromMilliseconds(reactor.SinceTurnMs),
            Turns = transport.Turns,
            AllocatedBytes = transport.AllocatedBytes,
        };
    }
}
