using System.Runtime.CompilerServices;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Connections;

/// <summary>
/// The slots of one reactor: address space for all of them is reserved once, so a slot never moves, and is made usable a chunk at a time
/// as the number of connections rises; the kernel gives memory page by page, and gets a page back whose slots were free for a while. The
/// lowest free slot is given out next, so that a table that shrank becomes dense. Owned by the reactor's thread. Invariant: a slot's
/// generation rises when it is released, also if its page was given back meanwhile, and is never 0.
/// </summary>
internal sealed unsafe class ConnectionTable : IElastic, IDisposable
{
    private const uint SlotsPerChunk = 16 * 1024;
    private const int SlotsPerPage = 64;
    private const int HugePageBytes = 2 << 20;

    private readonly nuint _reservedBytes;
    private readonly uint _capacity;
    private ConnectionSlot* _slots;
    private uint _committed;
    private readonly PlaceMap _map = new(SlotsPerPage, firstPlace: 0);
    // The highest generation that the slots of a page had when it was given back.
    private uint[] _generations = new uint[SlotsPerChunk / SlotsPerPage];
    private uint _high;

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
    public int InUse => _map.Count;

    /// <summary>Bytes of the pages that slots lie in, used or kept.</summary>
    public long HeldBytes => (long)_map.Chunks * SlotsPerPage * ConnectionSlot.SizeBytes;

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
        index = _map.Take(out var isNew);
        if (isNew && index >= _committed && !TryCommitChunk())
        {
            _map.Undo(index);
            return false;
        }

        if (index >= _high) _high = index + 1;
        ref var slot = ref this[index];
        var generation = slot.Generation;
        // Never used, or its page was given back since.
        if (generation == 0) generation = Math.Max(1, _generations[index / SlotsPerPage] + 1);
        slot = default;
        slot.Generation = generation;
        slot.State = state;
        slot.Descriptor = descriptor;
        slot.TimerNext = ConnectionSlot.None;
        slot.TimerPrevious = ConnectionSlot.None;
        return true;
    }

    /// <summary>Takes a slot back. Nothing may refer to it any more but ids, which become stale.</summary>
    public void Release(uint index)
    {
        ref var slot = ref this[index];
        if (slot.State == SlotState.Free) throw new InvalidOperationException($"Slot {index} is released twice.");
        slot.State = SlotState.Free;
        if (++slot.Generation == 0) slot.Generation = 1;
        _map.Return(index);
    }

    public void Roll() => _map.Roll();

    /// <summary>Gives back a page of free slots. It reads as zeros from then on: slots that are free.</summary>
    public bool GiveBack()
    {
        var page = _map.TakeSurplus();
        if (page < 0) return false;
        var first = (uint)page * SlotsPerPage;
        var highest = _generations[page];
        for (var index = first; index < Math.Min(first + SlotsPerPage, _high); index++) highest = Math.Max(highest, this[index].Generation);
        _generations[page] = highest;
        // SAFETY: the page lies in committed memory, and nothing refers to a free slot.
        _ = Syscalls.GiveBack((nint)(_slots + first), SlotsPerPage * ConnectionSlot.SizeBytes);
        return true;
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
        var pages = (int)(_committed / SlotsPerPage);
        if (pages > _generations.Length) Array.Resize(ref _generations, Math.Max(pages, _generations.Length * 2));
        return true;
    }
}
