using System.Numerics;

#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Pools;
#else
namespace Gateway.Messaging.Pools;
#endif

/// <summary>A row of bits that grows as they are set, with quick answers to which is the first clear one and which the last set one. Owned by one thread.</summary>
internal sealed class BitRow
{
    private const int WordShift = 6;

    private ulong[] _words = new ulong[1];
    // No word below it has a clear bit.
    private int _clearFrom;
    // No word from it on has a set bit.
    private int _setBelow;

    /// <summary>Bits that are set.</summary>
    public int Count { get; private set; }

    public bool Has(int bit) => bit >> WordShift < _words.Length && (_words[bit >> WordShift] >> (bit & 63) & 1) != 0;

    public void Set(int bit)
    {
        if (Has(bit)) return;
        var word = bit >> WordShift;
        if (word >= _words.Length) Array.Resize(ref _words, Math.Max(_words.Length * 2, word + 1));
        _words[word] |= 1ul << (bit & 63);
        _setBelow = Math.Max(_setBelow, word + 1);
        Count++;
    }

    public void Clear(int bit)
    {
        if (!Has(bit)) return;
        var word = bit >> WordShift;
        _words[word] &= ~(1ul << (bit & 63));
        _clearFrom = Math.Min(_clearFrom, word);
        Count--;
    }

    /// <summary>The lowest bit that is clear, which may lie beyond all that were ever set.</summary>
    public int FirstClear()
    {
        while (_clearFrom < _words.Length && _words[_clearFrom] == ulong.MaxValue) _clearFrom++;
        return (_clearFrom << WordShift) + (_clearFrom < _words.Length ? BitOperations.TrailingZeroCount(~_words[_clearFrom]) : 0);
    }

    /// <summary>The highest bit that is set; -1 when none is.</summary>
    public int LastSet()
    {
        while (_setBelow > 0 && _words[_setBelow - 1] == 0) _setBelow--;
        return _setBelow == 0 ? -1 : (_setBelow << WordShift) - 1 - BitOperations.LeadingZeroCount(_words[_setBelow - 1]);
    }
}
