namespace Gateway.Load.Devices;

internal enum OrderKind
{
    /// <summary>Log in the devices of <see cref="Order.Who"/> that have no session, <see cref="Order.Rate"/> a second over all processes (0: as fast as it goes).</summary>
    Login,
    /// <summary>Send: <see cref="Order.Budget"/> messages over all processes (0: no end), <see cref="Order.Quota"/> to each recipient (0: no end), <see cref="Order.Rate"/> a second over all processes (0: closed loop), from <see cref="Order.FromUs"/> on.</summary>
    Send,
    /// <summary>Measure what happens from <see cref="Order.FromUs"/> to <see cref="Order.UntilUs"/>; senders stop at its end.</summary>
    Measure,
    /// <summary>Send nothing new.</summary>
    Stop,
    /// <summary>Ask every session for a pong.</summary>
    Check,
    /// <summary>Drop every connection with a reset, as a lost network does.</summary>
    Drop,
}

internal enum Who
{
    All = 0,
    Senders = 1,
    Recipients = 2,
}

/// <summary>What the conductor asks of every fleet. Times are of <see cref="Measure.MonotonicTime"/>; plain data, so that it can go to another process.</summary>
internal sealed record Order(OrderKind Kind)
{
    public Who Who { get; init; }
    public double Rate { get; init; }
    public long Budget { get; init; }
    public long Quota { get; init; }
    public long FromUs { get; init; }
    public long UntilUs { get; init; }
}
