using Gateway.Server.Metrics;

namespace Gateway.Server.Health;

/// <summary>
/// Follows every queue from tick to tick: totals become rates. One thread at a time; what it returns is immutable. It reads what the owners publish
/// and waits for none of them, so a reactor that hangs is followed like any other: its totals stand still and its oldest entry grows older.
/// </summary>
internal sealed class QueueWatch
{
    private readonly Dictionary<(string Name, int Reactor), Trend> _trends = [];

    /// <param name="readings">All queues, now.</param>
    /// <param name="elapsedSeconds">Since the last tick; at the first it does not matter.</param>
    public IReadOnlyList<QueueHealth> Observe(IReadOnlyList<QueueReading> readings, double elapsedSeconds)
    {
        var healths = new QueueHealth[readings.Count];
        for (var i = 0; i < healths.Length; i++)
        {
            var reading = readings[i];
            // A queue seen for the first time has totals and no past: what happened since the last tick is not known.
            if (_trends.TryGetValue((reading.Name, reading.Reactor), out var trend)) trend.Note(reading.In, reading.Out, elapsedSeconds);
            else _trends[(reading.Name, reading.Reactor)] = trend = new Trend(reading.In, reading.Out);
            healths[i] = new QueueHealth(reading, trend.Rates);
        }

        return healths;
    }

    private sealed class Trend(long entered, long left)
    {
        private DecayingRate _in1 = new(1), _in10 = new(10), _in100 = new(100), _out1 = new(1), _out10 = new(10), _out100 = new(100);
        private long _entered = entered;
        private long _left = left;

        public QueueRates Rates =>
            new(_in1.PerSecond, _in10.PerSecond, _in100.PerSecond, _out1.PerSecond, _out10.PerSecond, _out100.PerSecond);

        public void Note(long entered, long left, double elapsedSeconds)
        {
            var (came, went) = (entered - _entered, left - _left);
            (_entered, _left) = (entered, left);
            _in1.Note(came, elapsedSeconds);
            _in10.Note(came, elapsedSeconds);
            _in100.Note(came, elapsedSeconds);
            _out1.Note(went, elapsedSeconds);
            _out10.Note(went, elapsedSeconds);
            _out100.Note(went, elapsedSeconds);
        }
    }
}
