using Gateway.Messaging.Pools;
using Gateway.Messaging.Queues;

namespace Gateway.Messaging;

/// <summary>What is to happen when a record becomes durable.</summary>
internal enum CommitAction : byte
{
    None = 0,
    /// <summary>Answer the sender, offer the entry to the recipient's cursor.</summary>
    Entry,
    /// <summary>Tell the home that owes the receipt, offer the receipt to the cursor unless it was delivered ahead.</summary>
    Receipt,
    /// <summary>Welcome the device whose fresh incarnation this was.</summary>
    Welcome,
    /// <summary>Call back whoever waits for everything so far (an operator's question or change).</summary>
    CallBack,
}

/// <summary>An appended record and what its commit releases.</summary>
internal struct PendingCommit
{
    public long Position;
    public CommitAction Action;
    public byte Kind;
    public ushort Reason;
    /// <summary>The home that asked.</summary>
    public int Origin;
    /// <summary>The sender's session at the origin, or the receipt owed there, or the session to welcome here.</summary>
    public uint Session;
    public uint SessionEpoch;
    public uint Incarnation;
    public uint EnqueuedAt;
    public ulong Mailbox;
    public ulong Sequence;
    public ulong Previous;
    public ulong Sender;
    public ulong Number;
    /// <summary>Where the body lies in the hot ring, and its length; -1 when it is not there.</summary>
    public int HotOffset;
    public int BodyBytes;
    /// <summary>When it came into the queue, by the home's clock.</summary>
    public long AddedAtMs;
}

/// <summary>
/// Records appended and not yet durable, oldest first, with the bodies that an up-to-date recipient will be sent without a read.
/// A ring of structures that grows to its bound and shrinks again, and beside it a ring of bytes that never grows: a body that finds no room there is
/// simply read back from the log. Owned by the home. Invariant: positions rise.
/// </summary>
internal sealed class CommitQueue : IElastic
{
    private readonly int _maxCount;
    private readonly byte[] _hot;
    private readonly QueueGauge? _gauge;
    private readonly ElasticQueue<PendingCommit> _pending = new();
    private long _hotHead;
    private long _hotTail;

    public CommitQueue(int maxCount, int hotBytes, QueueGauge? gauge)
    {
        _maxCount = maxCount;
        _gauge = gauge;
        _hot = new byte[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)hotBytes)];
    }

    public int Count => _pending.Count;

    /// <summary>Entries that there is memory for.</summary>
    public int Capacity => _pending.Capacity;

    public bool IsFull => Count >= _maxCount;

    /// <summary>The lowest sequence among them: every entry below it is durable. The highest value when there is none.</summary>
    public ulong OldestSequence
    {
        get
        {
            for (var i = 0; i < Count; i++)
            {
                ref var pending = ref _pending[i];
                if (pending.Sequence != 0) return pending.Sequence;
            }

            return ulong.MaxValue;
        }
    }

    /// <summary>Adds a commit to wait for. With <paramref name="keepHot"/> its body is kept if the ring has room.</summary>
    public void Enqueue(in PendingCommit pending, ReadOnlySpan<byte> body, bool keepHot, long nowMs)
    {
        ref var slot = ref _pending.Append();
        slot = pending;
        slot.BodyBytes = body.Length;
        slot.AddedAtMs = nowMs;
        _gauge?.EnterLast(nowMs);
        slot.HotOffset = keepHot ? Keep(body) : -1;
    }

    /// <summary>The oldest, when it is durable. The reference and its body are good until <see cref="Dequeue"/>.</summary>
    public bool TryPeek(long committedThrough, out PendingCommit pending)
    {
        if (Count == 0 || _pending[0].Position > committedThrough)
        {
            pending = default;
            return false;
        }

        pending = _pending[0];
        return true;
    }

    public ReadOnlySpan<byte> BodyOf(in PendingCommit pending) => _hot.AsSpan(pending.HotOffset, pending.BodyBytes);

    public void Dequeue()
    {
        var oldest = _pending.Dequeue();
        // Bodies leave in the order they came; the gap that a wrap left in front of one goes with it.
        if (oldest.HotOffset >= 0) _hotHead += Distance(oldest.HotOffset, _hotHead) + oldest.BodyBytes;
        // An empty ring begins anew at its start: memory that it never filled is never touched.
        if (Count == 0) _hotHead = _hotTail = 0;
        _gauge?.LeaveFirst(Count == 0 ? 0 : _pending[0].AddedAtMs);
    }

    public void Roll() => _pending.Roll();

    public bool GiveBack() => _pending.GiveBack();

    private int Keep(ReadOnlySpan<byte> body)
    {
        var offset = (int)(_hotTail & (_hot.Length - 1));
        var skip = offset + body.Length > _hot.Length ? _hot.Length - offset : 0;
        if (_hotTail - _hotHead + skip + body.Length > _hot.Length) return -1;
        if (skip != 0) offset = 0;
        body.CopyTo(_hot.AsSpan(offset));
        _hotTail += skip + body.Length;
        return offset;
    }

    private int Distance(int offset, long head) => (offset - (int)(head & (_hot.Length - 1))) & (_hot.Length - 1);
}
