using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// <see cref="MailboxLogOptions.CommitDelay"/>: what gathers goes together, and who waits alone is not kept waiting. The pump is held in a commit's
/// sync while the next batch comes in. A delay of ten minutes is one that a test would fail by if it were waited for.
/// </summary>
public sealed class CommitDelayTests : IDisposable
{
    private static readonly TimeSpan Endless = TimeSpan.FromMinutes(10);

    private readonly DataFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly Gate _sync = new();
    private readonly Gate _told = new();

    [Fact]
    public void What_comes_while_a_commit_waits_goes_with_it()
    {
        using var log = Open(TimeSpan.FromSeconds(20));
        HoldCommitOf(log, records: 100);
        log.Send(1, "is there when the commit could begin");
        log.P.EndBatch();
        var held = LetGo(log);
        Thread.Sleep(300); // without a delay it would be on its way long since
        log.Send(1, "comes while it waits");
        log.Commit();
        Assert.Equal(held + 1, log.Log.Counters.Commits);
    }

    [Fact]
    public void The_end_of_a_batch_ends_the_wait()
    {
        using var log = Open(Endless);
        HoldCommitOf(log, records: 100);
        log.Send(1, "waits for company");
        LetGo(log);
        log.Send(1, "company");
        log.Commit();
    }

    [Fact]
    public void A_batch_that_ends_as_soon_as_the_commit_is_told_of_ends_the_wait_too()
    {
        using var log = Open(Endless);
        HoldCommitOf(log, records: 100);
        _told.Close();
        _sync.Open();
        _told.AwaitHeld();
        log.Send(1, "what the commit set in motion");
        log.P.EndBatch();
        _told.Open();
        AwaitAll(log);
    }

    [Fact]
    public void Nobody_is_left_waiting_where_no_batch_ends()
    {
        using var log = Open(TimeSpan.FromMilliseconds(50));
        HoldCommitOf(log, records: 100);
        log.Send(1, "alone");
        log.P.EndBatch();
        LetGo(log);
        AwaitAll(log);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(300)]
    public void After_a_commit_with_few_records_or_very_many_the_next_begins_at_once(int records)
    {
        using var log = Open(Endless);
        HoldCommitOf(log, records);
        log.Send(1, "the last");
        log.P.EndBatch();
        LetGo(log);
        AwaitAll(log);
    }

    [Fact]
    public void Who_comes_when_the_log_has_rested_is_not_kept_waiting()
    {
        using var log = Open(Endless);
        HoldCommitOf(log, records: 100);
        var held = LetGo(log);
        // The mark of an idle log comes when the pump has found nothing else to do.
        MailboxHarness.WaitFor(() =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(20));
            return log.Log.Counters.Commits > held;
        });
        // The end of its batch would end a wait that must not be.
        log.Send(1, "alone");
        AwaitAll(log);
    }

    /// <summary>The pump stands in the sync of a commit of so many records, which follows another one at once.</summary>
    private void HoldCommitOf(MailboxHarness log, int records)
    {
        _sync.Close();
        log.Send(1, "has the pump stand in its sync");
        log.P.EndBatch();
        _sync.AwaitHeld();
        for (var i = 0; i < records; i++) log.Send(1, $"{i}");
        log.P.EndBatch();
        _sync.LetOneGo();
        _sync.AwaitHeld();
    }

    /// <summary>Lets the held commit end. Returns how many there were with it.</summary>
    private long LetGo(MailboxHarness log)
    {
        var commits = log.Log.Counters.Commits + 1;
        _sync.Open();
        MailboxHarness.WaitFor(() => log.Log.Counters.Commits >= commits);
        return commits;
    }

    private static void AwaitAll(MailboxHarness log) => MailboxHarness.WaitFor(() => log.Log.CommittedThrough >= log.LastPosition);

    private MailboxHarness Open(TimeSpan delay)
    {
        var log = new MailboxHarness(
            _folder.Path,
            s =>
            {
                s.CommitDelay = delay;
                s.CommitStallLimit = TimeSpan.FromHours(1);
                s.OnCommitted = _told.Pass;
                s.FileSystem = new FaultyFileSystem(_folder.Path)
                {
                    OnSync = name =>
                    {
                        if (Thread.CurrentThread.Name == "mailbox commit" && name.EndsWith(".segment", StringComparison.Ordinal)) _sync.Pass();
                    },
                };
            },
            _time);
        log.Send(1, "what an opening writes is written");
        log.Commit();
        return log;
    }

    public void Dispose()
    {
        _folder.Dispose();
        _sync.Dispose();
        _told.Dispose();
    }

    /// <summary>Where one thread is held while it is closed.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly SemaphoreSlim _held = new(0);
        private readonly SemaphoreSlim _goOn = new(0);
        private volatile bool _isClosed;

        public void Close() => _isClosed = true;

        public void Pass()
        {
            if (!_isClosed) return;
            _held.Release();
            _goOn.Wait();
        }

        public void AwaitHeld() => Assert.True(_held.Wait(TimeSpan.FromSeconds(30)), "nobody came in 30 s");

        public void LetOneGo() => _goOn.Release();

        public void Open()
        {
            _isClosed = false;
            _goOn.Release();
        }

        public void Dispose()
        {
            _held.Dispose();
            _goOn.Dispose();
        }
    }
}
