using Gateway.Transport.Connections;

namespace Gateway.Transport.Backend.Uring;

/// <summary>What an entry of the completion ring answers. 0 marks an answer that nobody waits for.</summary>
internal enum Operation : byte
{
    None = 0,
    /// <summary>A read of the reactor's eventfd: somebody, or another ring of ours, wants it awake.</summary>
    Wake = 1,
    /// <summary>Another reactor's ring wants this one awake.</summary>
    Message = 2,
    /// <summary>A poll of a listener.</summary>
    Listen = 3,
    Accept = 4,
    /// <summary>One-shot poll for input.</summary>
    Poll = 5,
    /// <summary>One-shot poll for the connection's end alone, while nobody reads.</summary>
    QuietPoll = 6,
    /// <summary>A receive into the arena, right after a poll said that it will not wait.</summary>
    Receive = 7,
    /// <summary>A receive that stays, into provided buffers.</summary>
    Multishot = 8,
    Send = 9,
    Connect = 10,
    Close = 11,
    /// <summary>An operation whose outcome is looked for right after it was handed over.</summary>
    Execute = 12,
    /// <summary>A socket that goes into a table of another reactor.</summary>
    HandOver = 13,
}

/// <summary>
/// user_data of a submission, which comes back with its completions:
/// <code>
/// of a connection: 63 operation 56 | 55 generation, low 24 bits 32 | 31 slot 0
/// of a listener:   63 operation 56 | 55        0                32 | 31 listener 0
/// </code>
/// The ring need not be named: a completion is read from it.
/// </summary>
internal static class UserData
{
    private const int OperationShift = 56;
    private const int GenerationShift = 32;
    private const uint GenerationMask = 0xFF_FFFF;

    public static ulong Of(Operation operation, uint index = 0) => (ulong)operation << OperationShift | index;

    public static ulong Of(Operation operation, uint slot, in ConnectionSlot s) =>
        (ulong)operation << OperationShift | (ulong)(s.Generation & GenerationMask) << GenerationShift | slot;

    public static Operation OperationOf(ulong userData) => (Operation)(userData >> OperationShift);

    public static uint IndexOf(ulong userData) => (uint)userData;

    /// <summary>Whether the slot still has the generation for which the operation was submitted.</summary>
    public static bool IsCurrent(ulong userData, in ConnectionSlot s) => ((uint)(userData >> GenerationShift) & GenerationMask) == (s.Generation & GenerationMask);
}

/// <summary>
/// A direct socket as a slot's descriptor names it: 30 ring 20 | 19 place in the ring's table 0. Never negative.
/// </summary>
internal static class DirectSocket
{
    public const int MaxRings = 1 << 11;

    private const int PlaceBits = 20;

    public static int Of(int ring, int place) => ring << PlaceBits | place;

    public static int RingOf(int descriptor) => descriptor >> PlaceBits;

    public static int PlaceOf(int descriptor) => descriptor & (1 << PlaceBits) - 1;
}
