using Gateway.Server.Health.Top;

namespace Gateway.Server.Health.Alerts;

internal enum AlertState
{
    Active = 0,
    Cleared = 1,
}

/// <summary>An alert that was raised, as it stands. Immutable; devices in it are addresses, which whoever shows it turns into pseudonyms.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="State">Whether it still is.</param>
/// <param name="Queue">Of the queue; empty for none.</param>
/// <param name="Reactor">Whose; -1 for the node's.</param>
/// <param name="Since">When it was raised.</param>
/// <param name="ClearedAt">When it was cleared; null while it is active.</param>
/// <param name="Value">Now, or when it was cleared.</param>
/// <param name="Threshold">It is judged by.</param>
/// <param name="Culprit">What it was put down to when it was raised, in a sentence.</param>
/// <param name="Top">Who was behind it then.</param>
internal sealed record Alert(
    AlertKind Kind, AlertState State, string Queue, int Reactor, DateTimeOffset Since, DateTimeOffset? ClearedAt, double Value, double Threshold,
    string Culprit, IReadOnlyList<TopEntry> Top);
