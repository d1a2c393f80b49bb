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
    /// <summary>Drop every connection with a reset, as a lost network does; or <see cref="Order.Devices"/> of all, evenly spread.</summary>
    Drop,
    /// <summary>Close every connection in order, <see cref="Order.Rate"/> a second over all processes (0: as fast as it goes).</summary>
    Leave,
    /// <summary>Be other devices, from <see cref="Order.FirstAddress"/> on, that remember nothing. Only while nobody has a connection.</summary>
    Renew,
}

internal enum Who
{
    All = 0,
    Senders = 1,
    Recipients = 2,
}

/// <summary>How far a connection goes before it ends by itself.</summary>
internal enum Visit
{
    /// <summary>It stays.</summary>
    None = 0,
    /// <summary>Connects, and closes without a word.</summary>
    Touch = 1,
    /// <summary>Sends half of its authentication, and resets.</summary>
    HalfHandshake = 2,
    /// <summary>Closes as soon as it is welcome.</summary>
    Login = 3,
}

/// <summary>What the conductor asks of every fleet. Times are of <see cref="Measure.MonotonicTime"/>; plain data, so that it can go to another process.</summary>
internal sealed record Order(OrderKind Kind)
{
    public Who Who { get; init; }
    public Visit Visit { get; init; }
    public long Devices { get; init; }
    public ulong FirstAddress { get; init; }
    public double Rate { get; init; }
    public long Budget { get; init; }
    public long Quota { get; init; }
    public long FromUs { get; init; }
    public long UntilUs { get; init; }
}
