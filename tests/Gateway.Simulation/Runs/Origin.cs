using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>Where a message comes from: what a resend is recognised by.</summary>
internal readonly record struct Origin(ulong Sender, uint Incarnation, ulong Number)
{
    public override string ToString() => FormattableString.Invariant($"number {Number} of {new Address(Sender)} ({Incarnation})");
}
