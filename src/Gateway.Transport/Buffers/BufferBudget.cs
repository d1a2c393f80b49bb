namespace Gateway.Transport.Buffers;

/// <summary>
/// Bytes in buffers on the whole node. The one counter that reactors share; each touches it when its own sum has moved by
/// <see cref="BufferBudget.QuantumBytes"/> or returned to zero, never per message. Any thread.
/// </summary>
internal sealed class NodeBudget
{
    private long _bytes;

    public long Bytes => Volatile.Read(ref _bytes);

    public void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);
}

/// <summary>
/// Bytes in buffers of one reactor against its marks and the node's. Above a soft mark the reactor stops reading from the connections
/// that hold the most, as many as hold the excess; above a hard mark from all that add to the sum, and its handler refuses new ones. Written by the reactor's thread, readable from any.
/// </summary>
internal sealed class BufferBudget(NodeBudget node, ReactorGroupOptions options)
{
    public const int QuantumBytes = 256 * 1024;

    private long _bytes;
    private long _highBytes;
    private long _charged;

    public long Bytes => Volatile.Read(ref _bytes);

    public long HighBytes => Volatile.Read(ref _highBytes);

    public bool IsOverSoft => _bytes > options.ReactorSoftBufferBytes || node.Bytes > options.NodeSoftBufferBytes;

    public bool IsOverHard => _bytes > options.ReactorHardBufferBytes || node.Bytes > options.NodeHardBufferBytes;

    /// <summary>Bytes above the soft marks, of the node's excess the share that this reactor has in its sum; 0 below both marks.</summary>
    public long Excess
    {
        get
        {
            var own = Math.Max(0, _bytes - options.ReactorSoftBufferBytes);
            var all = node.Bytes;
            if (all <= options.NodeSoftBufferBytes) return own;
            return Math.Max(own, (long)((all - options.NodeSoftBufferBytes) * ((double)_bytes / all)));
        }
    }

    /// <summary>Well below the soft marks: reading may be taken up again without meeting them at once.</summary>
    public bool IsRelaxed => _bytes <= options.ReactorSoftBufferBytes / 8 * 7 && node.Bytes <= options.NodeSoftBufferBytes / 8 * 7;

    public void Add(int bytes)
    {
        var sum = _bytes + bytes;
        Volatile.Write(ref _bytes, sum);
        if (sum > _highBytes) Volatile.Write(ref _highBytes, sum);

        var drift = sum - _charged;
        if (drift is < QuantumBytes and > -QuantumBytes && (sum != 0 || drift == 0)) return;
        node.Add(drift);
        _charged = sum;
    }
}
