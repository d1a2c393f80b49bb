namespace Gateway.Load.Measure;

/// <summary>Errors by kind, at most <see cref="MaxKinds"/> kinds; what comes beyond is counted as "other". Any thread, under a lock: errors are rare.</summary>
internal sealed class ErrorTally
{
    private const int MaxKinds = 64;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _kinds = new(StringComparer.Ordinal);

    public void Add(string kind, long count = 1)
    {
        lock (_lock)
        {
            if (_kinds.Count >= MaxKinds && !_kinds.ContainsKey(kind)) kind = "other";
            _kinds[kind] = _kinds.GetValueOrDefault(kind) + count;
        }
    }

    public SortedDictionary<string, long> Copy()
    {
        lock (_lock)
        {
            return new SortedDictionary<string, long>(_kinds, StringComparer.Ordinal);
        }
    }
}
