using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Pools;
#else
namespace Gateway.Messaging.Pools;
#endif

/// <summary>
/// First in, first out, in a ring that doubles when it is full and shrinks again to twice what was in it at most of late. A ring that is
/// empty begins anew at its start, so that its memory is touched only as far as it was ever filled. Owned by one thread.
/// </summary>
internal sealed class ElasticQueue<T> : IElastic
{
    private const int LeastCapacity = 64;
    // Shrunk by less, a queue that breathes would be moved back and forth.
    private const int ShrinkFactor = 4;

    private T[] _items = new T[LeastCapacity];
    private int _head;
    private Demand _demand;

    public int Count { get; private set; }

    /// <summary>Entries that there is memory for.</summary>
    public int Capacity => _items.Length;

    /// <summary>The entry that many places behind the oldest; a reference holds until the next change.</summary>
    public ref T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return ref _items[(_head + index) & (_items.Length - 1)];
        }
    }

    public void Enqueue(in T item) => Append() = item;

    /// <summary>One entry more, to be filled in where it lies; what it held before is still there.</summary>
    public ref T Append()
    {
        if (Count == _items.Length) Resize(_items.Length * 2);
        ref T place = ref _items[(_head + Count) & (_items.Length - 1)];
        _demand.Note(++Count);
        return ref place;
    }

    public bool TryPeek([MaybeNullWhen(false)] out T item)
    {
        if (Count == 0)
        {
            item = default;
            return false;
        }

        item = _items[_head];
        return true;
    }

    public T Dequeue()
    {
        if (!TryDequeue(out var item)) throw new InvalidOperationException("The queue is empty.");
        return item;
    }

    public bool TryDequeue([MaybeNullWhen(false)] out T item)
    {
        if (Count == 0)
        {
            item = default;
            return false;
        }

        item = _items[_head];
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>()) _items[_head] = default!;
        _head = --Count == 0 ? 0 : (_head + 1) & (_items.Length - 1);
        return true;
    }

    public void Roll() => _demand.Roll(Count);

    public bool GiveBack()
    {
        var wanted = Math.Max(LeastCapacity, (int)BitOperations.RoundUpToPowerOf2((uint)_demand.Recent) * 2);
        if (_items.Length < wanted * ShrinkFactor) return false;
        Resize(wanted);
        return true;
    }

    private void Resize(int capacity)
    {
        var items = new T[capacity];
        for (var i = 0; i < Count; i++) items[i] = _items[(_head + i) & (_items.Length - 1)];
        _items = items;
        _head = 0;
    }
}
