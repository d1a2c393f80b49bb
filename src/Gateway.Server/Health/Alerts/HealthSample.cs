using Gateway.Server.Health.Top;

namespace Gateway.Server.Health.Alerts;

/// <summary>All that alerts are judged by, of one tick. Immutable.</summary>
internal sealed record HealthSample
{
    /// <summary>Monotonic, from an origin of the watch's own.</summary>
    public required TimeSpan At { get; init; }
    public required DateTimeOffset WallClock { get; init; }
    public IReadOnlyList<QueueHealth> Queues { get; init; } = [];
    public NodeCounters Counters { get; init; } = NodeCounters.None;

    /// <summary>The longest commit of this tick, or how long one has been under way.</summary>
    public TimeSpan Commit { get; init; }

    /// <summary>Appended to the log, bytes a second.</summary>
    public double AppendRate { get; init; }

    /// <summary>Connections that arrive, a second.</summary>
    public double ArrivalRate { get; init; }

    /// <summary>Sends that arrive, a second.</summary>
    public double SendRate { get; init; }
    public long BufferHard { get; init; }
    public IReadOnlyList<TopEntry> Mailboxes { get; init; } = [];
    public IReadOnlyList<TopEntry> Senders { get; init; } = [];
    public IReadOnlyList<TopEntry> Sockets { get; init; } = [];

    /// <summary>How long the webhook has taken nothing although it should have; zero while it works or there is none.</summary>
    public TimeSpan WebhookFailing { get; init; }
    public string WebhookError { get; init; } = "";

    public IEnumerable<QueueHealth> Named(string queue) => Queues.Where(q => q.Reading.Name == queue);

    public long BufferedBytes => Counters.Reactors.Sum(r => r.BufferedBytes);
}
