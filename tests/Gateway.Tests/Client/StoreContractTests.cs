using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>What <see cref="IMessageStore"/> promises, asked of every store.</summary>
public abstract class StoreContractTests : IAsyncLifetime
{
    private static readonly Address Me = new(AddressKind.User, 1, 1);
    private static readonly Address Bob = new(AddressKind.User, 42);
    private static readonly Address Carol = new(AddressKind.User, 43);

    private IMessageStore _store = null!;

    /// <summary>A store; with <paramref name="before"/>, one that holds what that one holds, as after a restart.</summary>
    protected abstract Task<IMessageStore> MakeAsync(IMessageStore? before, int maxHistory = 1000);

    public async Task InitializeAsync() => _store = await MakeAsync(null);

    public virtual async Task DisposeAsync() => await _store.DisposeAsync();

    [Fact]
    public async Task A_new_store_has_no_incarnation_no_position_and_begins_with_number_1()
    {
        var snapshot = await OpenAsync();
        Assert.Equal(new StoreSnapshot(0, 0, 0, 1, 1, 0, 0), snapshot);
    }

    [Fact]
    public async Task It_belongs_to_the_device_that_opened_it_first()
    {
        await OpenAsync();
        await ReopenAsync();
        var error = await Assert.ThrowsAsync<MessageStoreException>(() => _store.OpenAsync(Bob, default));
        Assert.Contains("belongs to 1:1", error.Message, StringComparison.Ordinal);
        _store = await MakeAsync(_store);
    }

    [Fact]
    public async Task Numbers_are_given_in_order_and_survive_a_restart()
    {
        await OpenAsync();
        var first = await _store.AddAsync([Draft("a"), Draft("b", Carol)]);
        var second = await _store.AddAsync([Draft("c")]);
        Assert.Equal([1UL, 2UL, 3UL], first.Concat(second).Select(e => e.Number));
        Assert.True(first[0].Id < first[1].Id && first[1].Id < second[0].Id);

        await ReopenAsync();
        var snapshot = await OpenAsync();
        Assert.Equal((4UL, 1UL, 3, second[0].Id), (snapshot.NextNumber, snapshot.LowestOpen, snapshot.OpenCount, snapshot.LastId));
        var open = await _store.ReadOpenAsync(1, ulong.MaxValue, 10);
        Assert.Equal([(1UL, Bob, "a"), (2UL, Carol, "b"), (3UL, Bob, "c")], open.Select(e => (e.Number, e.To, Text(e.Body))));
    }

    [Fact]
    public async Task Open_messages_are_read_by_range_in_order_and_at_most_so_many()
    {
        await OpenAsync();
        var added = await _store.AddAsync([.. Enumerable.Range(0, 10).Select(i => Draft($"{i}"))]);
        await _store.SettleAsync(added[3].Id, new SendOutcome(MessageState.Accepted));
        Assert.Equal([3UL, 5UL, 6UL], (await _store.ReadOpenAsync(3, 8, 3)).Select(e => e.Number));
        Assert.Equal([9UL, 10UL], (await _store.ReadOpenAsync(9, ulong.MaxValue, 64)).Select(e => e.Number));
        Assert.Empty(await _store.ReadOpenAsync(4, 5, 64));
    }

    [Fact]
    public async Task A_settled_message_is_open_no_more_and_keeps_its_first_final_outcome()
    {
        await OpenAsync();
        var added = await _store.AddAsync([Draft("a"), Draft("b")]);
        await _store.SettleAsync(added[0].Id, new SendOutcome(MessageState.Refused, (ushort)RefusalReason.UnsupportedRecipient));
        await _store.SettleAsync(added[0].Id, new SendOutcome(MessageState.Accepted));
        var snapshot = await OpenAsync();
        Assert.Equal((2UL, 1), (snapshot.LowestOpen, snapshot.OpenCount));
        var found = await _store.FindAsync(added[0].Id);
        Assert.Equal((MessageState.Refused, (ushort)258), (found!.State, found.Reason));
    }

