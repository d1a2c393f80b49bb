namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>One figure of one round.</summary>
/// <param name="Trial">That measured it.</param>
/// <param name="Figure">Its name; the unit comes last.</param>
/// <param name="Round">From 1 on.</param>
/// <param name="Value">In that unit.</param>
internal sealed record Reading(string Trial, string Figure, int Round, double Value);

/// <summary>Takes the figures of one trial in one round.</summary>
internal sealed class Readings(string trial, int round, List<Reading> all)
{
    public void Add(string figure, double value) => all.Add(new Reading(trial, figure, round, value));
}
