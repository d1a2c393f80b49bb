using System.Buffers;
using System.Diagnostics.Metrics;

namespace Gateway.Server.Metrics;

/// <summary>
/// Our exposition: listens to the given meters alone, asks their observed instruments when scraped and keeps the histograms. Scrapes take
/// turns at a gate of their own, which no recording thread knows: those meet a scrape only in single words.
/// Instruments that are incremented (Counter, UpDownCounter) are not among ours and not taken.
/// </summary>
internal sealed class MeterExposition : IExposition
{
    private readonly Meter[] _meters;
    private readonly MeterListener _listener = new();
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _familiesGate = new();
    private readonly List<MetricFamily> _families = [];
    private readonly ArrayBufferWriter<byte> _text = new();

    public MeterExposition(IEnumerable<Meter> meters)
    {
        _meters = [.. meters];
        _listener.InstrumentPublished = OnPublished;
        _listener.SetMeasurementEventCallback<int>((_, value, tags, state) => Observed(state).Observe(ExpositionText.Number((long)value), tags));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, state) => Observed(state).Observe(ExpositionText.Number(value), tags));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, state) =>
        {
            if (state is HistogramFamily histogram) histogram.Record(value, tags);
            else Observed(state).Observe(ExpositionText.Number(value), tags);
        });
        _listener.Start();
    }

    public async Task WriteAsync(ExpositionFormat format, Stream body, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            Collect(format);
            await body.WriteAsync(_text.WrittenMemory, cancel);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _gate.Dispose();
    }

    private static ObservedFamily Observed(object? state) => (ObservedFamily)state!;

    private void Collect(ExpositionFormat format)
    {
        MetricFamily[] families;
        lock (_familiesGate) families = [.. _families];
        foreach (var family in families) (family as ObservedFamily)?.Clear();
        _listener.RecordObservableInstruments();
        _text.ResetWrittenCount();
        foreach (var family in families) family.Write(_text, format);
        ExpositionText.WriteEnd(_text, format);
    }

    private void OnPublished(Instrument instrument, MeterListener listener)
    {
        // Other nodes of this process have meters of the same name.
        if (!_meters.Contains(instrument.Meter)) return;
        MetricFamily family = instrument switch
        {
            Histogram<double> histogram => new HistogramFamily(histogram),
            ObservableCounter<long> or ObservableCounter<double> or ObservableCounter<int> => new ObservedFamily(instrument, "counter"),
            ObservableGauge<long> or ObservableGauge<double> or ObservableGauge<int> => new ObservedFamily(instrument, "gauge"),
            _ => throw new NotSupportedException($"{instrument.Meter.Name} {instrument.Name} is a {instrument.GetType().Name}, which the exposition does not take."),
        };
        lock (_familiesGate) _families.Add(family);
        listener.EnableMeasurementEvents(instrument, family);
    }
}
