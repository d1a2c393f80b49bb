using System.Runtime.InteropServices;

namespace Gateway.Messaging;

/// <summary>
/// What homes say to each other, as it lies in the lanes between reactors: one structure, in native byte order (it never leaves the process),
/// followed for some kinds by a body. The first byte tells the kind.
/// </summary>
public static class HomeMessage
{
    /// <summary>No reply is longer.</summary>
    public const int MaxReplyBytes = 32;

    internal static ReadOnlySpan<byte> Bytes<T>(ref readonly T message) where T : unmanaged =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in message));

    internal static T Read<T>(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> body) where T : unmanaged
    {
        var message = MemoryMarshal.Read<T>(bytes);
        body = bytes[System.Runtime.CompilerServices.Unsafe.SizeOf<T>()..];
        return message;
    }
}

internal enum HomeMessageKind : byte
{
    None = 0,
    /// <summary>Request: append this entry for a sender of mine. Body: the message's.</summary>
    Send = 1,
    /// <summary>Request: append this receipt to a mailbox of yours. Body: as in the log.</summary>
    Receipt = 2,
    /// <summary>Notice: show this to a device of yours if it is connected. Body: the data.</summary>
    Ephemeral = 3,
}

[StructLayout(LayoutKind.Sequential)]
internal struct SendRequest
{
    public HomeMessageKind Kind;
    public byte SendKind;
    public ushort Reserved;
    /// <summary>The sender's session at its home, echoed in the reply.</summary>
    public uint Session;
    public uint SessionEpoch;
    public uint Incarnation;
    public ulong To;
    public ulong Sender;
    public ulong Number;
    public ulong Low;
    public uint ExpirySeconds;
    /// <summary>How many replies from you the sender's home had handled when it asked (rule 7, see <see cref="RecentRefusals"/>).</summary>
    public uint RepliesSeen;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SendReply
{
    public HomeMessageKind Kind;
    public byte Reserved;
    /// <summary>None: committed. Otherwise why not.</summary>
    public ushort Reason;
    public uint Session;
    public uint SessionEpoch;
    public uint Incarnation;
    public ulong Number;
    public ulong To;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ReceiptRequest
{
    public HomeMessageKind Kind;
    public byte ReceiptKind;
    public ushort Reason;
    /// <summary>The receipt owed, at the home that asks; echoed in the reply.</summary>
    public uint Owed;
    public ulong Mailbox;
    public ulong Peer;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ReceiptReply
{
    public HomeMessageKind Kind;
    public byte Reserved;
    public ushort Reserved2;
    /// <summary>The receipt owed that is durable now.</summary>
    public uint Owed;
}

[StructLayout(LayoutKind.Sequential)]
internal struct EphemeralNotice
{
    public HomeMessageKind Kind;
    public byte EphemeralKind;
    public ushort Reserved;
    public uint Reserved2;
    public ulong To;
    public ulong From;
}
