using System.Diagnostics.Metrics;
using System.Text;
using Gateway.Server.Metrics;
using Gateway.Server.Operator;
using Microsoft.Net.Http.Headers;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>The two text formats, letter by letter, and which of them a scraper gets.</summary>
public sealed class ExpositionTests : IDisposable
{
    private readonly Meter _meter = new("Shop.Floor");
    private readonly MeterExposition _exposition;

    public ExpositionTests() => _exposition = new MeterExposition([_meter]);

    public void Dispose()
    {
        _exposition.Dispose();
        _meter.Dispose();
    }

    [Fact]
    public async Task Every_kind_of_instrument_in_Prometheus_text()
    {
        Fill();
        Assert.Equal(
            """
            # HELP shop_floor_sold_bytes_total What was "sold"\nin all \\ here.
            # TYPE shop_floor_sold_bytes_total counter
            shop_floor_sold_bytes_total{to="a\\b\"c\nd",by_way="é"} 9007199254740993
            shop_floor_sold_bytes_total{to="",by_way="0.5"} 0
            # HELP shop_floor_heat Now.
            # TYPE shop_floor_heat gauge
            shop_floor_heat{at="1"} NaN
            shop_floor_heat{at="2"} +Inf
            shop_floor_heat{at="3"} -Inf
            shop_floor_heat{at="4"} -1.5e-07
            # HELP shop_floor_build_info Which.
            # TYPE shop_floor_build_info gauge
            shop_floor_build_info{version="2"} 1
            # HELP shop_floor_empty_seconds Nothing yet.
            # TYPE shop_floor_empty_seconds gauge
            # HELP shop_floor_took_seconds How long.
            # TYPE shop_floor_took_seconds histogram
            shop_floor_took_seconds_bucket{who="x",le="0.5"} 2
            shop_floor_took_seconds_bucket{who="x",le="1.0"} 2
            shop_floor_took_seconds_bucket{who="x",le="+Inf"} 3
            shop_floor_took_seconds_sum{who="x"} 2.75
            shop_floor_took_seconds_count{who="x"} 3
            shop_floor_took_seconds_bucket{le="0.5"} 0
            shop_floor_took_seconds_bucket{le="1.0"} 1
            shop_floor_took_seconds_bucket{le="+Inf"} 1
            shop_floor_took_seconds_sum 1
            shop_floor_took_seconds_count 1

            """,
            await TextAsync(ExpositionFormat.Prometheus));
    }

    [Fact]
    public async Task OpenMetrics_differs_in_what_stands_above_a_family_and_in_its_end()
    {
        Fill();
        var prometheus = (await TextAsync(ExpositionFormat.Prometheus)).Split('\n');
        var open = (await TextAsync(ExpositionFormat.OpenMetrics)).Split('\n');

        Assert.Equal(prometheus.Where(l => l.Length > 0 && l[0] != '#'), open.Where(l => l.Length > 0 && l[0] != '#'));
        Assert.Equal(
            [
                "# TYPE shop_floor_sold_bytes counter", "# UNIT shop_floor_sold_bytes bytes", "# HELP shop_floor_sold_bytes What was \\\"sold\\\"\\nin all \\\\ here.",
                "# TYPE shop_floor_heat gauge", "# HELP shop_floor_heat Now.",
                "# TYPE shop_floor_build info", "# HELP shop_floor_build Which.",
                "# TYPE shop_floor_empty_seconds gauge", "# UNIT shop_floor_empty_seconds seconds", "# HELP shop_floor_empty_seconds Nothing yet.",
                "# TYPE shop_floor_took_seconds histogram", "# UNIT shop_floor_took_seconds seconds", "# HELP shop_floor_took_seconds How long.",
                "# EOF",
            ],
            open.Where(l => l.StartsWith('#')));
        Assert.Equal(["# EOF", ""], open[^2..]);
    }

