namespace Gateway.Benchmarks.Alerts;

/// <summary>What one fault led to, once. Immutable.</summary>
internal sealed record AlertSample
{
    public required int Round { get; init; }
    public required string Fault { get; init; }

    /// <summary>What was raised before the fault was there. There must be nothing.</summary>
    public IReadOnlyList<string> BeforeTheFault { get; init; } = [];

    /// <summary>The first alert's name; null: none was raised in time.</summary>
    public string? First { get; init; }
    public string Culprit { get; init; } = "";

    /// <summary>The first alert is of the right kind and names the true culprit.</summary>
    public bool IsRight { get; init; }

    /// <summary>From the fault to the alert, by the node's own time of it.</summary>
    public double? SecondsToAlert { get; init; }

    /// <summary>From the fault's end to the alert's.</summary>
    public double? SecondsToClear { get; init; }

    /// <summary>Raised after the first and put down to it, by name.</summary>
    public IReadOnlyList<string> Following { get; init; } = [];

    /// <summary>Raised after the first and put down to something else. There must be nothing.</summary>
    public IReadOnlyList<string> Astray { get; init; } = [];

    public bool AddsUp => IsRight && BeforeTheFault.Count == 0 && Astray.Count == 0 && SecondsToClear is not null;
}
