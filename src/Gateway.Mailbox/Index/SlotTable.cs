using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Index;

/// <summary>
/// Mailboxes with something pending, by number: extendible hashing over open-addressing tables of at most 4096 slots, so that growing
/// never moves more than one table (tens of microseconds). One partition's owner thread only. A removed mailbox leaves nothing behind;
/// a table that has emptied keeps 16 slots, so that one mailbox coming and going does not allocate.
/// Pointers to slots hold until the next <see cref="Add"/> or <see cref="Remove"/>.
/// </summary>
internal sealed unsafe class SlotTable : IDisposable
{
    private const int MinSlots = 16;
    private const int MaxSlots = 4096;
    private const int MaxDepth = 24;

    private readonly ulong _seed;
    private Table[] _tables = new Table[1];
    private int _tableCount = 1;
    private int[] _directory = [0];
    private int _depth;
    private long _slotsHeld;

    /// <param name="seed">Makes the hash unpredictable to whoever chooses mailbox numbers.</param>
    public SlotTable(ulong seed) => _seed = seed;

    public long Count { get; private set; }

    /// <summary>Native and bookkeeping memory held, in use or not.</summary>
    public long Bytes => _slotsHeld * sizeof(MailboxSlot) + (long)_tables.Length * sizeof(Table) + (long)_directory.Length * sizeof(int);

    public MailboxSlot* Find(ulong mailbox)
    {
        var hash = Hash(mailbox);
        ref readonly var table = ref TableOf(hash);
        if (table.Count == 0) return null;
        // SAFETY: the table's slots live until it is resized; indices stay below its capacity.
        for (var i = Home(hash, table.Capacity); ; i = i + 1 == table.Capacity ? 0 : i + 1)
        {
            var slot = table.Slots + i;
            if (slot->Mailbox == mailbox) return slot;
            if (slot->Mailbox == 0) return null;
        }
    }

    /// <summary>A zeroed slot for a mailbox that <see cref="Find"/> did not find.</summary>
    public MailboxSlot* Add(ulong mailbox)
    {
        if (mailbox == 0) throw new ArgumentException("Mailbox 0 is nobody's.");
        var hash = Hash(mailbox);
        while (true)
        {
            ref var table = ref TableOf(hash);
            if ((table.Count + 1) * 5 <= table.Capacity * 4)
            {
                Count++;
                table.Count++;
                var slot = FreeSlot(table, hash);
                *slot = new MailboxSlot { Mailbox = mailbox };
                return slot;
            }

            if (table.Capacity < MaxSlots || table.Depth == MaxDepth) Resize(ref table, Math.Max(MinSlots, table.Capacity + table.Capacity / 2));
            else Split(_directory[DirectoryIndex(hash)]);
        }
    }

    public void Remove(ulong mailbox)
    {
        var slot = Find(mailbox);
        if (slot is null) return;
        var hash = Hash(mailbox);
        ref var table = ref TableOf(hash);

        // SAFETY: indices stay below the capacity. Later slots of the run move back over the gap unless that would put them before their home.
        var gap = (int)(slot - table.Slots);
        for (var i = gap; ;)
        {
            i = i + 1 == table.Capacity ? 0 : i + 1;
            var next = table.Slots + i;
            if (next->Mailbox == 0) break;
            var home = Home(Hash(next->Mailbox), table.Capacity);
            var fromHome = i - home + (i < home ? table.Capacity : 0);
            var fromGap = i - gap + (i < gap ? table.Capacity : 0);
            if (fromHome < fromGap) continue;
            table.Slots[gap] = *next;
            gap = i;
        }

        table.Slots[gap] = default;
        table.Count--;
        Count--;
        if (table.Capacity > MinSlots && table.Count * 10 < table.Capacity * 3) Resize(ref table, Math.Max(MinSlots, table.Count * 5 / 3));
    }

    public Enumerator GetEnumerator() => new(this);

    /// <summary>
    /// The first slot in use at this place or behind it, and the place behind that one; null at the end. The table may change between calls:
    /// slots that move then are passed over or met twice.
    /// </summary>
    public MailboxSlot* Next(ref int table, ref int slot)
    {
        for (; table < _tableCount; table++, slot = 0)
        {
            // SAFETY: the index is looked at against the capacity of this very moment.
            while (slot < _tables[table].Capacity)
            {
                var found = _tables[table].Slots + slot++;
                if (found->Mailbox != 0) return found;
            }
        }

        return null;
    }

    public void Dispose()
    {
        // SAFETY: each table is freed once; the owner has stopped.
        for (var i = 0; i < _tableCount; i++)
        {
            NativeMemory.Free(_tables[i].Slots);
            _tables[i] = default;
        }
    }