    [Fact]
    public async Task A_second_scrape_asks_again_and_keeps_nothing_of_the_first()
    {
        var sold = 1L;
        _meter.CreateObservableGauge("stock", () => Enumerable.Range(0, (int)sold).Select(i => new Measurement<long>(sold, new KeyValuePair<string, object?>("shelf", i))));
        Assert.Contains("shop_floor_stock{shelf=\"0\"} 1\n", await TextAsync(ExpositionFormat.Prometheus), StringComparison.Ordinal);
        sold = 2;
        Assert.EndsWith("gauge\nshop_floor_stock{shelf=\"0\"} 2\nshop_floor_stock{shelf=\"1\"} 2\n", await TextAsync(ExpositionFormat.Prometheus), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Meters_of_the_same_name_that_were_not_given_are_not_shown()
    {
        using var other = new Meter("Shop.Floor");
        other.CreateObservableGauge("of_another_node", () => 1);
        Assert.Equal("", await TextAsync(ExpositionFormat.Prometheus));
    }

    [Fact]
    public async Task Measurements_of_many_threads_at_once_are_all_in_the_histogram()
    {
        var histogram = Histogram();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
        {
            var tag = new KeyValuePair<string, object?>("who", i % 2 == 0 ? "even" : "odd");
            for (var n = 0; n < 10_000; n++) histogram.Record(0.25, tag);
        })));
        var text = await TextAsync(ExpositionFormat.Prometheus);
        foreach (var who in new[] { "even", "odd" })
        {
            Assert.Contains($"shop_floor_took_seconds_count{{who=\"{who}\"}} 40000\n", text, StringComparison.Ordinal);
            Assert.Contains($"shop_floor_took_seconds_sum{{who=\"{who}\"}} 10000\n", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Recording_into_a_histogram_allocates_nothing_after_its_first_measurement()
    {
        var lag = new LoopLag(Histogram(), 3);
        for (var i = 0; i < 100; i++) lag.Note(i * LoopLag.PeriodMs, i);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 100; i < 10_000; i++) lag.Note(i * LoopLag.PeriodMs, i);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public async Task Of_the_turns_of_a_period_the_longest_lag_is_recorded()
    {
        var lag = new LoopLag(Histogram(), 0);
        lag.Note(1_000, 250_000);
        foreach (var us in new[] { 100L, 700_000, 20 }) lag.Note(1_010, us);
        Assert.Contains("shop_floor_took_seconds_sum{reactor=\"0\"} 0.25\n", await TextAsync(ExpositionFormat.Prometheus), StringComparison.Ordinal);
        lag.Note(1_000 + LoopLag.PeriodMs, 50);
        Assert.Contains("shop_floor_took_seconds_sum{reactor=\"0\"} 0.95\n", await TextAsync(ExpositionFormat.Prometheus), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("*/*", false)]
    [InlineData("text/html, application/json;q=0.9, */*;q=0.8", false)]
    [InlineData("application/openmetrics-text", true)]
    [InlineData("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true)]
    [InlineData("application/openmetrics-text;version=\"1.0.0\", text/plain", true)]
    [InlineData("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", false)]
    [InlineData("application/openmetrics-text;q=0.2,text/plain;q=0.3", false)]
    [InlineData("application/openmetrics-text;q=0.2,text/*;q=0.3", false)]
    [InlineData("application/openmetrics-text;q=0", false)]
    [InlineData("application/json", false)]
    public void A_scraper_gets_the_format_that_it_prefers(string accept, bool open) => Assert.Equal(
        open ? ExpositionFormat.OpenMetrics : ExpositionFormat.Prometheus,
        MetricsEndpoint.Preferred(MediaTypeHeaderValue.ParseList([accept])));

    private void Fill()
    {
        var build = new KeyValuePair<string, object?>("version", 2);
        _meter.CreateObservableCounter("sold_bytes_total", () => new Measurement<long>[]
        {
            // One more than a double holds.
            new(9007199254740993, new("to", "a\\b\"c\nd"), new("by_way", "é")), new(0, new("to", null), new("by_way", 0.5)),
        }, "bytes", "What was \"sold\"\nin all \\ here.");
        _meter.CreateObservableGauge("Heat", () => new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity, -1.5e-7 }
            .Select((heat, i) => new Measurement<double>(heat, new KeyValuePair<string, object?>("at", i + 1))), "degrees", "Now.");
        _meter.CreateObservableGauge("build.info", () => new Measurement<int>(1, build), null, "Which.");
        _meter.CreateObservableGauge("empty-seconds", () => Array.Empty<Measurement<long>>(), "seconds", "Nothing yet.");
        var took = Histogram();
        foreach (var seconds in new[] { 0.25, 0.5, 2 }) took.Record(seconds, new KeyValuePair<string, object?>("who", "x"));
        took.Record(1);
    }

    private Histogram<double> Histogram() => _meter.CreateHistogram(
        "took_seconds", "seconds", "How long.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });

    private async Task<string> TextAsync(ExpositionFormat format)
    {
        using var body = new MemoryStream();
        await _exposition.WriteAsync(format, body, CancellationToken.None);
        return Encoding.UTF8.GetString(body.ToArray());
    }
}
