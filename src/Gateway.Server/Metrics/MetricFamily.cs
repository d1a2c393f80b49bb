using System.Buffers;
using System.Diagnostics.Metrics;

namespace Gateway.Server.Metrics;

/// <summary>One instrument as a family of samples.</summary>
internal abstract class MetricFamily(Instrument instrument, string type)
{
    protected string Name { get; } = ExpositionText.FullName(instrument.Meter.Name, instrument.Name);

    public void Write(IBufferWriter<byte> into, ExpositionFormat format)
    {
        ExpositionText.WriteHeader(into, format, Name, type, instrument.Unit ?? "", instrument.Description ?? "");
        WriteSamples(into);
    }

    protected abstract void WriteSamples(IBufferWriter<byte> into);
}

/// <summary>An observed counter or gauge: its samples are those of the collection under way. Used under the exposition's gate only.</summary>
internal sealed class ObservedFamily(Instrument instrument, string type) : MetricFamily(instrument, type)
{
    private readonly ArrayBufferWriter<byte> _samples = new();

    public void Clear() => _samples.ResetWrittenCount();

    public void Observe(string value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        ExpositionText.WriteSample(_samples, Name, ExpositionText.Labels(tags), value);

    protected override void WriteSamples(IBufferWriter<byte> into) => into.Write(_samples.WrittenSpan);
}

/// <summary>
/// A histogram: recorded on whichever thread measures, read by the scraper. Interlocked, because nothing promises one writer a series; it is
/// uncontended when each has its own. A new label's first measurement allocates, later ones do not.
/// </summary>
internal sealed class HistogramFamily(Histogram<double> instrument) : MetricFamily(instrument, "histogram")
{
    private readonly double[] _bounds = [.. instrument.Advice?.HistogramBucketBoundaries ?? throw new InvalidOperationException($"{instrument.Name} gives no buckets.")];
    private readonly Lock _gate = new();
    private Series[] _series = [];

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var series = Find(Volatile.Read(ref _series), tags) ?? Add(tags);
        var bucket = 0;
        while (bucket < _bounds.Length && value > _bounds[bucket]) bucket++;
        Interlocked.Increment(ref series.Counts[bucket]);
        var before = Volatile.Read(ref series.Sum);
        for (double found; (found = Interlocked.CompareExchange(ref series.Sum, before + value, before)) != before;) before = found;
    }

    protected override void WriteSamples(IBufferWriter<byte> into)
    {
        foreach (var series in Volatile.Read(ref _series))
        {
            long count = 0;
            for (var i = 0; i <= _bounds.Length; i++)
            {
                count += Volatile.Read(ref series.Counts[i]);
                var bound = i < _bounds.Length ? ExpositionText.Bound(_bounds[i]) : "+Inf";
                var labels = series.Labels.Length == 0 ? $"le=\"{bound}\"" : $"{series.Labels},le=\"{bound}\"";
                ExpositionText.WriteSample(into, Name + "_bucket", labels, ExpositionText.Number(count));
            }

            ExpositionText.WriteSample(into, Name + "_sum", series.Labels, ExpositionText.Number(Volatile.Read(ref series.Sum)));
            ExpositionText.WriteSample(into, Name + "_count", series.Labels, ExpositionText.Number(count));
        }
    }

    private static Series? Find(Series[] all, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (var series in all)
        {
            if (series.Has(tags)) return series;
        }

        return null;
    }

    private Series Add(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_gate)
        {
            if (Find(_series, tags) is { } there) return there;
            var series = new Series(tags.ToArray(), _bounds.Length + 1);
            Volatile.Write(ref _series, [.. _series, series]);
            return series;
        }
    }

    private sealed class Series(KeyValuePair<string, object?>[] tags, int buckets)
    {
        public readonly string Labels = ExpositionText.Labels(tags);
        public readonly long[] Counts = new long[buckets];
        public double Sum;

        public bool Has(ReadOnlySpan<KeyValuePair<string, object?>> other)
        {
            if (other.Length != tags.Length) return false;
            for (var i = 0; i < tags.Length; i++)
            {
                if (!ReferenceEquals(tags[i].Value, other[i].Value) && !Equals(tags[i].Value, other[i].Value)) return false;
                if (tags[i].Key != other[i].Key) return false;
            }

            return true;
        }
    }
}
