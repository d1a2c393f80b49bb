using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// What one reactor of the load holds: it carries out orders and counts what happens. For the reactor's thread but where a member says
/// otherwise. What a load never has is answered here: it only connects, and its reactors tell each other nothing.
/// </summary>
internal interface IFleet : IReactorHandler
{
    /// <summary>When it has to run a turn although nothing arrives; <see cref="long.MaxValue"/>: when the transport's tick suffices. Any thread.</summary>
    long WakeAtUs { get; }

    /// <summary>The reactor's thread.</summary>
    void Apply(Order order);

    /// <summary>Adds what has been counted. Any thread.</summary>
    void CopyTo(LoadSnapshot into);

    void IReactorHandler.OnAccepted(ConnectionId c) => throw new InvalidOperationException("A fleet listens nowhere.");

    void IReactorHandler.OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context) =>
        throw new InvalidOperationException("Nothing moves in a load.");

    void IReactorHandler.OnDrained(ConnectionId c)
    {
    }

    void IReactorHandler.OnTimeout(ConnectionId c, TimeoutKind kind)
    {
    }

    void IReactorHandler.OnRequest(int fromReactor, ReadOnlySpan<byte> message) => throw new InvalidOperationException("Fleets do not talk.");

    void IReactorHandler.OnReply(int fromReactor, ReadOnlySpan<byte> message) => throw new InvalidOperationException("Fleets do not talk.");

    void IReactorHandler.OnNotice(int fromReactor, ReadOnlySpan<byte> message) => throw new InvalidOperationException("Fleets do not talk.");

    void IReactorHandler.OnRequestCredit(int toReactor)
    {
    }
}

/// <summary>An order that this version does not know.</summary>
internal sealed class UnreachableOrderException(OrderKind kind) : Exception($"order {kind} is not one of this version's");
