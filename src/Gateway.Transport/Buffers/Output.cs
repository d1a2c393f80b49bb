using Gateway.Transport.Pools;
using Gateway.Transport.Queues;

namespace Gateway.Transport.Buffers;

/// <summary>
/// The output of one connection that the kernel has not taken: a turn buffer, and behind it a leased pipe for what was written while the
/// kernel would take no more. What is in the turn buffer has been, or is about to be, lent to the backend and is not moved. Held only
/// while there is such output. Owned by the reactor's thread.
/// </summary>
internal sealed class Output(uint index)
{
    public uint Index { get; } = index;

    /// <summary>When a flush first left something of it behind.</summary>
    public long LaggingSinceMs { get; set; }

    public Segment? Buffer { get; set; }

    /// <summary>Bytes of <see cref="Buffer"/> that the kernel took.</summary>
    public int Sent { get; set; }

    /// <summary>Bytes of <see cref="Buffer"/> in use.</summary>
    public int Written { get; set; }

    public Lease? Behind { get; set; }

    /// <summary>Some of it may not wait for more output: it goes out at the end of the turn.</summary>
    public bool Urgent { get; set; }

    /// <summary>Until when it waits for more; 0: it does not.</summary>
    public long WaitsUntilMs { get; set; }

    /// <summary>The span given out last lies in <see cref="Behind"/>.</summary>
    public bool WritingBehind { get; set; }

    public long Unsent => Written - Sent + (Behind?.Bytes ?? 0);
}

/// <summary>The output records of one reactor, by index; index 0 names none. Records are kept for a while, their buffers are not. Owned by the reactor's thread.</summary>
internal sealed class OutputTable(SegmentPool segments, LeasePool leases, QueueGauge? gauge) : IElastic
{
    private readonly Register<Output> _records = new();

    public int Out => _records.Count;

    /// <summary>Records that there is memory for.</summary>
    public int Capacity => _records.Capacity;

    public int HighOut { get; private set; }

    public Output this[uint index] => _records[index]!;

    public Output Take()
    {
        var index = _records.Take();
        if (Out > HighOut) HighOut = Out;
        return _records[index] ??= new Output(index);
    }

    public void Roll() => _records.Roll();

    public bool GiveBack() => _records.GiveBack();

    /// <summary>The pipe behind the turn buffer, leased now if there was none.</summary>
    public Lease Behind(Output output, long nowMs)
    {
        if (output.Behind is { } there) return there;
        var lease = leases.Rent();
        lease.LeasedAtMs = nowMs;
        gauge?.Enter(nowMs);
        output.Behind = lease;
        return lease;
    }

    public void Return(Output output)
    {
        ReleaseBuffer(output);
        if (output.Behind is { } behind)
        {
            gauge?.Leave(behind.LeasedAtMs);
            leases.Return(behind);
        }

        output.Behind = null;
        output.WritingBehind = false;
        output.Urgent = false;
        output.WaitsUntilMs = 0;
        _records.Return(output.Index);
    }

    public void ReleaseBuffer(Output output)
    {
        if (output.Buffer is { } buffer) segments.Return(buffer);
        output.Buffer = null;
        output.Sent = 0;
        output.Written = 0;
    }
}
