using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>
/// OpenMetrics 1.0 text as the specification has it, read strictly: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md.
/// What is not allowed fails the test.
/// </summary>
internal sealed partial class OpenMetricsText
{
    private readonly List<Family> _families = [];

    private OpenMetricsText()
    {
    }

    public IReadOnlyList<Family> Families => _families;

    public sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

    public sealed class Family
    {
        public required string Name { get; init; }
        public required string Type { get; init; }
        public string Unit { get; set; } = "";
        public string Help { get; set; } = "";
        public List<Sample> Samples { get; } = [];
    }

    public double Value(string sample, params (string Name, string Value)[] labels) => Samples(sample)
        .Single(s => labels.All(l => s.Labels.TryGetValue(l.Name, out var value) && value == l.Value) && s.Labels.Count == labels.Length).Value;

    public double Sum(string sample) => Samples(sample).Sum(s => s.Value);

    public IEnumerable<Sample> Samples(string sample) => _families.SelectMany(f => f.Samples).Where(s => s.Name == sample);

    public static OpenMetricsText Parse(string text)
    {
        var parsed = new OpenMetricsText();
        Assert.EndsWith("# EOF\n", text, StringComparison.Ordinal);
        var lines = text[..^1].Split('\n');
        foreach (var line in lines[..^1]) parsed.OnLine(line);
        foreach (var family in parsed._families) Check(family);
        Assert.Equal(parsed._families.Count, parsed._families.Select(f => f.Name).Distinct().Count());
        return parsed;
    }

    private void OnLine(string line)
    {
        var meta = MetaPattern().Match(line);
        if (meta.Success)
        {
            OnMeta(meta.Groups[1].Value, meta.Groups[2].Value, meta.Groups[3].Value);
            return;
        }

        var match = SamplePattern().Match(line);
        Assert.True(match.Success, $"neither metadata nor a sample: {line}");
        var labels = LabelPattern().Matches(match.Groups[2].Value).ToDictionary(l => l.Groups[1].Value, l => l.Groups[2].Value);
        _families[^1].Samples.Add(new Sample(match.Groups[1].Value, labels, NumberOf(match.Groups[3].Value)));
    }

    private void OnMeta(string kind, string name, string rest)
    {
        if (kind == "TYPE") _families.Add(new Family { Name = name, Type = rest });
        Assert.Equal(_families[^1].Name, name);
        Assert.Empty(_families[^1].Samples);
        if (kind == "UNIT") _families[^1].Unit = rest;
        if (kind == "HELP") _families[^1].Help = rest;
    }

    private static void Check(Family family)
    {
        Assert.Contains(family.Type, new[] { "counter", "gauge", "histogram", "info" });
        Assert.NotEmpty(family.Help);
        Assert.False(family.Name.EndsWith("_total", StringComparison.Ordinal), family.Name);
        if (family.Unit.Length > 0) Assert.EndsWith("_" + family.Unit, family.Name, StringComparison.Ordinal);
        foreach (var unit in new[] { "seconds", "bytes" })
        {
            if (family.Name.EndsWith("_" + unit, StringComparison.Ordinal)) Assert.Equal(unit, family.Unit);
        }

        foreach (var sample in family.Samples)
        {
            string[] suffixes = family.Type switch { "counter" => ["_total"], "info" => ["_info"], "histogram" => ["_bucket", "_count", "_sum"], _ => [""] };
            Assert.Contains(sample.Name, suffixes.Select(s => family.Name + s));
            if (family.Type is "counter" or "histogram") Assert.True(sample.Value >= 0, sample.ToString());
        }

        Assert.Equal(family.Samples.Count, family.Samples.Select(s => s.Name + string.Join(',', s.Labels.OrderBy(l => l.Key))).Distinct().Count());
        if (family.Type == "histogram") CheckBuckets(family);
    }

    private static void CheckBuckets(Family family)
    {
        foreach (var series in family.Samples.GroupBy(s => string.Join(',', s.Labels.Where(l => l.Key != "le").OrderBy(l => l.Key))))
        {
            var buckets = series.Where(s => s.Name.EndsWith("_bucket", StringComparison.Ordinal)).ToList();
            Assert.Equal("+Inf", buckets[^1].Labels["le"]);
            Assert.All(buckets[..^1], b => Assert.Matches(@"[.e]", b.Labels["le"]));
            var bounds = buckets.Select(b => NumberOf(b.Labels["le"])).ToList();
            Assert.Equal(bounds.Order(), bounds);
            Assert.Equal(buckets.Select(b => b.Value).Order(), buckets.Select(b => b.Value));
            Assert.Equal(series.Single(s => s.Name.EndsWith("_count", StringComparison.Ordinal)).Value, buckets[^1].Value);
        }
    }

    private static double NumberOf(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        "NaN" => double.NaN,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    [GeneratedRegex(@"^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$")]
    private static partial Regex MetaPattern();

    [GeneratedRegex(@"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*=""(?:[^""\\\n]|\\[\\n""])*"",?)+)(?<!,)\})? (\+Inf|-Inf|NaN|[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)$")]
    private static partial Regex SamplePattern();

    [GeneratedRegex(@"([a-zA-Z_][a-zA-Z0-9_]*)=""((?:[^""\\\n]|\\[\\n""])*)""")]
    private static partial Regex LabelPattern();
}
