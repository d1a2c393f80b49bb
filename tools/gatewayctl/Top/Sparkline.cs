namespace Gateway.Ctl.Top;

/// <summary>Depths as a row of blocks, the highest as high as the greatest of them. Stateless.</summary>
internal static class Sparkline
{
    private const string Blocks = "▁▂▃▄▅▆▇█";

    /// <summary>A greatest depth below this is drawn as lower than the row: a few entries that come and go are no hill.</summary>
    private const long Least = 20;

    public static string Of(IReadOnlyList<long?> depths)
    {
        var most = Math.Max(Least, depths.Max() ?? 0);
        return string.Concat(depths.Select(d => d is null ? ' ' : Blocks[(int)(d.Value * (Blocks.Length - 1) / (double)most + 0.5)]));
    }
}
