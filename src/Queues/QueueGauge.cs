using System.Runtime.InteropServices;

#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Queues;
#elif QUEUES_OF_MAILBOX
namespace Gateway.Mailbox.Queues;
#else
namespace Gateway.Messaging.Queues;
#endif

/// <summary>
/// What is told of one queue: depth, high mark, entries in and out, and when the oldest entered. Written by the thread that owns the queue,
/// with plain stores of whole words; read by any, without a lock, and true also while the owner hangs: the oldest's time of entry is
/// published, not its age. Times are the owner's (milliseconds or microseconds, as it likes) and never negative.
/// Invariant: entries in minus entries out is the depth, and the ladder holds exactly those (of a queue that is first in, first out, none).
/// </summary>
internal sealed class QueueGauge
{
    private const long Nothing = -1;

    private readonly AgeLadder _ages;
    private readonly TimeSpan _unit;
    private Figures _figures;

    /// <param name="name">As in SEAMS.md, "Queues".</param>
    /// <param name="capacity">In entries; 0 when the queue has no bound of its own.</param>
    /// <param name="unit">Of the times given.</param>
    /// <param name="ageShift">Ages are told to 2 to this of the unit at best.</param>
    public QueueGauge(string name, long capacity, TimeSpan unit, int ageShift = 0)
    {
        (Name, Capacity, _unit) = (name, capacity, unit);
        _ages = new AgeLadder(ageShift);
        _figures.Oldest = Nothing;
    }

    public string Name { get; }

    public long Capacity { get; }

    /// <summary>Owner: an entry came in.</summary>
    public void Enter(long at)
    {
        // The oldest changes only when a coarser bucket took it in, or by an entry that is older still; the first is both.
        if (_ages.Add(at) || at < _figures.Oldest || _figures.Oldest == Nothing) Volatile.Write(ref _figures.Oldest, _ages.Oldest);
        CountIn();
    }

    /// <summary>Owner: an entry went that had come in at <paramref name="enteredAt"/>.</summary>
    public void Leave(long enteredAt)
    {
        Volatile.Write(ref _figures.Out, _figures.Out + 1);
        if (_ages.Remove(enteredAt)) Volatile.Write(ref _figures.Oldest, _ages.IsEmpty ? Nothing : _ages.Oldest);
    }

    /// <summary>Owner of a queue whose entries leave in the order they came: an entry came in. Not to be mixed with <see cref="Enter"/>.</summary>
    public void EnterLast(long at)
    {
        if (_figures.In == _figures.Out) Volatile.Write(ref _figures.Oldest, at);
        CountIn();
    }

    /// <summary>The same owner: the oldest went. Exact, and cheaper than ages that are looked up.</summary>
    /// <param name="nextEnteredAt">When the one that is the oldest now came in; anything if none is left.</param>
    public void LeaveFirst(long nextEnteredAt)
    {
        Volatile.Write(ref _figures.Out, _figures.Out + 1);
        Volatile.Write(ref _figures.Oldest, _figures.In == _figures.Out ? Nothing : nextEnteredAt);
    }

    /// <summary>Owner: an entry that had come in at one time counts from another; the totals stay.</summary>
    public void Renew(long enteredAt, long at)
    {
        _ages.Remove(enteredAt);
        _ages.Add(at);
        Volatile.Write(ref _figures.Oldest, _ages.Oldest);
    }

    /// <summary>Any thread. Out is read before in, so that the depth may be a little too great, never negative.</summary>
    public QueueCounts Read(long now)
    {
        var left = Volatile.Read(ref _figures.Out);
        var oldest = Volatile.Read(ref _figures.Oldest);
        var entered = Volatile.Read(ref _figures.In);
        var age = oldest == Nothing ? 0 : Math.Max(0, now - oldest);
        return (Name, entered - left, Capacity, Volatile.Read(ref _figures.High), entered, left, age * _unit);
    }

    private void CountIn()
    {
        Volatile.Write(ref _figures.In, _figures.In + 1);
        var depth = _figures.In - _figures.Out;
        if (depth > _figures.High) Volatile.Write(ref _figures.High, depth);
    }

    /// <summary>Two cache lines away from whatever lies before and behind, so that a reader of one queue costs the owner of another nothing.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 288)]
    private struct Figures
    {
        [FieldOffset(128)] public long In;
        [FieldOffset(136)] public long Out;
        [FieldOffset(144)] public long High;
        [FieldOffset(152)] public long Oldest;
    }
}
