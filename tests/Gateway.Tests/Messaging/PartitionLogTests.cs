using Gateway.Mailbox;
using Gateway.Messaging;
using Gateway.Server.Node;
using Gateway.Simulation;

namespace Gateway.Tests.Messaging;

/// <summary>The FASTER log behind the node's adapter keeps the contract that messaging relies on.</summary>
public sealed class PartitionLogTests : HomeLogContract
{
    protected override HomeLogBed CreateBed() => new PartitionLogBed();

    private sealed class PartitionLogBed : HomeLogBed
    {
        private readonly TemporaryFolder _folder = new();
        private int _runs;
        private string _data;
        private MailboxLog _mailboxLog;
        private PartitionLog _log;

        public PartitionLogBed()
        {
            _data = _folder.File("run0");
            (_mailboxLog, _log) = Open(new Recovered());
        }

        public override IHomeLog Log => _log;

        public override LedgerTotals Messages => TotalsOf(_log.Partition.Ledger.Messages, _log.Partition.CountPending().Messages);

        public override LedgerTotals Receipts => TotalsOf(_log.Partition.Ledger.Receipts, _log.Partition.CountPending().Receipts);

        public override void Commit()
        {
            if (!SpinWait.SpinUntil(() => _mailboxLog.Counters.UncommittedBytes == 0, TimeSpan.FromSeconds(30)))
                throw new TimeoutException("what was submitted did not become durable");
        }

        public override ILogPage TakePage()
        {
            ILogPage? page = null;
            if (!SpinWait.SpinUntil(() => _log.TryTakePage(out page), TimeSpan.FromSeconds(30))) throw new TimeoutException("no page came");
            return page!;
        }

        public override void Reopen(ILogRecovery recovery)
        {
            _mailboxLog.Dispose();
            (_mailboxLog, _log) = Open(recovery);
        }

        public override void Crash(ILogRecovery recovery)
        {
            // The files as they are at this instant, without the goodbye of the run that goes on.
            var copy = _folder.File($"run{++_runs}");
            Directory.CreateDirectory(copy);
            foreach (var file in Directory.GetFiles(_data).Where(f => Path.GetFileName(f) != "LOCK")) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
            _mailboxLog.Dispose();
            _data = copy;
            (_mailboxLog, _log) = Open(recovery);
        }

        public override void Dispose()
        {
            _mailboxLog.Dispose();
            _folder.Dispose();
            base.Dispose();
        }

        private (MailboxLog, PartitionLog) Open(ILogRecovery recovery)
        {
            var options = new MailboxLogOptions
            {
                Folder = _data,
                NewLogIdentity = 42,
                MemoryBytes = 8 << 20,
                SegmentBytes = 4 << 20,
                AckReserveBytes = 1 << 20,
                CompactionReserveBytes = 1 << 20,
            };
            var mailboxLog = MailboxLog.Open(options, new Observer(recovery), TimeProvider.System);
            var log = new PartitionLog();
            log.Bind(mailboxLog, 0);
            return (mailboxLog, log);
        }

        private static LedgerTotals TotalsOf(LedgerColumn c, long pending) => new(c.Accepted, c.Delivered, pending, c.Rejected, c.Expired, c.Discarded, c.Lost);
    }

    private sealed class Observer(ILogRecovery recovery) : IRecoveryObserver
    {
        public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) => recovery.OnWindow(device, incarnation, low, settled, usedAt);
        public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low) => recovery.OnOrigin(device, incarnation, number, low);
        public void OnDevice(ulong device, uint keyEpoch) => recovery.OnDevice(device, keyEpoch);
        public void OnProgress(long scannedBytes, long totalBytes)
        {
        }
    }
}
