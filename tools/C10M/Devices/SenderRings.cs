using System.Numerics;
using System.Runtime.CompilerServices;

namespace Gateway.Load.Devices;

/// <summary>
/// What a fleet notes of messages under way: of each sender in its slice one place a number, a window of them. For the reactor's thread;
/// nothing grows. Invariant: a place is free for number n + <see cref="Places"/> as soon as n is done with, which the window guarantees.
/// </summary>
internal sealed class SenderRings<T>
    where T : struct
{
    private readonly Shape _shape;
    private readonly T[] _places;
    private readonly int _mask;

    public SenderRings(FleetSettings settings, Slice slice)
    {
        _shape = settings.Shape;
        _mask = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, settings.Window)) - 1;
        _places = new T[(long)Places * _shape.SendersIn(slice)];
    }

    /// <summary>Of one sender, a power of two: the number modulo this names a message under way.</summary>
    public int Places => _mask + 1;

    public ref T this[int sender, ulong number]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _places[(long)_shape.SenderSlot(sender) * Places + (long)(number & (ulong)_mask)];
    }
}
