using System.Runtime.InteropServices;

namespace Gateway.Server.Health.Flight;

/// <summary>What a flight recorder notes. The numbers A and B mean what <see cref="FlightText"/> says of each.</summary>
public enum FlightKind : ushort
{
    None = 0,
    Accepted = 1,
    RefusedAtDoor = 2,
    LoggedIn = 3,
    TakenOver = 4,
    LoginFailed = 5,
    Closed = 6,
    TimedOut = 7,
    SendsRefused = 8,
    FramesParked = 9,
    BudgetPaused = 10,
    BudgetResumed = 11,
    SlowTurn = 12,
    SlowCommit = 13,
    DrainBegun = 14,
    /// <summary>More of a kind than are noted one by one in a period: A of them, of kind B.</summary>
    More = 15,
}

/// <summary>An event, 32 bytes: no body and no address in it but the device's number, which is shown as a pseudonym.</summary>
/// <param name="UnixMs">When.</param>
/// <param name="Subject">A device's address (LoggedIn, TakenOver) or a connection's packed id; 0 none.</param>
/// <param name="A">First number.</param>
/// <param name="B">Second number.</param>
/// <param name="Kind">What.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct FlightEvent(long UnixMs, ulong Subject, long A, int B, FlightKind Kind);

/// <summary>
/// The last events of one thread: a ring in one array, overwritten from its oldest. One writer; any reader, at any time, without a lock, also while the
/// writer hangs. Invariant: event n lies at n mod capacity from when <c>written</c> passes it until <c>begun</c> is above it by more than the capacity.
/// </summary>
/// <param name="name">Of the thread, for the dump.</param>
/// <param name="capacity">In events; a power of two.</param>
public sealed class FlightRing(string name, int capacity)
{
    private readonly FlightEvent[] _events = GC.AllocateArray<FlightEvent>(capacity, pinned: true);
    private long _begun;
    private long _written;

    public string Name { get; } = name;

    /// <summary>The writer. Allocates nothing.</summary>
    internal void Write(in FlightEvent entry)
    {
        var next = _written;
        Volatile.Write(ref _begun, next + 1);
        // Whoever sees a piece of this event sees that it was begun. Events are hundreds a second at most, so the fence costs nothing that counts.
        Interlocked.MemoryBarrier();
        _events[next & (capacity - 1)] = entry;
        Volatile.Write(ref _written, next + 1);
    }

    /// <summary>Any thread: adds what is there, oldest first. What is overwritten meanwhile is left out, never torn.</summary>
    public void Read(ICollection<FlightEvent> into)
    {
        var end = Volatile.Read(ref _written);
        var first = Math.Max(0, end - capacity);
        var copy = new FlightEvent[end - first];
        for (var i = first; i < end; i++) copy[i - first] = _events[i & (capacity - 1)];
        // The copies must not be made after the look at what was overwritten.
        Interlocked.MemoryBarrier();
        var whole = Math.Max(first, Volatile.Read(ref _begun) - capacity);
        for (var i = whole; i < end; i++) into.Add(copy[i - first]);
    }
}
