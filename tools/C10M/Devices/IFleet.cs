using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// The clients of one reactor, whatever they speak. All members are for the reactor's thread but <see cref="CopyTo"/> and
/// <see cref="WakeAtUs"/>.
/// </summary>
internal interface IFleet : IReactorHandler
{
    /// <summary>When the fleet has to run a turn although nothing arrives; <see cref="long.MaxValue"/>: when the transport's tick suffices. Any thread.</summary>
    long WakeAtUs { get; }

    /// <summary>Carries an order out, or begins to, and counts it in <see cref="Counter.OrdersTaken"/>.</summary>
    void Apply(Order order);

    /// <summary>Adds what the fleet has counted. Any thread.</summary>
    void CopyTo(LoadSnapshot into);
}