    [Fact]
    public async Task The_incarnation_is_kept_and_open_messages_belong_to_it()
    {
        await OpenAsync();
        var added = await _store.AddAsync([Draft("a")]);
        await _store.SetIncarnationAsync(7, 3);
        await ReopenAsync();
        var snapshot = await OpenAsync();
        Assert.Equal((7U, 3U), (snapshot.Incarnation, snapshot.Generation));
        Assert.Equal(7U, (await _store.FindAsync(added[0].Id))!.Incarnation);
    }

    [Fact]
    public async Task A_fence_makes_everything_open_unknown_and_numbers_begin_anew()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(5, 1);
        var added = await _store.AddAsync([.. Enumerable.Range(1, 200).Select(i => Draft($"{i}"))]);
        foreach (var i in new[] { 0, 1, 3 }) await _store.SettleAsync(added[i].Id, new SendOutcome(MessageState.Accepted));

        // Also what lies beyond the window: this store never saw it sent, but its copy may have sent it.
        var settled = await _store.FenceAsync();
        Assert.Equal(added.Where(e => e.Number is not (1 or 2 or 4)).Select(e => (e.Id, new SendOutcome(MessageState.OutcomeUnknown))), settled.Select(m => (m.Id, m.Outcome)));

        await ReopenAsync();
        var snapshot = await OpenAsync();
        Assert.Equal((0U, 1UL, 1UL, 0), (snapshot.Incarnation, snapshot.NextNumber, snapshot.LowestOpen, snapshot.OpenCount));
        Assert.Empty(await _store.ReadOpenAsync(1, ulong.MaxValue, 1000));
        Assert.Equal(1UL, (await _store.AddAsync([Draft("next")]))[0].Number);
    }

    [Fact]
    public async Task A_fence_tells_what_a_receipt_had_said()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(5, 1);
        var added = await _store.AddAsync([Draft("delivered"), Draft("seen, says its peer"), Draft("seen and delivered")]);
        await _store.RecordReceiptAsync(Receipt(1, 5, ReceiptKind.Read, 0, 2, 3));
        await _store.RecordReceiptAsync(Receipt(2, 5, ReceiptKind.Delivered, 0, 1, 3));
        Assert.Equal(
            [(added[0].Id, MessageState.Delivered), (added[1].Id, MessageState.OutcomeUnknown), (added[2].Id, MessageState.Read)],
            (await _store.FenceAsync()).Select(m => (m.Id, m.Outcome.State)));
    }

    [Fact]
    public async Task After_a_fence_receipts_for_the_old_incarnation_still_find_their_messages()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(5, 1);
        var old = (await _store.AddAsync([Draft("old")]))[0];
        await _store.FenceAsync();
        await _store.SetIncarnationAsync(6, 1);
        var fresh = (await _store.AddAsync([Draft("fresh")]))[0];
        Assert.Equal(old.Number, fresh.Number);

        var changed = await _store.RecordReceiptAsync(Receipt(100, 5, ReceiptKind.Delivered, 0, 1));
        Assert.Equal(old.Id, Assert.Single(changed).Id);
        Assert.Equal(MessageState.Delivered, (await _store.FindAsync(old.Id))!.State);
        Assert.Equal(MessageState.Open, (await _store.FindAsync(fresh.Id))!.State);
    }

    [Fact]
    public async Task A_message_and_the_position_are_stored_together_and_once()
    {
        await OpenAsync();
        await _store.RecordMessageAsync(Message(10, "a"), MessageState.Received);
        await _store.RecordMessageAsync(Message(10, "again"), MessageState.Received);
        await _store.RecordMessageAsync(Message(7, "late"), MessageState.Received);
        await _store.RecordMessageAsync(Message(12, "b"), MessageState.RejectedHere);
        await ReopenAsync();
        Assert.Equal(12UL, (await OpenAsync()).Position);
        var history = await _store.ReadHistoryAsync(null, long.MaxValue, 10);
        Assert.Equal([(12UL, "b", MessageState.RejectedHere), (10UL, "a", MessageState.Received)], history.Select(e => (e.Sequence, Text(e.Body), e.State)));
        Assert.All(history, e => Assert.False(e.Sent));
    }

    [Fact]
    public async Task A_receipt_moves_the_position_and_changes_what_it_names_once()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var added = await _store.AddAsync([Draft("a"), Draft("b"), Draft("c", Carol)]);
        foreach (var entry in added) await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.Accepted));

        // Number 3 went to Carol: Bob's receipt says nothing about it. Number 9 was never given.
        var changed = await _store.RecordReceiptAsync(Receipt(50, 1, ReceiptKind.Rejected, 17, 1, 2, 3, 9));
        Assert.Equal([(added[0].Id, new SendOutcome(MessageState.Rejected, 17)), (added[1].Id, new SendOutcome(MessageState.Rejected, 17))], changed.Select(m => (m.Id, m.Outcome)));
        Assert.Empty(await _store.RecordReceiptAsync(Receipt(50, 1, ReceiptKind.Rejected, 17, 1)));
        Assert.Empty(await _store.RecordReceiptAsync(Receipt(51, 1, ReceiptKind.Delivered, 0, 1)));
        Assert.Equal(51UL, (await OpenAsync()).Position);
        Assert.Equal(MessageState.Accepted, (await _store.FindAsync(added[2].Id))!.State);
    }

    [Fact]
    public async Task Read_follows_delivered_and_never_the_other_way_round()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var entry = (await _store.AddAsync([Draft("a")]))[0];
        await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.Accepted));
        await _store.RecordReceiptAsync(Receipt(1, 1, ReceiptKind.Read, 0, 1));
        await _store.RecordReceiptAsync(Receipt(2, 1, ReceiptKind.Delivered, 0, 1));
        Assert.Equal(MessageState.Read, (await _store.FindAsync(entry.Id))!.State);
    }

    [Theory]
    [InlineData(ReceiptKind.Delivered, MessageState.Delivered)]
    [InlineData(ReceiptKind.Rejected, MessageState.Rejected)]
    [InlineData(ReceiptKind.Read, MessageState.Read)]
    public async Task A_receipt_closes_no_open_message_and_counts_once_it_is_accepted(ReceiptKind kind, MessageState state)
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var entry = (await _store.AddAsync([Draft("a")]))[0];
        Assert.Empty(await _store.RecordReceiptAsync(Receipt(7, 1, kind, 3, 1)));
        await ReopenAsync();
        Assert.Equal((7UL, 1), (await OpenAsync()) is var s ? (s.Position, s.OpenCount) : default);
        Assert.Single(await _store.ReadOpenAsync(1, ulong.MaxValue, 10));

        var outcome = await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.Accepted));
        Assert.Equal(new SendOutcome(state, state == MessageState.Read ? (ushort)0 : (ushort)3), outcome);
        Assert.Equal(state, (await _store.FindAsync(entry.Id))!.State);
        Assert.Equal(0, (await OpenAsync()).OpenCount);
    }

    [Fact]
    public async Task Of_what_receipts_said_of_an_open_message_the_first_end_stands_and_read_comes_on_top()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var added = await _store.AddAsync([Draft("a"), Draft("b")]);
        await _store.RecordReceiptAsync(Receipt(1, 1, ReceiptKind.Read, 0, 1, 2));
        await _store.RecordReceiptAsync(Receipt(2, 1, ReceiptKind.Delivered, 0, 1));
        await _store.RecordReceiptAsync(Receipt(3, 1, ReceiptKind.Rejected, 9, 1, 2));
        foreach (var entry in added) await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.Accepted));
        Assert.Equal([MessageState.Rejected, MessageState.Read], (await _store.ReadHistoryAsync(null, long.MaxValue, 2)).Select(e => e.State));
    }

    [Fact]
    public async Task A_refusal_forgets_what_a_receipt_claimed()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var entry = (await _store.AddAsync([Draft("a")]))[0];
        await _store.RecordReceiptAsync(Receipt(1, 1, ReceiptKind.Read, 0, 1));
        var refused = new SendOutcome(MessageState.Refused, (ushort)RefusalReason.UnsupportedRecipient);
        Assert.Equal(refused, await _store.SettleAsync(entry.Id, refused));
    }

    [Fact]
    public async Task A_receipt_speaks_only_of_messages_to_exactly_its_peer()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var other = new Address(Bob.Kind, Bob.Number, (byte)(Bob.Device + 1));
        var group = new Address(AddressKind.Group, 7);
        var readBody = new byte[ReadBody.BodyBytes(1)];
        var added = (await _store.AddAsync([Draft("a", other), Draft("b", group), Draft("c") with { Kind = SendKind.Read, Body = readBody }, Draft("d")])).ToList();
        foreach (var entry in added) await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.Accepted));

        // Another device of the same person, a group, and a read receipt, which earns none: only the last is a message to Bob.
        var changed = await _store.RecordReceiptAsync(Receipt(1, 1, ReceiptKind.Read, 0, 1, 2, 3, 4));
        Assert.Equal([added[3].Id], changed.Select(m => m.Id));
        Assert.Equal(3, (await _store.ReadHistoryAsync(null, long.MaxValue, 10)).Count(e => e.State == MessageState.Accepted));
    }

    [Fact]
    public async Task A_peers_word_does_not_settle_an_outcome_that_is_unknown_but_is_kept()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var entry = (await _store.AddAsync([Draft("a")]))[0];
        await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.OutcomeUnknown));
        Assert.Empty(await _store.RecordReceiptAsync(Receipt(1, 1, ReceiptKind.Read, 0, 1)));
        Assert.Equal(MessageState.OutcomeUnknown, (await _store.FindAsync(entry.Id))!.State);
        Assert.Equal(new SendOutcome(MessageState.Read), Assert.Single(await _store.RecordReceiptAsync(Receipt(2, 1, ReceiptKind.Delivered, 0, 1))).Outcome);
    }

    [Fact]
    public async Task An_outcome_that_was_unknown_is_known_when_a_receipt_comes()
    {
        await OpenAsync();
        await _store.SetIncarnationAsync(1, 1);
        var entry = (await _store.AddAsync([Draft("a")]))[0];
        await _store.SettleAsync(entry.Id, new SendOutcome(MessageState.OutcomeUnknown));
        await _store.RecordReceiptAsync(Receipt(1, 1, ReceiptKind.Delivered, 0, 1));
        Assert.Equal(MessageState.Delivered, (await _store.FindAsync(entry.Id))!.State);
    }

    [Fact]
    public async Task A_received_message_is_marked_as_read_once()
    {
        await OpenAsync();
        await _store.RecordMessageAsync(Message(10, "a"), MessageState.Received);
        Assert.True(await _store.MarkReadAsync(10));
        Assert.False(await _store.MarkReadAsync(10));
        Assert.False(await _store.MarkReadAsync(11));
        Assert.Equal(MessageState.ReadHere, (await _store.ReadHistoryAsync(null, long.MaxValue, 1))[0].State);
    }

    [Fact]
    public async Task History_is_read_newest_first_by_peer_and_in_pages()
    {
        await OpenAsync();
        await _store.AddAsync([Draft("1"), Draft("2", Carol)]);
        await _store.RecordMessageAsync(Message(5, "3"), MessageState.Received);
        await _store.AddAsync([Draft("4")]);
        var first = await _store.ReadHistoryAsync(Bob, long.MaxValue, 2);
        Assert.Equal([("4", true), ("3", false)], first.Select(e => (Text(e.Body), e.Sent)));
        Assert.Equal(["1"], (await _store.ReadHistoryAsync(Bob, first[^1].Id, 2)).Select(e => Text(e.Body)));
        Assert.Equal(["4", "3", "2", "1"], (await _store.ReadHistoryAsync(null, long.MaxValue, 10)).Select(e => Text(e.Body)));
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), first[1].At);
    }

    [Fact]
    public async Task History_is_bounded_and_open_messages_are_never_dropped()
    {
        await _store.DisposeAsync();
        _store = await MakeAsync(null, maxHistory: 10);
        await OpenAsync();
        var open = (await _store.AddAsync([Draft("open")]))[0];
        for (var i = 1UL; i <= 2000; i++) await _store.RecordMessageAsync(Message(i, $"{i}"), MessageState.Received);
        var history = await _store.ReadHistoryAsync(null, long.MaxValue, 5000);
        Assert.InRange(history.Count, 11, 10 + 256 + 1);
        Assert.Equal("2000", Text(history[0].Body));
        Assert.Equal(open.Id, history[^1].Id);
        Assert.Equal(MessageState.Open, history[^1].State);
    }

    [Fact]
    public async Task Operations_take_effect_in_the_order_of_the_calls()
    {
        await OpenAsync();
        var add = _store.AddAsync([Draft("a")]);
        var record = Enumerable.Range(1, 500).Select(i => _store.RecordMessageAsync(Message((ulong)i, $"{i}"), MessageState.Received)).ToArray();
        var again = _store.AddAsync([Draft("b")]);
        await Task.WhenAll(record);
        Assert.Equal((1UL, 2UL), ((await add)[0].Number, (await again)[0].Number));
        var history = await _store.ReadHistoryAsync(null, long.MaxValue, 1000);
        Assert.Equal(Enumerable.Range(1, 500).Select(i => $"{i}").Prepend("a").Append("b").Reverse(), history.Select(e => Text(e.Body)));
    }

    protected async Task ReopenAsync() => _store = await MakeAsync(_store);

    private Task<StoreSnapshot> OpenAsync() => _store.OpenAsync(Me, default);

    private static OutboxDraft Draft(string body, Address to = default) =>
        new(to == default ? Bob : to, SendKind.Message, 0, System.Text.Encoding.UTF8.GetBytes(body), DateTimeOffset.UnixEpoch);

    private static ReceivedMessage Message(ulong sequence, string body) =>
        new(sequence, sequence - 1, Bob, 1, sequence, DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), false, System.Text.Encoding.UTF8.GetBytes(body));

    private static ReceivedReceipt Receipt(ulong sequence, uint incarnation, ReceiptKind kind, ushort reason, params ulong[] numbers) =>
        new(sequence, 0, Bob, incarnation, kind, reason, numbers);

    private static string Text(ReadOnlyMemory<byte> body) => System.Text.Encoding.UTF8.GetString(body.Span);
}

public sealed class MemoryStoreContractTests : StoreContractTests
{
    protected override Task<IMessageStore> MakeAsync(IMessageStore? before, int maxHistory = 1000) => Task.FromResult(before ?? new MemoryMessageStore(maxHistory));
}

#pragma warning disable CA1001 // xUnit calls DisposeAsync.
public sealed class SqliteStoreContractTests : StoreContractTests
#pragma warning restore CA1001
{
    private readonly TemporaryFolder _folder = new();
    private int _files;

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Dispose();
    }

    protected override async Task<IMessageStore> MakeAsync(IMessageStore? before, int maxHistory = 1000)
    {
        if (before is not SqliteMessageStore sqlite) return new SqliteMessageStore(_folder.File($"{++_files}.db"), SqliteDurability.Normal, maxHistory);
        await sqlite.DisposeAsync();
        return new SqliteMessageStore(sqlite.Path, SqliteDurability.Normal, maxHistory);
    }
}
