using Gateway.Client;
using Gateway.Protocol;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>What only the SQLite store has: a file that can be locked, foreign, too new, or in trouble; and batches.</summary>
public sealed class SqliteStoreTests : IDisposable
{
    private static readonly Address Me = new(AddressKind.User, 1, 1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_store_in_use_is_refused_with_a_sentence()
    {
        await using var first = new SqliteMessageStore(_folder.File("a.db"));
        await first.OpenAsync(Me, default);
        await using var second = new SqliteMessageStore(_folder.File("a.db"));
        var error = await Assert.ThrowsAsync<MessageStoreException>(() => second.OpenAsync(Me, default));
        Assert.Contains("in use by another client", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_foreign_database_is_refused_and_left_alone()
    {
        await ExecuteAsync("CREATE TABLE other(x); INSERT INTO other VALUES(1);");
        await using (var store = new SqliteMessageStore(_folder.File("a.db")))
        {
            var error = await Assert.ThrowsAsync<MessageStoreException>(() => store.OpenAsync(Me, default));
            Assert.Contains("not a message store", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(1L, await ExecuteAsync("SELECT x FROM other"));
        Assert.Equal(0L, await ExecuteAsync("SELECT count(*) FROM sqlite_master WHERE name='message'"));
    }

    [Fact]
    public async Task A_newer_format_is_refused_with_both_versions()
    {
        await using (var store = new SqliteMessageStore(_folder.File("a.db"))) await store.OpenAsync(Me, default);
        await ExecuteAsync("PRAGMA user_version=9");
        await using var again = new SqliteMessageStore(_folder.File("a.db"));
        var error = await Assert.ThrowsAsync<MessageStoreException>(() => again.OpenAsync(Me, default));
        Assert.Contains("has format 9; this client reads format 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_of_format_1_is_taken_over_with_what_it_holds()
    {
        await using (var store = new SqliteMessageStore(_folder.File("a.db")))
        {
            await store.OpenAsync(Me, default);
            await store.SetIncarnationAsync(1, 1);
            await store.AddAsync([new OutboxDraft(Me, SendKind.Message, 0, "kept"u8.ToArray(), DateTimeOffset.UnixEpoch)]);
        }

        await ExecuteAsync("ALTER TABLE message DROP COLUMN told; ALTER TABLE message DROP COLUMN told_reason; ALTER TABLE message DROP COLUMN said_read; PRAGMA user_version=1;");
        await using var again = new SqliteMessageStore(_folder.File("a.db"));
        Assert.Equal(1, (await again.OpenAsync(Me, default)).OpenCount);
        Assert.Empty(await again.RecordReceiptAsync(new ReceivedReceipt(9, 0, Me, 1, ReceiptKind.Delivered, 0, [1])));
        Assert.Equal(MessageState.Delivered, (await again.SettleAsync(1, new SendOutcome(MessageState.Accepted))).State);
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused()
    {
        await File.WriteAllTextAsync(_folder.File("a.db"), new string('x', 5000));
        await using var store = new SqliteMessageStore(_folder.File("a.db"));
        await Assert.ThrowsAsync<MessageStoreException>(() => store.OpenAsync(Me, default));
    }

    [Theory]
    [InlineData(SqliteDurability.Full, 2L)]
    [InlineData(SqliteDurability.Normal, 1L)]
    public void Durability_is_what_SQLite_is_told(SqliteDurability durability, long synchronous)
    {
        using var tables = new SqliteTables(_folder.File("a.db"), durability, 10);
        Assert.Equal(synchronous, tables.Scalar("PRAGMA synchronous"));
        Assert.Equal("wal", tables.Text("PRAGMA journal_mode"));
    }

    [Fact]
    public async Task Operations_that_queue_up_share_a_transaction()
    {
        await using var store = new SqliteMessageStore(_folder.File("a.db"), queueLength: 64, maxBatch: 50);
        await store.OpenAsync(Me, default);
        var before = store.Commits;
        await Task.WhenAll(Enumerable.Range(1, 5000).Select(i => store.RecordMessageAsync(Message((ulong)i), MessageState.Received)));
        // More than the queue holds, so callers waited for room; at best 50 operations a transaction.
        Assert.InRange(store.Commits - before, 100, 2500);
        Assert.Equal(5000UL, (await store.OpenAsync(Me, default)).Position);
    }

    [Fact]
    public async Task A_failure_fails_everything_after_it_and_takes_back_nothing_before_it()
    {
        await using (var first = new SqliteMessageStore(_folder.File("a.db"))) await first.OpenAsync(Me, default);
        await ExecuteAsync("CREATE TRIGGER fault BEFORE INSERT ON message WHEN NEW.sequence=2 BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END");
        var store = new SqliteMessageStore(_folder.File("a.db"));
        await store.OpenAsync(Me, default);
        await store.RecordMessageAsync(Message(1), MessageState.Received);
        var error = await Assert.ThrowsAsync<MessageStoreException>(() => store.RecordMessageAsync(Message(2), MessageState.Received));
        Assert.Contains("the disk is gone", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<MessageStoreException>(() => store.RecordMessageAsync(Message(3), MessageState.Received));
        await store.DisposeAsync();
        await using var again = new SqliteMessageStore(_folder.File("a.db"));
        Assert.Equal(1UL, (await again.OpenAsync(Me, default)).Position);
    }

    [Fact]
    public async Task What_is_queued_is_stored_before_the_store_closes()
    {
        var store = new SqliteMessageStore(_folder.File("a.db"), SqliteDurability.Normal);
        await store.OpenAsync(Me, default);
        var stored = Enumerable.Range(1, 300).Select(i => store.RecordMessageAsync(Message((ulong)i), MessageState.Received)).ToArray();
        await store.DisposeAsync();
        await Task.WhenAll(stored);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.RecordMessageAsync(Message(301), MessageState.Received));
        await using var again = new SqliteMessageStore(_folder.File("a.db"));
        Assert.Equal(300UL, (await again.OpenAsync(Me, default)).Position);
    }

    private static ReceivedMessage Message(ulong sequence) => new(sequence, sequence - 1, Me, 1, sequence, DateTimeOffset.UnixEpoch, false, new byte[20]);

    private async Task<object?> ExecuteAsync(string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={_folder.File("a.db")};Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync();
    }
}
