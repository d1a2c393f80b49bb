using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>What one reactor of the load holds: it carries out orders and counts what happens.</summary>
internal interface IFleet : IReactorHandler
{
    /// <summary>When it has to run a turn although nothing arrives; <see cref="long.MaxValue"/>: when the transport's tick suffices. Any thread.</summary>
    long WakeAtUs { get; }

    /// <summary>The reactor's thread.</summary>
    void Apply(Order order);

    /// <summary>Adds what has been counted. Any thread.</summary>
    void CopyTo(LoadSnapshot into);
}
