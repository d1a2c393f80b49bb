using Gateway.Protocol;
using Microsoft.Data.Sqlite;

namespace Gateway.Client;

/// <summary>
/// The tables of <see cref="SqliteMessageStore"/> and the statements on them. Owned by the writer's thread. The identity row is kept in
/// fields and written once a transaction. Any exception ends the store, so the fields never outlive a rollback.
/// <code>
/// identity  one row: owner, incarnation, generation, position, next number
/// message   id | sent 0/1 | peer | state | reason | incarnation | number | sequence | kind | expiry s | at ms | body | told | told_reason | said_read
///           index of sent ones by (incarnation, number); unique sequence of received ones; index of the open ones by number
/// </code>
/// Sent ones: state with reason, told with its reason and said_read are a <see cref="SentState"/>. Format 1 lacked the last three columns.
/// Unsigned values are stored as SQLite's signed 64 bits; sequences, numbers and addresses stay below 2^63.
/// </summary>
internal sealed class SqliteTables : IDisposable
{
    private const int ApplicationId = 0x47575931; // "GWY1"
    private const int SchemaVersion = 2;
    private const string AddHeard = "ALTER TABLE message ADD COLUMN told INTEGER NOT NULL DEFAULT 0; ALTER TABLE message ADD COLUMN told_reason INTEGER NOT NULL DEFAULT 0; ALTER TABLE message ADD COLUMN said_read INTEGER NOT NULL DEFAULT 0;";
    private const string SentColumns = "id, peer, kind, state, reason, told, told_reason, said_read";
    private const string Columns = "id, sent, peer, state, reason, incarnation, number, sequence, kind, at, body";

    private readonly long _maxHistory;
    private readonly SqliteConnection _connection;
    private readonly List<SqliteCommand> _prepared = [];
    private readonly SqliteCommand _begin, _commit, _rollback, _saveIdentity, _insertSent, _insertReceived, _readOpen, _find, _readState, _findSent, _setState, _readOpenStates, _adopt, _readHistory, _readPeer, _markRead, _trim, _lowestOpen;
    private Address _owner;
    private uint _incarnation;
    private uint _generation;
    private ulong _position;
    private ulong _nextNumber;
    private bool _identityChanged;
    private long _closed;

