using Gateway.Server.Options;

namespace Gateway.Server.Health.Alerts;

/// <summary>From where on things are told, and how long they must last: the options whose names begin with <c>alert-</c>, as they stand now. Immutable.</summary>
public sealed record AlertThresholds
{
    internal AlertThresholds(OptionValues values)
    {
        QueueDepth = values.Get(AlertTable.QueueDepth);
        QueueAge = values.Get(AlertTable.QueueAge);
        QueueDrain = values.Get(AlertTable.QueueDrain);
        MailboxBacklog = values.Get(AlertTable.MailboxBacklog);
        MailboxDepth = values.Get(AlertTable.MailboxDepth);
        Commit = values.Get(AlertTable.Commit);
        Stall = values.Get(AlertTable.Stall);
        LoginRate = values.Get(AlertTable.LoginRate);
        SenderRate = values.Get(AlertTable.SenderRate);
        SlowReaders = values.Get(AlertTable.SlowReaders);
        MemoryPercent = values.Get(AlertTable.Memory);
        ColdRead = values.Get(AlertTable.ColdRead);
        RaiseAfter = values.Get(AlertTable.After);
        ClearAfter = values.Get(AlertTable.ClearAfter);
        Webhook = values.Get(AlertTable.Webhook);
        Instance = values.Get(AlertTable.Instance);
        WebhookInterval = values.Get(AlertTable.WebhookInterval);
    }

    /// <summary>A queue's entries.</summary>
    public QueueLimits<DepthLimit> QueueDepth { get; init; }

    /// <summary>A queue's oldest entry.</summary>
    public QueueLimits<TimeSpan> QueueAge { get; init; }

    /// <summary>A queue's projected drain time.</summary>
    public QueueLimits<TimeSpan> QueueDrain { get; init; }

    /// <summary>Entries pending at one reactor.</summary>
    public int MailboxBacklog { get; init; }

    /// <summary>Entries pending in one mailbox.</summary>
    public int MailboxDepth { get; init; }

    /// <summary>Of the longest commit in a second.</summary>
    public TimeSpan Commit { get; init; }

    /// <summary>Without a turn of a reactor.</summary>
    public TimeSpan Stall { get; init; }

    /// <summary>Connections that arrive at the node, a second.</summary>
    public int LoginRate { get; init; }

    /// <summary>Sends of one device, a second.</summary>
    public int SenderRate { get; init; }

    /// <summary>Connections with output that waits for them.</summary>
    public int SlowReaders { get; init; }

    /// <summary>Of buffer-hard.</summary>
    public int MemoryPercent { get; init; }

    /// <summary>Of the oldest page that a reader waits for.</summary>
    public TimeSpan ColdRead { get; init; }

    /// <summary>What is no duration itself must last so long.</summary>
    public TimeSpan RaiseAfter { get; init; }

    /// <summary>An alert is cleared when its value was below four fifths of its threshold for so long.</summary>
    public TimeSpan ClearAfter { get; init; }

    /// <summary>Alertmanager's address, as in <c>http://127.0.0.1:9093</c>; empty: there is none.</summary>
    public string Webhook { get; init; }

    /// <summary>What posted alerts call the node; empty: by its operator endpoint.</summary>
    public string Instance { get; init; }

    /// <summary>Between two posts of the same, and between looks at whether the receiver is there.</summary>
    public TimeSpan WebhookInterval { get; init; }

    public static AlertThresholds Default { get; } = new(OptionValues.Defaults);
}
