using System.Globalization;

namespace Gateway.Simulation;

/// <summary>
/// Everything that happened in a run, as one number that differs when anything did; and in words, if somebody wants to read them.
/// </summary>
public sealed class History(bool keepsWords)
{
    private readonly List<string> _lines = [];

    public ulong Hash { get; private set; } = 0xCBF2_9CE4_8422_2325;

    public bool KeepsWords { get; } = keepsWords;

    public IReadOnlyList<string> Lines => _lines;

    internal long NowMicros { get; set; }

    internal void Note(int what, ulong a = 0, ulong b = 0)
    {
        Mix((ulong)what);
        Mix((ulong)NowMicros);
        Mix(a);
        Mix(b);
    }

    internal void Note(ReadOnlySpan<byte> bytes)
    {
        var hash = Hash;
        foreach (var b in bytes) hash = (hash ^ b) * 0x0000_0100_0000_01B3;
        Hash = hash;
    }

    internal void Say(string line)
    {
        if (KeepsWords) _lines.Add(string.Create(CultureInfo.InvariantCulture, $"{NowMicros / 1000.0,10:0.000} {line}"));
    }

    private void Mix(ulong value)
    {
        var z = (Hash ^ value) * 0xBF58_476D_1CE4_E5B9;
        Hash = z ^ (z >> 29);
    }
}
