using System.Runtime.CompilerServices;

namespace Gateway.Simulation;

/// <summary>What must hold of a node.</summary>
internal static class Promise
{
    public static void Require(bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ref Broken what)
    {
        if (!holds) throw new PromiseBrokenException(what.ToString() + ".");
    }

    public static void Require(bool holds, string what)
    {
        if (!holds) throw new PromiseBrokenException(what + ".");
    }
}
