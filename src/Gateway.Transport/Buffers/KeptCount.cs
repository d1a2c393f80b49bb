namespace Gateway.Transport.Buffers;

/// <summary>
/// How many of something lie in a store for reuse, and how many of those lay there untouched through a whole interval: these are surplus.
/// </summary>
internal struct KeptCount
{
    private int _least;

    public int Count { get; private set; }

    public int Surplus { get; private set; }

    public void Put() => Count++;

    public void Took() => _least = Math.Min(_least, --Count);

    public void Roll()
    {
        Surplus = _least;
        _least = Count;
    }

    /// <summary>Takes one that is surplus; false when there is none.</summary>
    public bool TryTakeSurplus()
    {
        if (Surplus == 0 || Count == 0) return false;
        Surplus--;
        Took();
        return true;
    }
}