    /// <exception cref="MessageStoreException">In use, of another kind or version, or not readable.</exception>
    public SqliteTables(string path, SqliteDurability durability, long maxHistory)
    {
        _maxHistory = maxHistory;
        // Pooling would keep the file open, and locked, behind Dispose. A timeout of 0 would wait for a locked file for ever.
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 1 }.ToString());
        try
        {
            _connection.Open();
            CreateOrCheck(path, durability);
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            const int busy = 5, locked = 6;
            throw e.SqliteErrorCode is busy or locked
                ? new MessageStoreException($"'{path}' is in use by another client.", e)
                : new MessageStoreException($"'{path}' cannot be opened: {e.Message}", e);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }

        _begin = Prepare("BEGIN");
        _commit = Prepare("COMMIT");
        _rollback = Prepare("ROLLBACK");
        _saveIdentity = Prepare("UPDATE identity SET owner=@a, incarnation=@b, generation=@c, position=@d, next_number=@e", 5);
        _insertSent = Prepare("INSERT INTO message(sent, peer, state, incarnation, number, kind, expiry, at, body) VALUES(1, @a, 0, @b, @c, @d, @e, @f, @g) RETURNING id", 7);
        _insertReceived = Prepare("INSERT INTO message(sent, peer, state, incarnation, number, sequence, at, body) VALUES(0, @a, @b, @c, @d, @e, @f, @g)", 7);
        _readOpen = Prepare("SELECT id, number, peer, kind, expiry, body FROM message WHERE sent=1 AND state=0 AND number>=@a AND number<@b ORDER BY number LIMIT @c", 3);
        _find = Prepare($"SELECT {Columns} FROM message WHERE id=@a", 1);
        _readState = Prepare($"SELECT {SentColumns} FROM message WHERE sent=1 AND id=@a", 1);
        _findSent = Prepare($"SELECT {SentColumns} FROM message WHERE sent=1 AND incarnation=@a AND number=@b ORDER BY id DESC LIMIT 1", 2);
        _setState = Prepare("UPDATE message SET state=@b, reason=@c, told=@d, told_reason=@e, said_read=@f WHERE id=@a", 6);
        _readOpenStates = Prepare($"SELECT {SentColumns} FROM message WHERE sent=1 AND state=0 ORDER BY number");
        _adopt = Prepare("UPDATE message SET incarnation=@a WHERE sent=1 AND state=0", 1);
        _readHistory = Prepare($"SELECT {Columns} FROM message WHERE id<@a ORDER BY id DESC LIMIT @b", 2);
        _readPeer = Prepare($"SELECT {Columns} FROM message WHERE id<@a AND peer=@c ORDER BY id DESC LIMIT @b", 3);
        _markRead = Prepare($"UPDATE message SET state={(int)MessageState.ReadHere} WHERE sent=0 AND sequence=@a AND state={(int)MessageState.Received}", 1);
        _trim = Prepare("DELETE FROM message WHERE id IN (SELECT id FROM message WHERE state<>0 ORDER BY id LIMIT @a)", 1);
        _lowestOpen = Prepare("SELECT min(number) FROM message WHERE sent=1 AND state=0");
        LoadIdentity();
    }

    public void Begin() => _begin.ExecuteNonQuery();

    public void Commit()
    {
        // Trimming in strides keeps its cost out of most transactions.
        const int stride = 256;
        if (_closed >= _maxHistory + stride) _closed -= Execute(_trim, _closed - _maxHistory);
        if (_identityChanged) Execute(_saveIdentity, (long)_owner.Value, _incarnation, _generation, (long)_position, (long)_nextNumber);
        _commit.ExecuteNonQuery();
        _identityChanged = false;
    }

    public void TryRollback()
    {
        try
        {
            _rollback.ExecuteNonQuery();
        }
        catch (SqliteException)
        {
            // SQLite has rolled back by itself; what failed before is the news.
        }
    }

    public StoreSnapshot Bind(Address owner)
    {
        if (_owner != default && _owner != owner) throw new MessageStoreException($"The store belongs to {_owner}, not to {owner}.");
        if (_owner == default)
        {
            _owner = owner;
            _identityChanged = true;
        }

        return new StoreSnapshot(
            _incarnation, _generation, _position, LowestOpen(), _nextNumber, (int)Scalar("SELECT count(*) FROM message WHERE sent=1 AND state=0"), Scalar("SELECT ifnull(max(id), 0) FROM message"));
    }

    public void SetIncarnation(uint incarnation, uint generation)
    {
        _generation = generation;
        _identityChanged = true;
        if (_incarnation == incarnation) return;
        _incarnation = incarnation;
        Execute(_adopt, incarnation);
    }

    public IReadOnlyList<OutboxEntry> Add(IReadOnlyList<OutboxDraft> drafts)
    {
        var entries = new OutboxEntry[drafts.Count];
        for (var i = 0; i < entries.Length; i++)
        {
            var draft = drafts[i];
            var number = _nextNumber++;
            Bind(_insertSent, (long)draft.To.Value, _incarnation, (long)number, (int)draft.Kind, draft.ExpirySeconds, draft.At.ToUnixTimeMilliseconds(), Bytes(draft.Body));
            var id = (long)_insertSent.ExecuteScalar()!;
            entries[i] = new OutboxEntry(id, number, draft.To, draft.Kind, draft.ExpirySeconds, draft.Body);
        }

        _identityChanged = true;
        return entries;
    }

    public IReadOnlyList<OutboxEntry> ReadOpen(ulong from, ulong below, int max)
    {
        Bind(_readOpen, Signed(from), Signed(below), max);
        using var reader = _readOpen.ExecuteReader();
        var entries = new List<OutboxEntry>();
        while (reader.Read())
        {
            entries.Add(new OutboxEntry(
                reader.GetInt64(0), (ulong)reader.GetInt64(1), new Address((ulong)reader.GetInt64(2)), (SendKind)reader.GetByte(3), (uint)reader.GetInt64(4), reader.GetFieldValue<byte[]>(5)));
        }

        return entries;
    }

    public SendOutcome Settle(long id, SendOutcome outcome)
    {
        Bind(_readState, id);
        if (ReadSent(_readState) is not { } sent) return outcome;
        var settled = sent.State.Settle(outcome);
        Change(sent, settled);
        return settled.Outcome;
    }

    public IReadOnlyList<SettledMessage> Fence()
    {
        var open = new List<Sent>();
        using (var reader = _readOpenStates.ExecuteReader())
        {
            while (reader.Read()) open.Add(ReadSent(reader));
        }

        var settled = new List<SettledMessage>(open.Count);
        foreach (var sent in open)
        {
            var state = sent.State.Settle(new SendOutcome(MessageState.OutcomeUnknown));
            Change(sent, state);
            settled.Add(new SettledMessage(sent.Id, sent.To, state.Outcome));
        }

        _incarnation = 0;
        _nextNumber = 1;
        _identityChanged = true;
        return settled;
    }

    public void RecordMessage(ReceivedMessage message, MessageState state)
    {
        if (!MovePosition(message.Sequence)) return;
        Execute(_insertReceived, (long)message.From.Value, (int)state, message.Incarnation, (long)message.Number, (long)message.Sequence,
            message.EnqueuedAt.ToUnixTimeMilliseconds(), Bytes(message.Body));
        _closed++;
    }

    public IReadOnlyList<SettledMessage> RecordReceipt(ReceivedReceipt receipt)
    {
        if (!MovePosition(receipt.Sequence)) return [];
        var changed = new List<SettledMessage>();
        foreach (var number in receipt.Numbers)
        {
            Bind(_findSent, receipt.Incarnation, Signed(number));
            if (ReadSent(_findSent) is not { } sent || !SentState.Concerns(receipt.Peer, sent.To, sent.Kind)) continue;
            var state = sent.State.Hear(receipt);
            if (Change(sent, state)) changed.Add(new SettledMessage(sent.Id, sent.To, state.Outcome));
        }

        return changed;
    }

    public bool MarkRead(ulong sequence) => Execute(_markRead, Signed(sequence)) == 1;

    public HistoryEntry? Find(long id)
    {
        Bind(_find, id);
        using var reader = _find.ExecuteReader();
        return reader.Read() ? ReadEntry(reader) : null;
    }

    public IReadOnlyList<HistoryEntry> ReadHistory(Address? peer, long before, int max)
    {
        var command = peer is null ? _readHistory : _readPeer;
        if (peer is null) Bind(command, before, max);
        else Bind(command, before, max, (long)peer.Value.Value);
        using var reader = command.ExecuteReader();
        var entries = new List<HistoryEntry>();
        while (reader.Read()) entries.Add(ReadEntry(reader));
        return entries;
    }

    public void Dispose()
    {
        foreach (var command in _prepared) command.Dispose();
        _connection.Dispose();
    }

    private void CreateOrCheck(string path, SqliteDurability durability)
    {
        // Exclusive before WAL: the index of the log then lives in memory, and the lock is held from the first access to the end of the process.
        Run("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;");
        Run($"PRAGMA synchronous={(durability == SqliteDurability.Full ? "FULL" : "NORMAL")}; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;");
        Run("BEGIN EXCLUSIVE");
        var version = Scalar("PRAGMA user_version");
        if (version == 0 && Scalar("SELECT count(*) FROM sqlite_master") == 0)
        {
            Run($"""
                PRAGMA application_id={ApplicationId};
                PRAGMA user_version={SchemaVersion};
                CREATE TABLE identity(owner INTEGER NOT NULL, incarnation INTEGER NOT NULL, generation INTEGER NOT NULL, position INTEGER NOT NULL, next_number INTEGER NOT NULL);
                INSERT INTO identity VALUES(0, 0, 0, 0, 1);
                CREATE TABLE message(
                    id INTEGER PRIMARY KEY AUTOINCREMENT, sent INTEGER NOT NULL, peer INTEGER NOT NULL, state INTEGER NOT NULL, reason INTEGER NOT NULL DEFAULT 0,
                    incarnation INTEGER NOT NULL, number INTEGER NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL DEFAULT 0,
                    expiry INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL, body BLOB NOT NULL);
                CREATE INDEX message_sent ON message(incarnation, number) WHERE sent=1;
                CREATE UNIQUE INDEX message_received ON message(sequence) WHERE sent=0;
                CREATE INDEX message_open ON message(number) WHERE sent=1 AND state=0;
                CREATE INDEX message_peer ON message(peer, id);
                {AddHeard}
                """);
        }
        else if (Scalar("PRAGMA application_id") != ApplicationId)
        {
            throw new MessageStoreException($"'{path}' is a database, but not a message store.");
        }
        else if (version == 1)
        {
            Run($"{AddHeard} PRAGMA user_version={SchemaVersion};");
        }
        else if (version != SchemaVersion)
        {
            throw new MessageStoreException($"'{path}' has format {version}; this client reads format {SchemaVersion}.");
        }

        Run("COMMIT");
    }

    private void LoadIdentity()
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "SELECT owner, incarnation, generation, position, next_number FROM identity";
        using var reader = command.ExecuteReader();
        reader.Read();
        _owner = new Address((ulong)reader.GetInt64(0));
        _incarnation = (uint)reader.GetInt64(1);
        _generation = (uint)reader.GetInt64(2);
        _position = (ulong)reader.GetInt64(3);
        _nextNumber = (ulong)reader.GetInt64(4);
        _closed = Scalar("SELECT count(*) FROM message WHERE state<>0");
    }

    private bool MovePosition(ulong sequence)
    {
        if (sequence <= _position) return false;
        _position = sequence;
        _identityChanged = true;
        return true;
    }

    /// <summary>True when its outcome changed.</summary>
    private bool Change(in Sent sent, SentState next)
    {
        if (next == sent.State) return false;
        Execute(
            _setState, sent.Id, (int)next.Outcome.State, (int)next.Outcome.Reason, (int)next.Told.State, (int)next.Told.Reason, next.SaidRead ? 1 : 0);
        if (sent.State.Outcome.State == MessageState.Open && next.Outcome.State != MessageState.Open) _closed++;
        return next.Outcome != sent.State.Outcome;
    }

    private static Sent? ReadSent(SqliteCommand command)
    {
        using var reader = command.ExecuteReader();
        return reader.Read() ? ReadSent(reader) : null;
    }

    private static Sent ReadSent(SqliteDataReader r) => new(
        r.GetInt64(0), new Address((ulong)r.GetInt64(1)), (SendKind)r.GetByte(2),
        new SentState(
            new SendOutcome((MessageState)r.GetByte(3), (ushort)r.GetInt32(4)), new SendOutcome((MessageState)r.GetByte(5), (ushort)r.GetInt32(6)), r.GetBoolean(7)));

    private ulong LowestOpen() => _lowestOpen.ExecuteScalar() is long number ? (ulong)number : _nextNumber;

    private static HistoryEntry ReadEntry(SqliteDataReader r) => new(
        r.GetInt64(0), r.GetBoolean(1), new Address((ulong)r.GetInt64(2)), (MessageState)r.GetByte(3), (ushort)r.GetInt32(4), (uint)r.GetInt64(5), (ulong)r.GetInt64(6),
        (ulong)r.GetInt64(7), (SendKind)r.GetByte(8), DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(9)), r.GetFieldValue<byte[]>(10));

    private static long Signed(ulong value) => value > long.MaxValue ? long.MaxValue : (long)value;

    private static byte[] Bytes(ReadOnlyMemory<byte> memory) =>
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(memory, out var s) && s.Offset == 0 && s.Array!.Length == s.Count ? s.Array : memory.ToArray();

    private SqliteCommand Prepare(string sql, int parameters = 0)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        for (var i = 0; i < parameters; i++) command.Parameters.Add(new SqliteParameter { ParameterName = $"@{(char)('a' + i)}" });
        command.Prepare();
        _prepared.Add(command);
        return command;
    }

    private static void Bind(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (var i = 0; i < values.Length; i++) command.Parameters[i].Value = values[i];
    }

    private static int Execute(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        Bind(command, values);
        return command.ExecuteNonQuery();
    }

    private void Run(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    internal long Scalar(string sql) => (long)ScalarObject(sql);

    internal string Text(string sql) => (string)ScalarObject(sql);

    private object ScalarObject(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar()!;
    }

    /// <summary>What decides about a sent message.</summary>
    private readonly record struct Sent(long Id, Address To, SendKind Kind, SentState State);
}
