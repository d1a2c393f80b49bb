namespace Gateway.Simulation;

/// <summary>Bytes in and out in order: a socket's buffer.</summary>
internal sealed class ByteQueue
{
    private byte[] _bytes = new byte[256];
    private int _head;
    private int _tail;

    public int Length => _tail - _head;

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(_head, Length);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_bytes.Length - _tail < bytes.Length)
        {
            Bytes.CopyTo(_bytes);
            _tail -= _head;
            _head = 0;
            if (_bytes.Length - _tail < bytes.Length) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _tail + bytes.Length));
            // Bytes handed out before still lie in the old array; nobody keeps them across an append.
        }

        bytes.CopyTo(_bytes.AsSpan(_tail));
        _tail += bytes.Length;
    }

    public void Consume(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length);
        _head += count;
        if (_head == _tail) _head = _tail = 0;
    }

    /// <summary>Keeps the first bytes alone.</summary>
    public void Truncate(int length) => _tail = _head + length;

    public void Clear() => _head = _tail = 0;
}
