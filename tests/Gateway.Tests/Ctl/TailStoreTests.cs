using System.Text;
using Gateway.Client;
using Gateway.Ctl;
using Gateway.Ctl.Messaging;
using Gateway.Ctl.Tail;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>Each message in the file once and in order, wherever the last run was cut off; acknowledged only when it is there.</summary>
public sealed class TailStoreTests : IDisposable
{
    private static readonly Address Bert = new(AddressKind.User, 15550002);
    private readonly TemporaryFolder _folder = new();
    private readonly DeviceState _state;

    public TailStoreTests() => _state = new DeviceState(_folder.Path, Bert);

    public void Dispose() => _folder.Dispose();

    private string Out => _folder.File("out.txt");

    [Fact]
    public async Task A_recorded_message_is_in_the_file_and_the_mark_covers_it()
    {
        await using (var store = await OpenAsync())
        {
            await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);
            Assert.Equal("one\n", Read());
            await Task.WhenAll(Enumerable.Range(11, 100).Select(i => store.RecordMessageAsync(Message((ulong)i, $"m{i}"), MessageState.Received)));
        }

        Assert.Equal("one\n" + string.Concat(Enumerable.Range(11, 100).Select(i => $"m{i}\n")), Read());
        await using var again = await OpenAsync();
        Assert.Equal((110ul, 101L), (again.Resume, again.CountBefore));
    }

    [Fact]
    public async Task What_a_killed_run_wrote_beyond_its_mark_is_cut_off_and_comes_again()
    {
        await using (var store = await OpenAsync()) await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);
        File.AppendAllText(Out, "two\nthr");

        await using (var store = await OpenAsync())
        {
            Assert.Equal("one\n", Read());
            await store.RecordMessageAsync(Message(20, "two"), MessageState.Received);
            await store.RecordMessageAsync(Message(30, "three"), MessageState.Received);
        }

        Assert.Equal("one\ntwo\nthree\n", Read());
    }

    [Fact]
    public async Task A_message_that_the_file_has_is_not_written_again_though_the_store_lacks_it()
    {
        await using (var store = await OpenAsync()) await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);
        // Killed after the file's mark and before the store's commit.
        File.Delete(_state.StorePath);

        await using (var store = await OpenAsync())
        {
            Assert.Equal(10ul, store.Resume);
            await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);
            await store.RecordMessageAsync(Message(11, "two"), MessageState.Received);
            await store.RecordMessageAsync(Message(11, "two"), MessageState.Received);
        }

        Assert.Equal("one\ntwo\n", Read());
    }

    [Fact]
    public async Task A_file_that_is_there_is_kept_and_appended_to()
    {
        File.WriteAllText(Out, "before\n");

        await using (var store = await OpenAsync()) await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);

        Assert.Equal("before\none\n", Read());
    }

    [Fact]
    public async Task A_new_file_begins_where_the_device_stands()
    {
        await using (var store = await OpenAsync()) await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);

        foreach (var _ in (int[])[1, 2])
        {
            await using var other = await OpenAsync("other.txt");
            Assert.Equal((10ul, 0L), (other.Resume, other.CountBefore));
        }
    }

    [Fact]
    public async Task A_file_that_lost_messages_is_refused()
    {
        await using (var store = await OpenAsync()) await store.RecordMessageAsync(Message(10, "one"), MessageState.Received);
        File.WriteAllText(Out, "o");

        var error = await Assert.ThrowsAsync<CtlException>(async () => await (await OpenAsync()).DisposeAsync());

        Assert.Equal(ExitCode.Local, error.ExitCode);
        Assert.Contains("has 1 bytes, but 4 were written", error.Message, StringComparison.Ordinal);
        Assert.Equal("o", Read());
    }

    [Fact]
    public async Task A_body_stays_on_its_line()
    {
        await using (var store = await OpenAsync())
        {
            await store.RecordMessageAsync(Message(10, "a\nb\n"), MessageState.Received);
            await store.RecordMessageAsync(Message(11, ""), MessageState.Received);
        }

        Assert.Equal("a\\nb\\n\n\n", Read());
    }

    [Fact]
    public async Task Receipts_keep_their_place_among_messages_and_leave_no_line()
    {
        await using var store = await OpenAsync();
        var first = store.RecordMessageAsync(Message(10, "one"), MessageState.Received);
        var receipt = store.RecordReceiptAsync(new ReceivedReceipt(11, 10, Bert, 1, ReceiptKind.Delivered, 0, [1]));
        var second = store.RecordMessageAsync(Message(12, "two"), MessageState.Received);
        await Task.WhenAll(first, receipt, second);

        Assert.Empty(await receipt);
        Assert.Equal("one\ntwo\n", Read());
        Assert.Equal([12ul, 10ul], (await store.ReadHistoryAsync(null, long.MaxValue, 10)).Select(e => e.Sequence));
    }

    [Fact]
    public async Task After_a_failed_write_nothing_is_recorded_any_more()
    {
        // The device is full at once: /dev/full answers every write with ENOSPC.
        File.CreateSymbolicLink(Out, "/dev/full");
        await using var store = await OpenAsync();

        for (var i = 10ul; i < 13; i++)
        {
            var error = await Assert.ThrowsAsync<MessageStoreException>(() => store.RecordMessageAsync(Message(i, "one"), MessageState.Received));
            Assert.Contains("out.txt: cannot be written", error.Message, StringComparison.Ordinal);
        }

        Assert.Empty(await store.ReadHistoryAsync(null, long.MaxValue, 10));
    }

    [Fact]
    public async Task A_device_whose_state_is_in_use_is_told_so()
    {
        await using var store = await OpenAsync();

        var error = await Assert.ThrowsAsync<MessageStoreException>(() => OpenAsync());

        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
    }

    private async Task<TailStore> OpenAsync(string file = "out.txt")
    {
        var store = new TailStore(_state.OpenStore(), _state, _folder.File(file), _ => { });
        try
        {
            await store.OpenAsync(Bert, CancellationToken.None);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    private string Read() => File.ReadAllText(Out);

    private static ReceivedMessage Message(ulong sequence, string text) =>
        new(sequence, 0, new Address(AddressKind.User, 15550001), 1, sequence, DateTimeOffset.UnixEpoch, false, Encoding.UTF8.GetBytes(text));
}
