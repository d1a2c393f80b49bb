using Gateway.Protocol;
using Microsoft.Data.Sqlite;

namespace Gateway.Ctl.Messaging;

/// <summary>One run of a replay: the messages to its peer with ids in (<paramref name="After"/>, <paramref name="Through"/>] are lines of its file.</summary>
/// <param name="After">The newest id before the run.</param>
/// <param name="Through">The newest id when it ended; null while it has not been settled, for then it may have been cut short.</param>
/// <param name="Lines">How many lines it put into the outbox; 0 until settled.</param>
internal sealed record ReplayRun(long After, long? Through, long Lines);

/// <summary>How far a file of received messages is durable.</summary>
/// <param name="Sequence">The highest mailbox sequence in it.</param>
/// <param name="Length">Its length in bytes then: what lies beyond is cut off.</param>
/// <param name="Count">Messages in it.</param>
internal readonly record struct TailMark(ulong Sequence, long Length, long Count);

/// <summary>
/// What replay and tail must remember beyond the device's message store, in a SQLite file beside it (WAL, every commit synced). Used only
/// while that store is open, whose lock keeps other processes out of both. One thread at a time.
/// <code>
/// run   id | path | peer | after | through (null: not settled) | lines
/// tail  path | sequence | length | count
/// </code>
/// </summary>
internal sealed class WorkJournal : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _mark;

    /// <exception cref="CtlException">The file cannot be used.</exception>
    public WorkJournal(string path)
    {
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        try
        {
            _connection.Open();
            Run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
            Run("""
                CREATE TABLE IF NOT EXISTS run(
                    id INTEGER PRIMARY KEY, path TEXT NOT NULL, peer INTEGER NOT NULL, after INTEGER NOT NULL, through INTEGER, lines INTEGER NOT NULL DEFAULT 0);
                CREATE TABLE IF NOT EXISTS tail(path TEXT PRIMARY KEY, sequence INTEGER NOT NULL, length INTEGER NOT NULL, count INTEGER NOT NULL);
                """);
            _mark = Command(
                "INSERT INTO tail VALUES(@a, @b, @c, @d) ON CONFLICT(path) DO UPDATE SET sequence=@b, length=@c, count=@d", "", 0L, 0L, 0L);
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            throw new CtlException(ExitCode.Local, $"{path}: cannot be used: {e.Message}", e);
        }
    }

    /// <summary>The run that was not settled, of whichever file, with its peer; at most one exists, since each start settles it.</summary>
    public (long Id, Address Peer, long After)? Unsettled()
    {
        using var command = Command("SELECT id, peer, after FROM run WHERE through IS NULL");
        using var reader = command.ExecuteReader();
        return reader.Read() ? (reader.GetInt64(0), new Address((ulong)reader.GetInt64(1)), reader.GetInt64(2)) : null;
    }

    public void Settle(long id, long through, long lines) => Run("UPDATE run SET through=@b, lines=@c WHERE id=@a", id, through, lines);

    /// <summary>The settled runs of a replay, oldest first.</summary>
    public IReadOnlyList<ReplayRun> Runs(string path, Address peer)
    {
        using var command = Command("SELECT after, through, lines FROM run WHERE path=@a AND peer=@b AND through IS NOT NULL ORDER BY id", path, (long)peer.Value);
        using var reader = command.ExecuteReader();
        var runs = new List<ReplayRun>();
        while (reader.Read()) runs.Add(new ReplayRun(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2)));
        return runs;
    }

    public void Begin(string path, Address peer, long after) => Run("INSERT INTO run(path, peer, after) VALUES(@a, @b, @c)", path, (long)peer.Value, after);

    /// <summary>The replay is done: another of the same file begins anew.</summary>
    public void Forget(string path, Address peer) => Run("DELETE FROM run WHERE path=@a AND peer=@b", path, (long)peer.Value);

    public TailMark? Tail(string path)
    {
        using var command = Command("SELECT sequence, length, count FROM tail WHERE path=@a", path);
        using var reader = command.ExecuteReader();
        return reader.Read() ? new TailMark((ulong)reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2)) : null;
    }

    public void SetTail(string path, TailMark mark)
    {
        _mark.Parameters[0].Value = path;
        _mark.Parameters[1].Value = (long)mark.Sequence;
        _mark.Parameters[2].Value = mark.Length;
        _mark.Parameters[3].Value = mark.Count;
        _mark.ExecuteNonQuery();
    }

    public void Dispose()
    {
        _mark.Dispose();
        _connection.Dispose();
    }

    private SqliteCommand Command(string sql, params ReadOnlySpan<object> values)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        for (var i = 0; i < values.Length; i++) command.Parameters.AddWithValue($"@{(char)('a' + i)}", values[i]);
        return command;
    }

    private void Run(string sql, params ReadOnlySpan<object> values)
    {
        using var command = Command(sql, values);
        command.ExecuteNonQuery();
    }
}
