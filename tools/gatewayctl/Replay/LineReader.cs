namespace Gateway.Ctl.Replay;

/// <summary>
/// The lines of a file as bytes, without their line feeds; a last line without one counts. Bytes are not looked at further, so any encoding
/// comes out as it went in. One thread.
/// </summary>
internal sealed class LineReader(Stream stream, int maxLineBytes) : IDisposable
{
    private byte[] _buffer = new byte[64 * 1024];
    private int _start, _end;
    private bool _ended;

    /// <summary>Lines read so far.</summary>
    public long Lines { get; private set; }

    /// <summary>The next line, or null at the end of the file.</summary>
    /// <exception cref="CtlException">The line is longer than a message may be.</exception>
    public byte[]? Read() => TryRead(out var line) ? _buffer[line] : null;

    /// <summary>Passes over lines; returns how many there were, at most <paramref name="count"/>.</summary>
    public long Skip(long count)
    {
        long skipped = 0;
        while (skipped < count && TryRead(out _)) skipped++;
        return skipped;
    }

    public void Dispose() => stream.Dispose();

    private bool TryRead(out Range line)
    {
        var searched = _start;
        while (true)
        {
            var feed = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (feed >= 0)
            {
                line = _start..(searched + feed);
                _start = searched + feed + 1;
                return Take(line);
            }

            if (_ended)
            {
                line = _start.._end;
                var any = _start < _end;
                _start = _end;
                return any && Take(line);
            }

            searched = Fill();
        }
    }

    private bool Take(Range line)
    {
        Lines++;
        var length = line.End.Value - line.Start.Value;
        return length <= maxLineBytes
            ? true
            : throw new CtlException(ExitCode.Usage, $"line {Lines} has {length} bytes; a message has at most {maxLineBytes}");
    }

    /// <summary>Reads more behind what is not used up; returns where the new bytes begin.</summary>
    private int Fill()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        // A line beyond the limit is not read to its end: the caller is told once the limit is passed.
        if (_end > maxLineBytes) throw new CtlException(ExitCode.Usage, $"line {Lines + 1} is longer than {maxLineBytes} bytes, which a message may have at most");
        if (_end == _buffer.Length) Array.Resize(ref _buffer, 2 * _buffer.Length);
        var read = stream.Read(_buffer, _end, _buffer.Length - _end);
        _ended = read == 0;
        var fresh = _end;
        _end += read;
        return fresh;
    }
}
