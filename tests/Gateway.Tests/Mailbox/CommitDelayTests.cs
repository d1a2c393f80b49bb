using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary><see cref="MailboxLogOptions.CommitDelay"/>: what gathers goes together, and who waits alone is not kept waiting.</summary>
public sealed class CommitDelayTests : IDisposable
{
    private readonly DataFolder _folder = new();
    private readonly SemaphoreSlim _committed = new(0);
    private readonly SemaphoreSlim _goOn = new(0);
    private volatile bool _holds = true;
    private bool _isHeld;

    [Fact]
    public void What_comes_while_a_commit_waits_goes_with_it()
    {
        using var log = Open(TimeSpan.FromSeconds(20));
        CommitAndHold(log, records: 1);
        CommitAndHold(log, records: 100);
        var commits = log.Log.Counters.Commits;
        log.Send(1, "is there when the commit could begin");
        log.P.EndBatch();
        _holds = false;
        _goOn.Release();
        Thread.Sleep(300); // without a delay it would be on its way long since
        log.Send(1, "comes while it waits");
        log.Commit();
        MailboxHarness.WaitFor(() => log.Log.Counters.Commits > commits);
        Assert.Equal(commits + 1, log.Log.Counters.Commits);
    }

    [Fact]
    public void The_end_of_a_batch_ends_the_wait()
    {
        // So long that the test would fail if it were waited for.
        using var log = Open(TimeSpan.FromMinutes(10));
        CommitAndHold(log, records: 1);
        CommitAndHold(log, records: 100);
        var commits = log.Log.Counters.Commits;
        log.Send(1, "waits for company");
        _holds = false;
        _goOn.Release();
        // The first may come before the pump waits. So few that none of them closes a page of the log, whose flush would end the wait too.
        for (var i = 0; i < 8 && log.Log.Counters.Commits == commits; i++)
        {
            log.Send(1, "company");
            log.P.EndBatch();
            Thread.Sleep(250);
        }

        MailboxHarness.WaitFor(() => log.Log.Counters.Commits > commits);
    }

    [Fact]
    public void Nobody_is_left_waiting_where_no_batch_ends()
    {
        using var log = Open(TimeSpan.FromMilliseconds(50));
        CommitAndHold(log, records: 1);
        CommitAndHold(log, records: 100);
        log.Send(1, "alone");
        log.P.EndBatch();
        _holds = false;
        _goOn.Release();
        MailboxHarness.WaitFor(() => log.Log.CommittedThrough >= log.LastPosition);
    }

    [Fact]
    public void After_a_commit_with_few_records_the_next_begins_at_once()
    {
        // So long that the test would fail if it were waited for.
        using var log = Open(TimeSpan.FromMinutes(10));
        CommitAndHold(log, records: 1);
        for (var i = 0; i < 20; i++) CommitAndHold(log, records: 3);
        _holds = false;
        _goOn.Release();
        log.Send(1, "the last");
        log.Commit();
    }

    [Fact]
    public void Who_comes_when_the_log_has_rested_is_not_kept_waiting()
    {
        using var log = Open(TimeSpan.FromMinutes(10));
        CommitAndHold(log, records: 1);
        CommitAndHold(log, records: 100);
        _holds = false;
        _goOn.Release();
        // Until the pump has found nothing to do, which takes it a moment and shows nowhere.
        Thread.Sleep(300);
        log.Send(1, "alone");
        log.Commit();
    }

    /// <summary>Lets the held pump commit so many records, and holds it again.</summary>
    private void CommitAndHold(MailboxHarness log, int records)
    {
        for (var i = 0; i < records; i++) log.Send(1, $"{i}");
        log.P.EndBatch();
        if (_isHeld) _goOn.Release();
        MailboxHarness.WaitFor(() => _committed.Wait(10));
        _isHeld = true;
    }

    private MailboxHarness Open(TimeSpan delay) => new(_folder.Path, s =>
    {
        s.CommitDelay = delay;
        s.CommitStallLimit = TimeSpan.FromHours(1);
        s.OnCommitted = () =>
        {
            if (!_holds) return;
            _committed.Release();
            _goOn.Wait();
        };
    });

    public void Dispose()
    {
        _folder.Dispose();
        _committed.Dispose();
        _goOn.Dispose();
    }
}
