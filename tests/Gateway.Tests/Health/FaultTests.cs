using System.Net;
using System.Net.Sockets;
using Gateway.Tests.Health.Loads;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>
/// Eight faults, one at a time, against a hundred pairs that chat: the first alert that is raised names the true culprit, and whatever is raised while the
/// fault lasts says that it follows from it. How long that takes is no matter for a test: perf-reports has a table.
/// </summary>
public sealed class FaultTests
{
    /// <summary>How long a fault goes on after its alert, for what it causes to be raised too: longer finds more, never less.</summary>
    private static readonly TimeSpan GoesOn = TimeSpan.FromSeconds(4);

    [Theory, OneAndEightReactors]
    public async Task A_slow_disk(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors, options => options with { Durability = Gateway.Server.Durability.Fsync });

        bed.Files.OnSync = _ => bed.Threads.Pause(TimeSpan.FromSeconds(2));

        await AssertFirstAsync(bed, "CommitSlow", "{commits} raised: the disk: a commit takes ");
    }

    [Theory, OneAndEightReactors]
    public async Task One_stuck_reactor(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);

        Assert.True(bed.Node.TryPost(bed.LastReactor, () => bed.Threads.Pause(Timeout.InfiniteTimeSpan)));

        await AssertFirstAsync(bed, "ReactorStalled", $" raised: reactor {bed.LastReactor} has not begun a turn for ");
    }

    [Theory, OneAndEightReactors]
    public async Task A_flooding_sender_whose_recipient_is_away(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);

        bed.Threads.Repeat(bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 64, TimeSpan.Zero));

        await AssertFirstAsync(bed, "SenderFlood", $" raised: sender {FaultBed.Pseudonym(FaultBed.User(1))} of reactor ");
    }

    [Theory, OneAndEightReactors]
    public async Task A_never_reading_recipient_with_a_hot_mailbox(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);
        var hot = bed.HomedAt(bed.LastReactor, 1);
        using var reader = bed.Connect(hot, creditMessages: 8);

        for (var i = 0; i < 20; i++) bed.Threads.Repeat(bed.Sender(FaultBed.User(20_000 + i), hot, batch: 16, TimeSpan.FromMilliseconds(100)));

        var line = await AssertFirstAsync(bed, "MailboxBacklog", $"{{mailbox_backlog}} raised: mailboxes of reactor {bed.LastReactor}: ");
        Assert.Contains($"{FaultBed.Pseudonym(hot)} alone holds ", line, StringComparison.Ordinal);
    }

    [Theory, OneAndEightReactors]
    public async Task A_login_storm(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);

        for (var i = 0; i < 2; i++) bed.Threads.Repeat(FaultLoads.Storm(bed.Endpoint));

        await AssertFirstAsync(bed, "LoginStorm", "{handshakes} raised: connections from outside: ");
    }

    [Theory, OneAndEightReactors]
    public async Task A_hanging_webhook(int reactors)
    {
        // It takes connections and never answers.
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();

        await using var bed = await FaultBed.StartAsync(reactors, thresholds: t => t with { Webhook = $"http://{deaf.LocalEndpoint}" });

        var line = await AssertFirstAsync(bed, "WebhookFailing", " raised: the webhook has taken nothing for ");
        Assert.Contains($"http://{deaf.LocalEndpoint} did not answer within 5 s", line, StringComparison.Ordinal);
    }

    [Theory, OneAndEightReactors]
    public async Task Memory_near_its_hard_mark(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors, options => options with { BufferSoft = 2 << 20, BufferHard = 2 << 20 });

        // All log in first: nobody is let in any more once buffers are full.
        var devices = Enumerable.Range(0, 48).Select(i => FaultBed.User(200 + i)).ToList();
        foreach (var device in devices.Select(bed.Connect).ToList()) FaultLoads.SendHalf(device, FaultBed.User(2), missing: 4096);

        var line = await AssertFirstAsync(bed, "MemoryHigh", "{send_leases} raised: buffers hold ");
        Assert.Contains(devices, d => line.Contains($"; most of it waits for {FaultBed.Pseudonym(d)} (", StringComparison.Ordinal));
        Assert.Contains("of an unfinished frame for ", line, StringComparison.Ordinal);
    }

    [Theory, OneAndEightReactors]
    public async Task A_cold_reader_on_old_segments(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);
        var away = bed.HomedAt(bed.LastReactor, 1);
        var send = bed.Sender(FaultBed.User(20_000), away, batch: 20, TimeSpan.Zero);
        for (var i = 0; i < 20; i++) send();

        bed.Files.OnRead = _ => bed.Threads.Pause(TimeSpan.FromSeconds(3));
        using var reader = bed.Connect(away);

        await AssertFirstAsync(bed, "ColdReadsSlow", $"{{cold_reads}} raised: reading old segments of the log: reactor {bed.LastReactor} waits for ");
    }

    private static async Task<string> AssertFirstAsync(FaultBed bed, string kind, string sentence)
    {
        var first = await bed.FirstAlertAsync();
        Assert.Contains($"alert {kind}{sentence}", first, StringComparison.Ordinal);
        bed.Threads.Pause(GoesOn);
        Assert.All(bed.Raised.Skip(1), line => Assert.Contains($"; it follows from {kind}: ", line, StringComparison.Ordinal));
        return first;
    }
}
