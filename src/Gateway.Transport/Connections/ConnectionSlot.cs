using System.Runtime.InteropServices;

namespace Gateway.Transport.Connections;

/// <summary>What a slot is doing. Only the reactor changes it.</summary>
internal enum SlotState : byte
{
    Free = 0,
    /// <summary>A connect is under way.</summary>
    Connecting = 1,
    Open = 2,
    /// <summary>Input is discarded; waits for unsent output, then for the peer's end, at most until the deadline.</summary>
    Closing = 3,
    /// <summary>Moves to another reactor at the end of the turn, or as soon as the lane has room.</summary>
    Moving = 4,
    /// <summary>OnClosed and the slot's release are due at the end of the turn.</summary>
    Dead = 5,
}

/// <summary>What the backend knows of a slot.</summary>
[Flags]
internal enum PollFlags : byte
{
    None = 0,
    /// <summary>An edge said there is something to read and no receive has found the end of it.</summary>
    Readable = 1,
    /// <summary>The reactor wants a Received completion.</summary>
    ReceiveArmed = 2,
    /// <summary>Stands in the backend's queue of connections that are readable without a new edge.</summary>
    Queued = 4,
    /// <summary>The peer will send no more (FIN or RST): receive until it says so.</summary>
    HungUp = 8,
    /// <summary>The kernel took less than it was given; a Sent completion follows.</summary>
    SendBlocked = 16,
    /// <summary>Stands in the io_uring backend's queue of busy connections.</summary>
    Busy = 32,
    /// <summary>A hand-over to another reactor's table has ended; <see cref="ConnectionSlot.Handed"/> says where.</summary>
    HandedOver = 64,
    /// <summary>It ended without the socket having moved.</summary>
    HandOverFailed = 128,
}

/// <summary>What io_uring has in flight for a slot; each ends with one last completion.</summary>
[Flags]
internal enum Flight : ushort
{
    None = 0,
    Poll = 1,
    QuietPoll = 2,
    Receive = 4,
    Multishot = 8,
    Send = 16,
    Connect = 32,
    Close = 64,
    /// <summary>What is in flight and carries bytes was asked to end.</summary>
    Ending = 128,
    /// <summary>The socket is on its way into a table of another reactor.</summary>
    HandOver = 256,
    Any = Poll | QuietPoll | Receive | Multishot | Send | Connect | Close | HandOver,
}

/// <summary>What the reactor knows of a slot.</summary>
[Flags]
internal enum SlotFlags : ushort
{
    None = 0,
    PausedByApplication = 1,
    PausedByUnsent = 2,
    PausedByBudget = 4,
    AnyPause = PausedByApplication | PausedByUnsent | PausedByBudget,
    /// <summary>Counts against MaxHandshakes.</summary>
    InHandshake = 8,
    /// <summary>Stands in the list of outputs to flush.</summary>
    Dirty = 16,
    /// <summary>Stands in the list of connections whose kept input is to be presented.</summary>
    Resumed = 32,
    /// <summary>The peer ended its side.</summary>
    PeerEnded = 64,
    /// <summary>Our side is shut down; only the peer's end is awaited.</summary>
    SendShut = 128,
    /// <summary>Closing began with the peer's end.</summary>
    ClosedByPeer = 256,
    /// <summary>A flush left output behind; OnDrained is owed.</summary>
    Lagging = 512,
    /// <summary>The handler was told of this silence.</summary>
    Quiet = 1024,
}

/// <summary>
/// All that an idle connection costs: 64 bytes of native memory, one cache line. Touched by its reactor's thread alone.
/// <code>
///  0 generation u32            | 4 state u8, poll flags u8, flags u16
///  8 descriptor i32, the backend's: of the process, or ring and place in its table; negative: none
/// 12 timer next u32
/// 16 timer previous u32        | 20 timer due u32, a tick
/// 24 last received u32, a tick | 28 application due u32, a tick, 0 none
/// 32 deadline u32, a tick: of the handshake, the connect or the linger time
/// 36 input u32: index of the lease with kept bytes, 0 none
/// 40 output u32: index of the output record, 0 none
/// 44 handed u32: the socket's place at the target of a hand-over
/// 48 tag u64, the application's
/// 56 three bytes kept for TLS and WebSocket state | 59 in vain u8, see Reactor.Waiting
/// 60 flight u16, heat u8, slice u8: of the io_uring backend
/// </code>
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct ConnectionSlot
{
    public const int SizeBytes = 64;

    /// <summary>The index that names no slot, where slots are linked.</summary>
    public const uint None = uint.MaxValue;

    [FieldOffset(0)] public uint Generation;
    [FieldOffset(4)] public SlotState State;
    [FieldOffset(5)] public PollFlags Poll;
    [FieldOffset(6)] public SlotFlags Flags;
    [FieldOffset(8)] public int Descriptor;
    [FieldOffset(12)] public uint TimerNext;
    [FieldOffset(16)] public uint TimerPrevious;
    [FieldOffset(20)] public uint TimerDue;
    [FieldOffset(24)] public uint LastReceived;
    [FieldOffset(28)] public uint ApplicationDue;
    [FieldOffset(32)] public uint Deadline;
    [FieldOffset(36)] public uint Input;
    [FieldOffset(40)] public uint Output;
    [FieldOffset(44)] public uint Handed;
    [FieldOffset(48)] public ulong Tag;
    /// <summary>A bit for each time in a row that output waited for other output in vain, from the lowest on.</summary>
    [FieldOffset(59)] public byte InVain;
    [FieldOffset(60)] public Flight Flight;
    /// <summary>Short receives in quick succession, up to 255.</summary>
    [FieldOffset(62)] public byte Heat;
    /// <summary>Which part of the arena a receive in flight fills.</summary>
    [FieldOffset(63)] public byte Slice;

    public readonly bool Has(SlotFlags flags) => (Flags & flags) != 0;

    public readonly bool Has(PollFlags flags) => (Poll & flags) != 0;

    public readonly bool Has(Flight flight) => (Flight & flight) != 0;
}
