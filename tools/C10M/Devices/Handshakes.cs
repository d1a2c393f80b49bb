using Gateway.Protocol;

namespace Gateway.Load.Devices;

/// <summary>What a login needs to remember from challenge to welcome, in places lent for that time. One thread.</summary>
internal sealed class Handshakes
{
    private const int Stride = DeviceKey.KeyBytes + 2 * Wire.NonceBytes;
    private readonly byte[] _bytes;
    private readonly Stack<int> _free;

    public Handshakes(int places)
    {
        _bytes = new byte[places * Stride];
        _free = new Stack<int>(places);
        for (var i = places - 1; i >= 0; i--) _free.Push(i);
    }

    public int Rent() => _free.Pop();

    public void Return(int place) => _free.Push(place);

    public Span<byte> Key(int place) => _bytes.AsSpan(place * Stride, DeviceKey.KeyBytes);

    public Span<byte> ClientNonce(int place) => _bytes.AsSpan(place * Stride + DeviceKey.KeyBytes, Wire.NonceBytes);

    public Span<byte> NodeNonce(int place) => _bytes.AsSpan(place * Stride + DeviceKey.KeyBytes + Wire.NonceBytes, Wire.NonceBytes);
}
