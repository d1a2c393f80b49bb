using System.Globalization;
using Gateway.Server.Texts;

namespace Gateway.Server.Health.Top;

/// <summary>
/// Readings of the node's sketches as lists in order. Shares of senders become rates by what each reactor received lately, so this follows those from
/// tick to tick. <see cref="Observe"/> by one thread at a time; the lists from any.
/// </summary>
internal sealed class TopLists(INodeInsight insight)
{
    private readonly Dictionary<int, Sends> _sends = [];
    private volatile IReadOnlyDictionary<int, double> _rates = new Dictionary<int, double>();

    /// <summary>Sends a second that reach the node, over some 10 s.</summary>
    public double SendRate => _rates.Values.Sum();

    public void Observe(NodeCounters counters, double elapsedSeconds)
    {
        var rates = new Dictionary<int, double>();
        foreach (var reactor in counters.Reactors)
        {
            if (_sends.TryGetValue(reactor.Index, out var sends)) rates[reactor.Index] = sends.Note(reactor.MessagesIn, elapsedSeconds);
            else _sends[reactor.Index] = new Sends(reactor.MessagesIn);
        }

        _rates = rates;
    }

    public TopList Mailboxes(int limit)
    {
        var (mailboxes, missed) = insight.ReadMailboxes();
        return new TopList(
            [
                .. mailboxes.OrderByDescending(m => m.Entries).Take(limit)
                    .Select(m => new TopEntry(TopKind.Mailbox, m.Mailbox, "", m.Entries, 0, "entries", m.Reactor, "")),
            ],
            string.Create(CultureInfo.InvariantCulture, $"depths are exact; a mailbox that is not listed holds at most {missed} entries"));
    }

    public TopList Senders(int limit)
    {
        var rates = _rates;
        double missed = 0;
        var entries = new List<TopEntry>();
        foreach (var sender in insight.ReadSenders())
        {
            var rate = rates.GetValueOrDefault(sender.Reactor);
            missed = Math.Max(missed, sender.MissedShare * rate);
            entries.Add(new TopEntry(
                TopKind.Sender, sender.Device, "", Round(sender.Share * rate), Round(sender.Error * rate), "sends/s", sender.Reactor,
                string.Create(CultureInfo.InvariantCulture, $"{sender.Share:P0} of the sends of its reactor")));
        }

        return new TopList(
            [.. entries.OrderByDescending(e => e.Value).Take(limit)],
            string.Create(
                CultureInfo.InvariantCulture,
                $"space-saving over one send in 16: a rate is too great by at most its error, a sender that is not listed has at most {missed:0.#} sends/s; both but for chance, about 4 times the square root of the sends counted"));
    }

    public async Task<TopList> SocketsAsync(int limit, CancellationToken cancel)
    {
        var sockets = await insight.ReadSocketsAsync(limit, cancel);
        return new TopList(
            [
                .. sockets.Select(s => new TopEntry(
                    TopKind.Socket, s.Device, string.Create(CultureInfo.InvariantCulture, $"connection {s.Slot}.{s.Generation}"), s.HeldBytes, 0, "bytes", s.Reactor,
                    $"{(s.UnsentBytes > 0 ? "unread" : "of an unfinished frame")} for {Figures.Time(s.Since.TotalSeconds)}")),
            ],
            "exact when each connection was looked at; a reactor that did not answer in time is missing");
    }

    private static double Round(double rate) => Math.Round(rate, 1);

    private sealed class Sends(long received)
    {
        private DecayingRate _rate = new(10);
        private long _received = received;

        public double Note(long received, double elapsedSeconds)
        {
            _rate.Note(received - _received, elapsedSeconds);
            _received = received;
            return _rate.PerSecond;
        }
    }
}
