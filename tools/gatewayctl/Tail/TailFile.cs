using Gateway.Ctl.Messaging;

namespace Gateway.Ctl.Tail;

/// <summary>
/// A file of received messages, one a line. What lies beyond the journal's mark was written by a run that died before its messages were
/// acknowledged: it is cut off at start, and those messages come again. So each message stands in the file once, in order.
/// One thread at a time. Order: file, sync, mark, sync; only then may the messages be acknowledged.
/// </summary>
internal sealed class TailFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly WorkJournal _journal;
    private readonly MemoryStream _batch = new();
    private TailMark _staged;

    /// <param name="path">Absolute.</param>
    /// <param name="journal">Knows how far a file is durable.</param>
    /// <param name="position">Where the device stands: a file that the journal does not know begins after it.</param>
    /// <exception cref="CtlException">The file cannot be used, or is shorter than its mark: it is not the file that was written.</exception>
    public TailFile(string path, WorkJournal journal, ulong position)
    {
        Path = path;
        _journal = journal;
        _stream = Open(path);
        var known = journal.Tail(path);
        Mark = known ?? new TailMark(position, _stream.Length, 0);
        if (_stream.Length < Mark.Length)
        {
            var length = _stream.Length;
            _stream.Dispose();
            throw new CtlException(
                ExitCode.Local, $"{path}: has {length} bytes, but {Mark.Length} were written; messages acknowledged before are missing. Name another file to go on");
        }

        if (_stream.Length > Mark.Length) _stream.SetLength(Mark.Length);
        _stream.Position = Mark.Length;
        if (known is null) journal.SetTail(path, Mark);
    }

    public string Path { get; }

    /// <summary>What is durable.</summary>
    public TailMark Mark { get; private set; }

    /// <summary>Stages a message; one that the file has already is passed over.</summary>
    public void Add(ulong sequence, ReadOnlySpan<byte> body)
    {
        if (sequence <= Math.Max(Mark.Sequence, _staged.Sequence)) return;

        // One message, one line: what would break it is written as C writes it.
        for (var feed = body.IndexOf((byte)'\n'); feed >= 0; feed = body.IndexOf((byte)'\n'))
        {
            _batch.Write(body[..feed]);
            _batch.Write("\\n"u8);
            body = body[(feed + 1)..];
        }

        _batch.Write(body);
        _batch.WriteByte((byte)'\n');
        _staged = new TailMark(sequence, 0, _staged.Count + 1);
    }

    /// <summary>Makes the staged messages durable.</summary>
    public void Commit()
    {
        if (_staged.Count == 0) return;
        _stream.Write(_batch.GetBuffer().AsSpan(0, (int)_batch.Length));
        _stream.Flush(flushToDisk: true);
        var mark = new TailMark(_staged.Sequence, Mark.Length + _batch.Length, Mark.Count + _staged.Count);
        _journal.SetTail(Path, mark);
        Mark = mark;
        _staged = default;
        _batch.SetLength(0);
    }

    public void Dispose()
    {
        _batch.Dispose();
        _stream.Dispose();
    }

    private static FileStream Open(string path)
    {
        try
        {
            var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            if (stream.CanSeek) return stream;
            stream.Dispose();
            throw new CtlException(ExitCode.Local, $"{path}: is no file that can be cut back; without --out messages go to the output");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CtlException(ExitCode.Local, $"{path}: cannot be written: {e.Message}", e);
        }
    }
}
