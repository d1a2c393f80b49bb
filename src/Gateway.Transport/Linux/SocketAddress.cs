using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Gateway.Transport.Linux;

/// <summary>
/// struct sockaddr_in: family u16, port u16 big-endian, address 4 bytes, 8 bytes zero. struct sockaddr_in6: family u16, port u16
/// big-endian, flow u32, address 16 bytes, scope u32. ip(7), ipv6(7).
/// </summary>
internal static unsafe class SocketAddress
{
    private const ushort Inet = 2;
    private const ushort Inet6 = 10;
    private const int InetLength = 16;
    private const int Inet6Length = 28;

    public const int MaxLength = Inet6Length;

    public static int Family(AddressFamily family) => family == AddressFamily.InterNetworkV6 ? Inet6 : Inet;

    /// <summary>Writes the kernel's form and returns its length; 0 when the family is neither IPv4 nor IPv6.</summary>
    public static int Write(IPEndPoint endpoint, byte* target)
    {
        // SAFETY: the caller gives MaxLength bytes.
        var span = new Span<byte>(target, MaxLength);
        span.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(span[2..], (ushort)endpoint.Port);
        switch (endpoint.AddressFamily)
        {
            case AddressFamily.InterNetwork:
                BitConverter.TryWriteBytes(span, Inet);
                endpoint.Address.TryWriteBytes(span[4..], out _);
                return InetLength;
            case AddressFamily.InterNetworkV6:
                BitConverter.TryWriteBytes(span, Inet6);
                endpoint.Address.TryWriteBytes(span[8..], out _);
                BitConverter.TryWriteBytes(span[24..], (uint)endpoint.Address.ScopeId);
                return Inet6Length;
            default:
                return 0;
        }
    }

    public static IPEndPoint? Read(byte* source, int length)
    {
        // SAFETY: the caller gives length bytes, which the kernel wrote.
        var span = new ReadOnlySpan<byte>(source, length);
        if (length < InetLength) return null;
        var port = BinaryPrimitives.ReadUInt16BigEndian(span[2..]);
        return BitConverter.ToUInt16(span) switch
        {
            Inet => new IPEndPoint(new IPAddress(span.Slice(4, 4)), port),
            Inet6 when length >= Inet6Length => new IPEndPoint(new IPAddress(span.Slice(8, 16), BitConverter.ToUInt32(span[24..])), port),
            _ => null,
        };
    }
}
