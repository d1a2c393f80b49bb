using System.Numerics;

#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Pools;
#else
namespace Gateway.Messaging.Pools;
#endif

/// <summary>
/// Which places of a pool are taken, and which of the chunks that hold them are there. The lowest free place is given out next, so that what
/// is in use stays together and whole chunks above it fall empty. The memory of the chunks is the pool's own; here are a bit a place and three bits
/// a chunk. Owned by one thread. Invariant: a place that is taken lies in a chunk that is there.
/// </summary>
/// <param name="chunkPlaces">Places of a chunk, a multiple of 64.</param>
/// <param name="firstPlace">The lowest place that is ever given out, below 64.</param>
internal sealed class PlaceMap(int chunkPlaces, int firstPlace)
{
    private const int WordShift = 6;

    private readonly int _wordsPerChunk = chunkPlaces >> WordShift;
    private readonly BitRow _full = new();
    private readonly BitRow _there = new();
    private readonly BitRow _idle = new();
    private ulong[] _taken = new ulong[chunkPlaces >> WordShift];
    private Demand _demand;

    /// <summary>Places taken.</summary>
    public int Count { get; private set; }

    /// <summary>One past the highest place ever given out.</summary>
    public uint End { get; private set; } = (uint)firstPlace;

    /// <summary>Chunks that are there, used or not.</summary>
    public int Chunks => _there.Count;

    private int ChunksInUse => _there.Count - _idle.Count;

    /// <summary>Takes a place; <paramref name="isNew"/>: its chunk was not there, and is the caller's to make before anything else.</summary>
    public uint Take(out bool isNew)
    {
        var word = _full.FirstClear();
        if (word >= _taken.Length) Array.Resize(ref _taken, Math.Max(_taken.Length * 2, (word / _wordsPerChunk + 1) * _wordsPerChunk));
        // A place that is never given out counts as taken here and nowhere else.
        var taken = word == 0 ? _taken[0] | (1ul << firstPlace) - 1 : _taken[word];
        var bit = BitOperations.TrailingZeroCount(~taken);
        _taken[word] |= 1ul << bit;
        if ((taken | 1ul << bit) == ulong.MaxValue) _full.Set(word);
        Count++;

        var chunk = word / _wordsPerChunk;
        isNew = !_there.Has(chunk);
        if (isNew) _there.Set(chunk);
        else if (_idle.Has(chunk)) _idle.Clear(chunk);
        _demand.Note(ChunksInUse);
        var place = (uint)((word << WordShift) + bit);
        End = Math.Max(End, place + 1);
        return place;
    }

    /// <summary>A place is free again.</summary>
    public void Return(uint place)
    {
        var word = (int)(place >> WordShift);
        var bit = 1ul << (int)(place & 63);
        if (!Has(place)) throw new InvalidOperationException($"Place {place} is returned and was not taken.");
        _taken[word] &= ~bit;
        _full.Clear(word);
        Count--;
        var chunk = word / _wordsPerChunk;
        if (IsEmpty(chunk)) _idle.Set(chunk);
    }

    public bool Has(uint place) => place >> WordShift < (uint)_taken.Length && (_taken[place >> WordShift] >> (int)(place & 63) & 1) != 0;

    /// <summary>Whether that chunk is there.</summary>
    public bool HasChunk(int chunk) => _there.Has(chunk);

    public void Roll() => _demand.Roll(ChunksInUse);

    /// <summary>
    /// The highest chunk that is empty, if more are there than were in use of late; it counts as gone, and its memory is the caller's to give
    /// back. -1: none. What lies idle between chunks in use is found here too.
    /// </summary>
    public int TakeSurplus()
    {
        if (_idle.Count == 0 || Chunks <= _demand.Recent) return -1;
        var chunk = _idle.LastSet();
        _idle.Clear(chunk);
        _there.Clear(chunk);
        return chunk;
    }

    /// <summary>The chunk of a place just taken could not be made: as if it had not been taken.</summary>
    public void Undo(uint place)
    {
        Return(place);
        var chunk = (int)(place >> WordShift) / _wordsPerChunk;
        _idle.Clear(chunk);
        _there.Clear(chunk);
    }

    private bool IsEmpty(int chunk)
    {
        for (var word = chunk * _wordsPerChunk; word < (chunk + 1) * _wordsPerChunk; word++)
        {
            if (_taken[word] != 0) return false;
        }

        return true;
    }
}
