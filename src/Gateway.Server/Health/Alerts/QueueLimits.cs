using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Gateway.Server.Options;

namespace Gateway.Server.Health.Alerts;

/// <summary>The queues there are: SEAMS.md, "Queues". A test compares them with what a node tells.</summary>
internal static class QueueNames
{
    public const string SendLeases = "send_leases";
    public const string Handshakes = "handshakes";
    public const string Commits = "commits";
    public const string ColdReads = "cold_reads";
    public const string MailboxBacklog = "mailbox_backlog";

    public static IReadOnlyList<string> All { get; } = ["inbox", "posts", Handshakes, SendLeases, Commits, "receipts_owed", ColdReads, MailboxBacklog];
}

/// <summary>How many entries are too many: a number, or a part of the queue's capacity.</summary>
/// <param name="Value">Entries, or hundredths.</param>
/// <param name="IsPercent">Of the capacity; a queue without one then has no limit.</param>
public readonly record struct DepthLimit(long Value, bool IsPercent)
{
    /// <summary>In entries; null without a limit.</summary>
    public double? For(long capacity) => !IsPercent ? Value : capacity > 0 ? capacity * (Value / 100.0) : null;

    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture) + (IsPercent ? "%" : "");

    internal static bool TryParse(string text, out DepthLimit limit, [NotNullWhen(false)] out string? error)
    {
        var isPercent = text.EndsWith('%');
        var digits = isPercent ? text[..^1] : text;
        limit = default;
        error = $"'{text}' is neither a number of entries nor a part of the capacity, as in 1000 or 80%";
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value < 1 || (isPercent && value > 100)) return false;
        limit = new DepthLimit(value, isPercent);
        error = null;
        return true;
    }
}

/// <summary>A limit for every queue, and others for some: <c>5s,posts=1s,send_leases=off</c>. Immutable; equal when it says the same.</summary>
/// <typeparam name="T">Of one limit.</typeparam>
public sealed class QueueLimits<T> : IEquatable<QueueLimits<T>>
    where T : struct
{
    private readonly T? _general;
    private readonly IReadOnlyDictionary<string, T?> _own;
    private readonly string _text;

    private QueueLimits(T? general, IReadOnlyDictionary<string, T?> own, string text) => (_general, _own, _text) = (general, own, text);

    /// <summary>Null: this queue has no limit.</summary>
    public T? Of(string queue) => _own.TryGetValue(queue, out var own) ? own : _general;

    public override string ToString() => _text;

    public bool Equals(QueueLimits<T>? other) => other is not null && _text == other._text;

    public override bool Equals(object? obj) => Equals(obj as QueueLimits<T>);

    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    internal static bool TryParse(string text, OptionParser<T> one, [NotNullWhen(true)] out QueueLimits<T>? limits, [NotNullWhen(false)] out string? error)
    {
        limits = null;
        T? general = null;
        var own = new Dictionary<string, T?>(StringComparer.Ordinal);
        var parts = text.Split(',', StringSplitOptions.TrimEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            var equals = parts[i].IndexOf('=');
            var name = equals < 0 ? "" : parts[i][..equals];
            if (equals < 0 != (i == 0))
            {
                error = $"'{text}' is not a limit for all queues followed by those of single ones, as in off,inbox=5s";
                return false;
            }

            if (i > 0 && !QueueNames.All.Contains(name))
            {
                error = $"'{name}' is no queue; there are {string.Join(", ", QueueNames.All)}";
                return false;
            }

            var limit = parts[i][(equals + 1)..];
            T? value = null;
            if (limit != "off")
            {
                if (!one(limit, out var parsed, out error)) return false;
                value = parsed;
            }

            if (i == 0) general = value;
            else own[name] = value;
        }

        error = null;
        limits = new QueueLimits<T>(general, own, string.Join(',', parts));
        return true;
    }
}