    private ulong Hash(ulong mailbox)
    {
        // The finaliser of MurmurHash3, keyed.
        var h = mailbox ^ _seed;
        h = (h ^ h >> 33) * 0xFF51_AFD7_ED55_8CCD;
        h = (h ^ h >> 33) * 0xC4CE_B9FE_1A85_EC53;
        return h ^ h >> 33;
    }

    private int DirectoryIndex(ulong hash) => _depth == 0 ? 0 : (int)(hash >> 64 - _depth);

    private ref Table TableOf(ulong hash) => ref _tables[_directory[DirectoryIndex(hash)]];

    private static int Home(ulong hash, int capacity) => (int)((hash & uint.MaxValue) * (uint)capacity >> 32);

    private static MailboxSlot* FreeSlot(in Table table, ulong hash)
    {
        // SAFETY: the load stays at 80 %, so the walk ends; indices stay below the capacity.
        for (var i = Home(hash, table.Capacity); ; i = i + 1 == table.Capacity ? 0 : i + 1)
        {
            if (table.Slots[i].Mailbox == 0) return table.Slots + i;
        }
    }

    private void Resize(ref Table table, int capacity)
    {
        var (old, oldCapacity) = ((nint)table.Slots, table.Capacity);
        table.Slots = NewSlots(capacity);
        table.Capacity = capacity;
        Refill(old, oldCapacity);
    }

    private void Split(int number)
    {
        var old = _tables[number];
        if (old.Depth == _depth)
        {
            var doubled = new int[_directory.Length * 2];
            for (var i = 0; i < doubled.Length; i++) doubled[i] = _directory[i >> 1];
            (_directory, _depth) = (doubled, _depth + 1);
        }

        if (_tableCount == _tables.Length) Array.Resize(ref _tables, _tables.Length * 2);
        var other = _tableCount++;
        var capacity = Math.Max(MinSlots, old.Count * 5 / 6);
        _tables[number] = new Table { Slots = NewSlots(capacity), Capacity = capacity, Depth = old.Depth + 1 };
        _tables[other] = new Table { Slots = NewSlots(capacity), Capacity = capacity, Depth = old.Depth + 1 };

        // The directory entries of the old table are one run; its second half is the new table's.
        var run = 1 << _depth - old.Depth;
        var first = Array.IndexOf(_directory, number);
        for (var i = first + run / 2; i < first + run; i++) _directory[i] = other;
        Refill((nint)old.Slots, old.Capacity, recount: true);
    }

    private void Refill(nint oldSlots, int oldCapacity, bool recount = false)
    {
        // SAFETY: the old slots are nobody else's any more and are freed here.
        var slots = (MailboxSlot*)oldSlots;
        for (var i = 0; i < oldCapacity; i++)
        {
            if (slots[i].Mailbox == 0) continue;
            var hash = Hash(slots[i].Mailbox);
            ref var table = ref TableOf(hash);
            if (recount)
            {
                // A split may fall unevenly; the half that would overflow grows on the way.
                if ((table.Count + 1) * 5 > table.Capacity * 4) Resize(ref table, table.Capacity + table.Capacity / 2);
                table.Count++;
            }

            *FreeSlot(table, hash) = slots[i];
        }

        _slotsHeld -= oldCapacity;
        NativeMemory.Free(slots);
    }

    private MailboxSlot* NewSlots(int capacity)
    {
        _slotsHeld += capacity;
        // SAFETY: zeroed, so every slot is free; released by Refill or Dispose.
        return capacity == 0 ? null : (MailboxSlot*)NativeMemory.AllocZeroed((nuint)capacity, (nuint)sizeof(MailboxSlot));
    }

    private struct Table
    {
        public MailboxSlot* Slots;
        public int Capacity;
        public int Count;
        public int Depth;
    }

    /// <summary>Every slot in use, in no order. The table must not change meanwhile.</summary>
    public ref struct Enumerator(SlotTable owner)
    {
        private int _table;
        private int _slot = -1;

        // SAFETY: MoveNext stays within the tables, which do not change meanwhile.
        public readonly MailboxSlot* Current => owner._tables[_table].Slots + _slot;

        public bool MoveNext()
        {
            for (; _table < owner._tableCount; _table++, _slot = -1)
            {
                ref readonly var table = ref owner._tables[_table];
                while (++_slot < table.Capacity)
                {
                    if (table.Slots[_slot].Mailbox != 0) return true;
                }
            }

            return false;
        }
    }
}
