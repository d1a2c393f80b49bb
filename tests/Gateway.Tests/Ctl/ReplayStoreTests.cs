using System.Text;
using Gateway.Client;
using Gateway.Ctl.Messaging;
using Gateway.Ctl.Replay;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>
/// How many lines a replay has in the outbox and what became of them, after it was cut short at any point and whatever else was sent in
/// between. A store that is disposed without <see cref="ReplayStore.Forget"/> is what a kill leaves: every write is a transaction.
/// </summary>
public sealed class ReplayStoreTests : IDisposable
{
    private static readonly Address Anna = new(AddressKind.User, 15550001);
    private static readonly Address Bert = new(AddressKind.User, 15550002);
    private static readonly Address Carl = new(AddressKind.User, 15550003);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_first_run_begins_at_the_first_line()
    {
        var (before, counts) = await RunAsync("file", 3);

        Assert.Equal(0, before);
        Assert.Equal(new ReplayCounts(3, 0, 0, 0, 3), counts);
    }

    [Fact]
    public async Task A_run_after_a_kill_goes_on_after_the_lines_that_are_in_the_outbox()
    {
        await RunAsync("file", 3);
        await RunAsync("file", 0);
        await RunAsync("file", 200);

        var (before, counts) = await RunAsync("file", 1);

        Assert.Equal(203, before);
        Assert.Equal(new ReplayCounts(204, 0, 0, 0, 204), counts);
    }

    [Fact]
    public async Task What_other_commands_send_in_between_is_no_line_of_the_file()
    {
        await RunAsync("file", 3);
        await SendAsync(Bert, "by hand");
        await SendAsync(Carl, "by hand");
        await RunAsync("file", 2);
        await SendAsync(Bert, "by hand again");

        var (before, counts) = await RunAsync("file", 0);

        Assert.Equal(5, before);
        Assert.Equal(5, counts.Sent);
    }

    [Fact]
    public async Task Two_files_and_two_recipients_are_kept_apart()
    {
        await RunAsync("file", 3);
        await RunAsync("other", 5);
        await RunAsync("file", 7, Carl);

        Assert.Equal(3, (await RunAsync("file", 0)).Before);
        Assert.Equal(5, (await RunAsync("other", 0)).Before);
        Assert.Equal(7, (await RunAsync("file", 0, Carl)).Before);
    }

    [Fact]
    public async Task What_was_received_or_read_in_between_is_no_line_either()
    {
        await RunAsync("file", 2, during: async store =>
        {
            await store.RecordMessageAsync(new ReceivedMessage(50, 0, Bert, 1, 1, DateTimeOffset.UnixEpoch, false, "hi"u8.ToArray()), MessageState.Received);
            await store.AddAsync([new OutboxDraft(Bert, SendKind.Read, 0, new byte[12], DateTimeOffset.UnixEpoch)]);
        });

        Assert.Equal(2, (await RunAsync("file", 0)).Before);
    }

    [Fact]
    public async Task Outcomes_are_remembered_and_those_that_came_meanwhile_are_found()
    {
        await RunAsync("file", 5, during: async store =>
        {
            await store.SetIncarnationAsync(9, 1);
            await store.SettleAsync(1, new SendOutcome(MessageState.Accepted));
            await store.SettleAsync(2, new SendOutcome(MessageState.Accepted));
            await store.SettleAsync(3, new SendOutcome(MessageState.Refused, (ushort)RefusalReason.BodyTooLarge));
            await store.RecordReceiptAsync(new ReceivedReceipt(60, 0, Bert, 9, ReceiptKind.Delivered, 0, [1, 2]));
        });

        var (before, counts) = await RunAsync("file", 0);

        Assert.Equal(5, before);
        Assert.Equal(new ReplayCounts(Sent: 5, Accepted: 2, Delivered: 2, Failed: 1, Open: 2), counts);
        Assert.Equal(2, counts.Undelivered);
    }

    [Fact]
    public async Task A_finished_replay_begins_anew()
    {
        await RunAsync("file", 3, during: store =>
        {
            ((ReplayStore)store).Forget();
            return Task.CompletedTask;
        });

        Assert.Equal(0, (await RunAsync("file", 0)).Before);
    }

    [Fact]
    public void The_same_news_twice_counts_once_and_late_news_settles_the_unknown()
    {
        var tracker = new ReplayTracker();
        tracker.OnAdded([Entry(1), Entry(2), Entry(3)]);
        foreach (var _ in (int[])[1, 2])
        {
            tracker.OnOutcome(1, new SendOutcome(MessageState.Accepted));
            tracker.OnOutcome(2, new SendOutcome(MessageState.Delivered));
            tracker.OnOutcome(2, new SendOutcome(MessageState.Accepted));
            tracker.OnOutcome(3, new SendOutcome(MessageState.OutcomeUnknown));
            tracker.OnOutcome(99, new SendOutcome(MessageState.Delivered));
        }

        Assert.Equal(new ReplayCounts(Sent: 3, Accepted: 2, Delivered: 1, Failed: 1, Open: 0), tracker.Counts);
        tracker.OnOutcome(3, new SendOutcome(MessageState.Delivered));
        tracker.OnOutcome(1, new SendOutcome(MessageState.Read));
        Assert.Equal(new ReplayCounts(Sent: 3, Accepted: 3, Delivered: 3, Failed: 0, Open: 0), tracker.Counts);
    }

    [Fact]
    public async Task Whoever_waits_for_counts_hears_of_them()
    {
        var tracker = new ReplayTracker();
        tracker.OnAdded([Entry(1)]);
        var waiting = tracker.WaitAsync(c => c.Undelivered == 0, CancellationToken.None);
        tracker.OnOutcome(1, new SendOutcome(MessageState.Accepted));
        Assert.False(waiting.IsCompleted);

        tracker.OnOutcome(1, new SendOutcome(MessageState.Delivered));

        await waiting.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private async Task<(long Before, ReplayCounts Counts)> RunAsync(string path, int lines, Address? to = null, Func<IMessageStore, Task>? during = null)
    {
        var state = new DeviceState(_folder.Path, Anna);
        var tracker = new ReplayTracker();
        await using var store = new ReplayStore(state.OpenStore(), state, tracker, path, to ?? Bert);
        await store.OpenAsync(Anna, CancellationToken.None);
        for (var i = 0; i < lines; i++) await store.AddAsync([Draft(to ?? Bert, $"line {i}")]);
        if (during is not null) await during(store);
        return (store.LinesBefore, tracker.Counts);
    }

    private async Task SendAsync(Address to, string text)
    {
        var state = new DeviceState(_folder.Path, Anna);
        await using var store = new SettlingStore(state.OpenStore(), state);
        await store.OpenAsync(Anna, CancellationToken.None);
        await store.AddAsync([Draft(to, text)]);
    }

    private static OutboxDraft Draft(Address to, string text) => new(to, SendKind.Message, 0, Encoding.UTF8.GetBytes(text), DateTimeOffset.UnixEpoch);

    private static OutboxEntry Entry(long id) => new(id, (ulong)id, Bert, SendKind.Message, 0, default);
}
