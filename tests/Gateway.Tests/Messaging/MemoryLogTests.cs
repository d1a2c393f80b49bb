using Gateway.Messaging;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>The log in memory keeps the contract of every engine; what only a simulation needs of it is tested here.</summary>
public class MemoryLogTests : HomeLogContract
{
    protected override HomeLogBed CreateBed() => new MemoryLogBed();

    [Fact]
    public void A_commit_stops_before_the_first_record_whose_batch_was_not_submitted()
    {
        var store = new MemoryLogStore(homes: 8, () => 1_800_000_000_000_000);
        var first = AppendWindow(store, 1, home: 0);
        store.Homes[0].Submit();
        var staged = AppendWindow(store, 1, home: 1);
        var behind = AppendWindow(store, 2, home: 0);
        store.Homes[0].Submit();

        store.CommitAll();
        Assert.Equal(first, store.CommittedThrough);
        store.Homes[1].Submit();
        store.CommitThrough(staged);
        Assert.Equal(staged, store.CommittedThrough);
        store.CommitAll();
        Assert.Equal(behind, store.CommittedThrough);
    }

    [Theory]
    [InlineData(LogOutcome.Fenced)]
    [InlineData(LogOutcome.Unknown)]
    public void A_log_that_is_lost_commits_and_takes_nothing_more(LogOutcome outcome)
    {
        var store = new MemoryLogStore(homes: 1, () => 1_800_000_000_000_000);
        AppendWindow(store, 1, home: 0);
        store.Homes[0].Submit();
        store.Outcome = outcome;

        store.CommitAll();
        Assert.Equal(0, store.CommittedThrough);
        var record = new LogRecord { Type = LogRecordType.Device, Mailbox = 1 };
        Assert.Equal(LogStatus.Failed, store.Homes[0].Append(in record, out _));
        Assert.Equal(outcome, store.Homes[0].Outcome);
    }

    [Fact]
    public void Without_a_reservation_no_sequence_is_issued()
    {
        var micros = 1_800_000_000_000_000UL;
        var store = new MemoryLogStore(homes: 1, () => micros);
        Assert.NotEqual(0UL, store.Homes[0].NextSequence());
        store.MayReserve = false;
        micros = store.ReservedThrough;
        Assert.Equal(micros, store.Homes[0].NextSequence());
        Assert.Equal(0UL, store.Homes[0].NextSequence());
        store.MayReserve = true;
        Assert.Equal(micros + 1, store.Homes[0].NextSequence());
    }

    [Fact]
    public void A_recovered_log_may_hold_any_prefix_of_what_was_not_committed()
    {
        for (var kept = 0; kept <= 3; kept++)
        {
            var store = new MemoryLogStore(homes: 1, () => 1_800_000_000_000_000);
            AppendWindow(store, 1, home: 0);
            store.Homes[0].Submit();
            store.CommitAll();
            for (var i = 2; i <= 4; i++) AppendWindow(store, i, home: 0);

            var recovered = store.Recover(homes: 3, kept);
            Assert.Equal(1 + kept, recovered.CommittedThrough);
            Assert.Equal(1 + kept, recovered.Appended);
            Assert.Equal(LogOutcome.Fenced, store.Outcome);
        }
    }

    /// <summary>Appends a window of the <paramref name="nth"/> device that lives at a home.</summary>
    private static long AppendWindow(MemoryLogStore store, int nth, int home)
    {
        var device = 1UL;
        for (var found = 0; ; device++)
        {
            if (HomeMap.HomeOf(device, store.Homes.Count) == home && ++found == nth) break;
        }

        var record = new LogRecord { Type = LogRecordType.Window, Mailbox = device, Incarnation = 1, Low = 1 };
        Assert.Equal(LogStatus.Appended, store.Homes[home].Append(in record, out var position));
        return position;
    }

    private sealed class MemoryLogBed : HomeLogBed
    {
        private MemoryLogStore _store = new(homes: 1, () => 1_800_000_000_000_000);

        public override IHomeLog Log => _store.Homes[0];
        public override LedgerTotals Messages => _store.Messages;
        public override LedgerTotals Receipts => _store.Receipts;

        public override void Commit() => _store.CommitAll();

        public override ILogPage TakePage()
        {
            _store.CompleteReads();
            Assert.True(Log.TryTakePage(out var page));
            return page;
        }

        public override void Reopen(ILogRecovery recovery)
        {
            Log.Submit();
            Commit();
            Crash(recovery);
        }

        public override void Crash(ILogRecovery recovery)
        {
            _store = _store.Recover(homes: 1);
            _store.Replay(recovery);
        }
    }
}
