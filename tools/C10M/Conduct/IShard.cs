using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>One process's part of the load: this one's, or another's. For the conductor's thread.</summary>
internal interface IShard : IDisposable
{
    /// <summary>How many fleets take each order.</summary>
    int Fleets { get; }

    /// <summary>Passes an order on to every fleet; they carry it out soon after and count it in <see cref="Counter.OrdersTaken"/>.</summary>
    void Give(Order order);

    /// <summary>Adds what the shard has counted so far.</summary>
    /// <exception cref="LoadException">The shard has failed: nothing it says counts any more.</exception>
    void CopyTo(LoadSnapshot into);
}
