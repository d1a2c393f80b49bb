using System.Runtime.CompilerServices;
using Gateway.Transport.Linux;

namespace Gateway.Transport.Connections;

/// <summary>
/// The slots of one reactor: address space for all of them is reserved once, so a slot never moves, and is made usable a chunk at a time
/// as the number of connections rises; the kernel gives memory page by page. Free slots are reused last in, first out, so that a table
/// that shrank stays dense. Owned by the reactor's thread. Invariant: a slot's generation rises when it is released, and is never 0.
/// </summary>
internal sealed unsafe class ConnectionTable : IDisposable
{
    private const uint SlotsPerChunk = 16 * 1024;
    private const int HugePageBytes = 2 << 20;

    private readonly nuint _reservedBytes;
    private readonly uint _capacity;
    private ConnectionSlot* _slots;
    private uint _committed;
    private uint _high;
    private uint _free = ConnectionSlot.None;

    /// <exception cref="InsufficientMemoryException">The address space is not to be had.</exception>
    public ConnectionTable(uint capacity)
    {
        var chunks = (capacity + SlotsPerChunk - 1) / SlotsPerChunk;
        _capacity = chunks * SlotsPerChunk;
        _reservedBytes = (nuint)_capacity * ConnectionSlot.SizeBytes;
        _slots = (ConnectionSlot*)Syscalls.Reserve(_reservedBytes);
        if (_slots is null) throw new InsufficientMemoryException($"No address space for {capacity} connection slots ({_reservedBytes} bytes).");
    }

    /// <summary>Slots given out and not released.</summary>
    public int InUse { get; private set; }

    /// <summary>Slots that were ever given out: indices below this are valid.</summary>
    public uint High => _high;

    /// <summary>The slot at an index below <see cref="High"/>. The reference stays valid as long as the table.</summary>
    public ref ConnectionSlot this[uint index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, _high);
            // SAFETY: indices below _high lie in committed memory.
            return ref Unsafe.AsRef<ConnectionSlot>(_slots + index);
        }
    }

    /// <summary>The slot an id names, or a null reference (<see cref="Unsafe.IsNullRef{T}"/>) when the id is stale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref ConnectionSlot Find(ConnectionId id)
    {
        // SAFETY: indices below _high lie in committed memory; a free slot's generation has been given to nobody yet.
        if (id.Slot < _high && _slots[id.Slot].Generation == id.Generation && _slots[id.Slot].State != SlotState.Free)
            return ref Unsafe.AsRef<ConnectionSlot>(_slots + id.Slot);
        return ref Unsafe.NullRef<ConnectionSlot>();
    }

    public ConnectionId IdOf(uint index) => new(index, this[index].Generation);

    /// <summary>Gives out a slot, all zero but for its generation, its links and its state; false when the table or memory is exhausted.</summary>
    public bool TryTake(SlotState state, int descriptor, out uint index)
    {
        index = _free;
        if (index != ConnectionSlot.None)
        {
            _free = this[index].Link;
        }
        else
        {
            if (_high == _committed && !TryCommitChunk()) return false;
            index = _high++;
        }

        ref var slot = ref this[index];
        var generation = slot.Generation == 0 ? 1 : slot.Generation;
        slot = default;
        slot.Generation = generation;
        slot.State = state;
        slot.Descriptor = descriptor;
        slot.TimerNext = ConnectionSlot.None;
        slot.TimerPrevious = ConnectionSlot.None;
        slot.Link = ConnectionSlot.None;
        InUse++;
        return true;
    }

    /// <summary>Takes a slot back. Nothing may refer to it any more but ids, which become stale.</summary>
    public void Release(uint index)
    {
        ref var slot = ref this[index];
        if (slot.State == SlotState.Free) throw new InvalidOperationException($"Slot {index} is released twice.");
        slot.State = SlotState.Free;
        if (++slot.Generation == 0) slot.Generation = 1;
        slot.Link = _free;
        _free = index;
        InUse--;
    }

    public void Dispose()
    {
        if (_slots is null) return;
        _ = Syscalls.Unmap((nint)_slots, _reservedBytes);
        _slots = null;
        _high = 0;
    }

    private bool TryCommitChunk()
    {
        if (_committed == _capacity) return false;
        // A small table must not be rounded up to whole huge pages.
        var huge = (nuint)_committed * ConnectionSlot.SizeBytes >= HugePageBytes;
        var chunk = (nint)(_slots + _committed);
        if (Syscalls.Commit(chunk, SlotsPerChunk * ConnectionSlot.SizeBytes, huge) < 0) return false;
        _committed += SlotsPerChunk;
        return true;
    }
}
