using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Index;

/// <summary>What opens a chunk; <see cref="ChunkSlab.Capacity"/> entries follow, [Start, Start + Count) of them in use.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct ChunkHeader
{
    public uint Next;
    public ushort Start;
    public ushort Count;
    public byte Class;
}

/// <summary>
/// Native memory for chunks of 64, 128, ... 4096 bytes (3, 7, ... 255 entries). One partition's owner thread only.
/// Blocks of 64 KiB hold chunks of one class; an empty block serves any class again, and beyond a few goes back to the system.
/// A chunk is named by its place in units of 64 bytes, which reaches 256 GiB; 0 names none.
/// </summary>
internal sealed unsafe class ChunkSlab : IDisposable
{
    public const int Classes = 7;
    public const int BlockBytes = 64 * 1024;

    private const int UnitBytes = 64;
    private const int UnitBits = 10;
    private const int UnitsPerBlock = BlockBytes / UnitBytes;
    private const int SpareBlocks = 4;
    private const int None = -1;
    private const ushort NoChunk = ushort.MaxValue;

    private Block[] _blocks = new Block[4];
    private readonly int[] _open = new int[Classes];
    private readonly int[] _spare = new int[SpareBlocks];
    private int _spares;
    private int _blockCount;
    private int _unusedNumbers = None;
    private int _blocksHeld;

    public ChunkSlab() => Array.Fill(_open, None);

    /// <summary>Native and bookkeeping memory held, in use or not.</summary>
    public long Bytes => (long)_blocksHeld * BlockBytes + (long)_blocks.Length * sizeof(Block);

    public static int Capacity(int chunkClass) => (4 << chunkClass) - 1;

    public ChunkHeader* this[uint chunk]
    {
        get
        {
            // SAFETY: the caller holds a chunk that it allocated and has not freed, so its block exists.
            return (ChunkHeader*)(_blocks[(int)(chunk >> UnitBits)].Memory + (nint)(chunk & (UnitsPerBlock - 1)) * UnitBytes);
        }
    }

    public static IndexEntry* Entries(ChunkHeader* chunk)
    {
        // SAFETY: entries follow the header inside the chunk.
        return (IndexEntry*)(chunk + 1);
    }

    public uint Allocate(int chunkClass)
    {
        if (_open[chunkClass] == None) OpenBlock(chunkClass);
        var number = _open[chunkClass];
        ref var block = ref _blocks[number];
        var unitsPerChunk = 1 << chunkClass;
        int unit;
        if (block.FirstFree != NoChunk)
        {
            unit = block.FirstFree;
            // SAFETY: a free chunk of this block; its first bytes link to the next.
            block.FirstFree = *(ushort*)(block.Memory + (nint)unit * UnitBytes);
        }
        else
        {
            unit = block.NextFresh;
            block.NextFresh += (ushort)unitsPerChunk;
        }

        block.Live++;
        if (block.FirstFree == NoChunk && block.NextFresh + unitsPerChunk > UnitsPerBlock) Unlink(number);
        var chunk = (uint)number << UnitBits | (uint)unit;
        *this[chunk] = new ChunkHeader { Class = (byte)chunkClass };
        return chunk;
    }

    public void Free(uint chunk)
    {
        var number = (int)(chunk >> UnitBits);
        ref var block = ref _blocks[number];
        var unit = (ushort)(chunk & (UnitsPerBlock - 1));
        var wasFull = block.FirstFree == NoChunk && block.NextFresh + (1 << block.Class) > UnitsPerBlock;
        // SAFETY: the chunk is the caller's to free; its memory now carries the free list.
        *(ushort*)(block.Memory + (nint)unit * UnitBytes) = block.FirstFree;
        block.FirstFree = unit;
        block.Live--;
        if (wasFull) Link(number);
        if (block.Live == 0) Retire(number);
    }

    public void Dispose()
    {
        // SAFETY: each block is freed once; the owner has stopped using chunks.
        for (var i = 0; i < _blockCount; i++) NativeMemory.AlignedFree(_blocks[i].Memory);
        _blockCount = 0;
    }

    private void OpenBlock(int chunkClass)
    {
        int number;
        if (_spares > 0)
        {
            number = _spare[--_spares];
        }
        else
        {
            if (_unusedNumbers != None)
            {
                number = _unusedNumbers;
                _unusedNumbers = _blocks[number].Next;
            }
            else
            {
                if (_blockCount == _blocks.Length) Array.Resize(ref _blocks, _blocks.Length * 2);
                number = _blockCount++;
            }

            // SAFETY: released by Retire or Dispose.
            _blocks[number] = new Block { Memory = (byte*)NativeMemory.AlignedAlloc(BlockBytes, UnitBytes) };
            _blocksHeld++;
        }

        ref var block = ref _blocks[number];
        block.Class = (byte)chunkClass;
        block.FirstFree = NoChunk;
        block.Live = 0;

        // Unit 0 of block 0 is never handed out, so that 0 can mean "no chunk". The first chunk's units are skipped whole.
        block.NextFresh = (ushort)(number == 0 ? 1 << chunkClass : 0);
        Link(number);
    }

    private void Retire(int number)
    {
        Unlink(number);
        if (_spares < SpareBlocks)
        {
            _spare[_spares++] = number;
            return;
        }

        ref var block = ref _blocks[number];
        // SAFETY: no chunk of it is live, and it is in no list.
        NativeMemory.AlignedFree(block.Memory);
        block.Memory = null;
        block.Next = _unusedNumbers;
        _unusedNumbers = number;
        _blocksHeld--;
    }

    private void Link(int number)
    {
        ref var block = ref _blocks[number];
        ref var open = ref _open[block.Class];
        block.Next = open;
        block.Previous = None;
        if (open != None) _blocks[open].Previous = number;
        open = number;
    }

    private void Unlink(int number)
    {
        ref var block = ref _blocks[number];
        if (block.Previous != None) _blocks[block.Previous].Next = block.Next;
        else _open[block.Class] = block.Next;
        if (block.Next != None) _blocks[block.Next].Previous = block.Previous;
    }

    private struct Block
    {
        public byte* Memory;
        public int Next;
        public int Previous;
        public ushort Live;
        public ushort FirstFree;
        public ushort NextFresh;
        public byte Class;
    }
}
