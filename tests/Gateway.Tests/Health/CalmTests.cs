using Xunit;

namespace Gateway.Tests.Health;

/// <summary>Without a fault nothing is raised, however busy the node is, and what a restart finds is told as what it is.</summary>
public sealed class CalmTests
{
    private const int Messages = 10_000;
    private static readonly TimeSpan Unhurried = TimeSpan.FromMilliseconds(100);

    [Theory, OneAndEightReactors]
    public async Task Honest_load_as_fast_as_it_goes_raises_nothing(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors, pause: TimeSpan.Zero);

        await bed.UntilAsync(() => bed.Crowd.Delivered >= Messages, "the crowd does not get its messages through");

        Assert.Empty(bed.Raised);
    }

    [Theory, OneAndEightReactors]
    public async Task A_restart_with_a_backlog_below_its_threshold_raises_nothing(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);
        await FillAsync(bed, 2_000);

        await bed.RestartAsync(Unhurried);

        await bed.UntilAsync(() => bed.Crowd.Delivered >= Messages / 10, "the crowd does not get its messages through");
        Assert.Empty(bed.Raised);
    }

    [Theory, OneAndEightReactors]
    public async Task A_restart_with_a_backlog_above_its_threshold_names_the_mailbox_and_nobody_else(int reactors)
    {
        await using var bed = await FaultBed.StartAsync(reactors);
        await FillAsync(bed, 6_000);

        await bed.RestartAsync(Unhurried);

        var line = await bed.FirstAlertAsync();
        Assert.Contains($"alert MailboxBacklog{{mailbox_backlog}} raised: mailboxes of reactor {bed.LastReactor}: ", line, StringComparison.Ordinal);
        Assert.Contains($"{FaultBed.Pseudonym(Hot(bed))} alone holds 6", line, StringComparison.Ordinal);
        Assert.DoesNotContain("it follows from", line, StringComparison.Ordinal);
        await bed.UntilAsync(() => bed.Crowd.Delivered >= Messages / 10, "the crowd does not get its messages through");
        Assert.Single(bed.Raised);
    }

    private static Gateway.Protocol.Address Hot(FaultBed bed) => bed.HomedAt(bed.LastReactor, 1);

    /// <summary>Leaves messages in the mailbox of somebody who is away.</summary>
    private static async Task FillAsync(FaultBed bed, int messages)
    {
        var send = bed.Sender(FaultBed.User(20_000), Hot(bed), batch: 50, TimeSpan.Zero);
        await Task.Run(() =>
        {
            for (var sent = 0; sent < messages; sent += 50) send();
        });
    }
}
