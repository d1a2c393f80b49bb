using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gateway.Messaging;

/// <summary>
/// What an authenticated device brings to its home: plain bytes, so that it can travel with its connection. The key and nonces are needed
/// once more, for the node's own proof in the welcome.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct Login
{
    public ulong Address;
    public ulong Resume;
    public uint Incarnation;
    public uint CreditMessages;
    public uint CreditBytes;
    /// <summary>The epoch of the key it proved; whoever completes the login asks once more whether it is still the current one.</summary>
    public uint KeyEpoch;
    public Bytes32 Key;
    public Bytes16 ClientNonce;
    public Bytes16 NodeNonce;

    public static int SizeBytes => Unsafe.SizeOf<Login>();

    public readonly void Write(Span<byte> destination) => MemoryMarshal.Write(destination, in this);

    public static Login Read(ReadOnlySpan<byte> source) => MemoryMarshal.Read<Login>(source);
}

/// <summary>Thirty-two bytes in place.</summary>
[InlineArray(32)]
public struct Bytes32
{
    private byte _first;
}

/// <summary>Sixteen bytes in place.</summary>
[InlineArray(16)]
public struct Bytes16
{
    private byte _first;
}
