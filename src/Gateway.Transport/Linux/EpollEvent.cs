using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gateway.Transport.Linux;

/// <summary>
/// struct epoll_event: events u32, data u64. Packed on x86-64 (12 bytes, data at 4), naturally aligned elsewhere (16 bytes, data at 8);
/// include/uapi/linux/eventpoll.h, EPOLL_PACKED.
/// </summary>
internal static unsafe class EpollEvent
{
    public const uint In = 0x1;
    public const uint Out = 0x4;
    public const uint Error = 0x8;
    public const uint HangUp = 0x10;
    public const uint PeerHangUp = 0x2000;
    public const uint EdgeTriggered = 0x8000_0000;

    public const int MaxStride = 16;

    public static readonly int DataOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    public static readonly int Stride = DataOffset + sizeof(ulong);

    public static void Write(byte* target, uint events, ulong data)
    {
        // SAFETY: the caller gives Stride bytes.
        Unsafe.WriteUnaligned(target, events);
        Unsafe.WriteUnaligned(target + DataOffset, data);
    }

    public static void Read(byte* source, out uint events, out ulong data)
    {
        // SAFETY: the caller gives Stride bytes.
        events = Unsafe.ReadUnaligned<uint>(source);
        data = Unsafe.ReadUnaligned<ulong>(source + DataOffset);
    }
}
