using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Server.Operator;

/// <summary>How the operator's interface writes JSON: camelCase names, addresses and enums as text.</summary>
internal static class OperatorJson
{
    public static void Configure(JsonSerializerOptions options)
    {
        options.TypeInfoResolverChain.Insert(0, OperatorJsonContext.Default);
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.Converters.Add(new AddressConverter());
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
    }

    private sealed class AddressConverter : JsonConverter<Address>
    {
        public override Address Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            Address.TryParse(reader.GetString(), out var address, out var error) ? address : throw new JsonException(error);

        public override void Write(Utf8JsonWriter writer, Address value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}

/// <summary>The bodies, for the compiler to write their readers and writers. What is not listed works by reflection.</summary>
[JsonSerializable(typeof(CollectionBody))]
[JsonSerializable(typeof(ConnectionsBody))]
[JsonSerializable(typeof(DeviceBody))]
[JsonSerializable(typeof(DumpBody))]
[JsonSerializable(typeof(FlightBody))]
[JsonSerializable(typeof(KickBody))]
[JsonSerializable(typeof(LedgerBody))]
[JsonSerializable(typeof(LogLevelBody))]
[JsonSerializable(typeof(MailboxStatus))]
[JsonSerializable(typeof(NodeCounters))]
[JsonSerializable(typeof(ResumeBody))]
[JsonSerializable(typeof(StatusBody))]
[JsonSerializable(typeof(TopBody))]
[JsonSerializable(typeof(TopListBody))]
internal sealed partial class OperatorJsonContext : JsonSerializerContext;

/// <summary>GET /ops/ledger: the messages' totals, and the receipts' apart. The names are the ledger's own.</summary>
internal sealed record LedgerBody(
    long Accepted, long Delivered, long Pending, long Rejected, long Expired, long Discarded, long Lost, bool Balanced,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] LedgerBody? Receipts)
{
    public static LedgerBody Of(NodeLedger ledger) => Of(ledger.Messages, Of(ledger.Receipts, null));

    private static LedgerBody Of(LedgerTotals totals, LedgerBody? receipts) => new(
        totals.Accepted, totals.Delivered, totals.Pending, totals.Rejected, totals.Expired, totals.Discarded, totals.Lost, totals.Balanced, receipts);
}

/// <summary>GET /ops/devices/ADDRESS, and the answer to revoke: the epoch that a key must have.</summary>
internal sealed record DeviceBody(Address Address, uint Epoch);

/// <summary>The answer to kick: sessions closed.</summary>
internal sealed record KickBody(Address Address, int Closed);

/// <summary>The answer to resuming expiry: whether it was suspended.</summary>
internal sealed record ResumeBody(bool Resumed);

/// <summary>GET and PUT /ops/log-level.</summary>
internal sealed record LogLevelBody(string? Level);

/// <summary>GET /ops/connections; <paramref name="Total"/> counts all sessions, also those beyond the limit.</summary>
internal sealed record ConnectionsBody(IReadOnlyList<ConnectionStatus> Connections, long Total);

/// <summary>GET /ops/connections/top; <paramref name="Walked"/> counts the connections looked at.</summary>
internal sealed record TopBody(ConnectionRank By, long Walked, IReadOnlyList<TopConnection> Connections)
{
    public static TopBody Of(ConnectionRank by, ConnectionTop top, Func<Address, string> nameOf) =>
        new(by, top.Walked, [.. top.Connections.Select(c => TopConnection.Of(c, nameOf))]);
}

/// <summary>A connection of a top list. <paramref name="Device"/> is a pseudonym unless addresses were asked for; <paramref name="Connection"/> is slot.generation.</summary>
internal sealed record TopConnection(
    string Connection, int Reactor, string? Device, string? Remote, DateTimeOffset? LoggedInAt, long PendingEntries, long PendingBytes, int Unacknowledged,
    long UnsentBytes, long KeptBytes, double SilentSeconds, IReadOnlyList<string> Paused, bool Closing)
{
    public static TopConnection Of(ListedConnection c, Func<Address, string> nameOf) => new(
        string.Create(CultureInfo.InvariantCulture, $"{c.Connection.Slot}.{c.Connection.Generation}"), c.Reactor, c.Device is { } device ? nameOf(device) : null,
        c.Remote, c.LoggedInAt, c.PendingEntries, c.PendingBytes, c.Unacknowledged, c.UnsentBytes, c.KeptBytes, Math.Round(c.Silent.TotalSeconds, 2),
        [.. CausesOf(c.Pauses)], c.Closing);

    /// <summary>In an operator's words: what it waits for.</summary>
    private static IEnumerable<string> CausesOf(ReadingPauses pauses)
    {
        if (pauses.HasFlag(ReadingPauses.Application)) yield return "inbox";
        if (pauses.HasFlag(ReadingPauses.Unsent)) yield return "unsent";
        if (pauses.HasFlag(ReadingPauses.Budget)) yield return "buffers";
    }
}

/// <summary>What the durability mode promises and what it gives up.</summary>
internal sealed record DurabilityBody(Durability Mode, string Meaning)
{
    public static DurabilityBody Of(Durability mode) => new(mode, mode == Durability.Fsync
        ? "accepted means synced to stable storage; it survives a crash and a loss of power"
        : "accepted means written to the page cache: it survives a crash of the node, but a crash of the machine or a loss of power takes back "
            + "messages that were answered accepted");
}

/// <summary>GET /status: open to anybody on this machine, so it names no device but by pseudonym.</summary>
internal sealed record StatusBody(
    NodeState State, bool Ready, IReadOnlyList<string> Reasons, string Version, double UptimeSeconds, IReadOnlyList<string> Endpoints,
    DurabilityBody Durability, StatusTotals Totals, LogCounters Log, CollectorBody Collector, HeadlineBody Headline, BuffersBody Buffers, double LongestCommitSeconds,
    IReadOnlyList<long> MailboxesHolding, IReadOnlyList<QueueBody> NodeQueues, IReadOnlyList<QueueBody> Queues, IReadOnlyList<AlertBody> Alerts);

/// <summary>Held for connections, and the marks that it is held to.</summary>
internal sealed record BuffersBody(long Bytes, long Soft, long Hard);

/// <summary>Over all reactors. Mailboxes are those that hold something, windows the devices seen within 60 days.</summary>
internal sealed record StatusTotals(
    int Reactors, long Connections, long Sessions, long MessagesIn, long MessagesAccepted, long MessagesRefused, long MessagesOut,
    long MessagesAcknowledged, long BufferedBytes, long PendingMessages, long PendingBytes, long Mailboxes, long Windows)
{
    public static StatusTotals Of(NodeCounters counters)
    {
        var reactors = counters.Reactors;
        return new StatusTotals(
            reactors.Count, reactors.Sum(r => r.Connections), reactors.Sum(r => r.Sessions), reactors.Sum(r => r.MessagesIn),
            reactors.Sum(r => r.MessagesAccepted), reactors.Sum(r => r.MessagesRefused), reactors.Sum(r => r.MessagesOut),
            reactors.Sum(r => r.MessagesAcknowledged), reactors.Sum(r => r.BufferedBytes),
            counters.Mailboxes.Messages.Pending, counters.Mailboxes.PendingBytes, counters.Mailboxes.MailboxesHolding[0], reactors.Sum(r => r.Windows));
    }
}
