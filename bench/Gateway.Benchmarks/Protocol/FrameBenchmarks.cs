using BenchmarkDotNet.Attributes;
using Gateway.Protocol;

namespace Gateway.Benchmarks.Protocol;

/// <summary>
/// What the codec costs in a reactor's turn: a batch of 16 frames of one type, written into or read from one buffer, a body of 200 bytes
/// where the type has one. Figures are per frame. Memory is in the diagnoser's column and must be 0.
/// </summary>
[MemoryDiagnoser]
public class FrameBenchmarks
{
    private const int Batch = 16;
    private const int MaxPayloadBytes = 65536 + DeliverFrame.FixedBytes;

    private static readonly Address Peer = new(AddressKind.User, 15550002);

    private readonly byte[] _output = new byte[16 * 1024];
    private readonly byte[] _body = new byte[200];
    private byte[] _sends = [];
    private byte[] _delivers = [];
    private byte[] _accepteds = [];
    private byte[] _acknowledges = [];

    [GlobalSetup]
    public void Setup()
    {
        new Random(1).NextBytes(_body);
        _sends = _output[..WriteSends()];
        _delivers = _output[..WriteDelivers()];
        _accepteds = _output[..WriteAccepteds()];
        _acknowledges = _output[..WriteAcknowledges()];
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public int WriteSends()
    {
        var output = _output.AsSpan();
        for (ulong i = 1; i <= Batch; i++) output = output[SendFrame.Write(output, Peer, i, 1, 0, SendKind.Message, _body)..];
        return _output.Length - output.Length;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public int WriteDelivers()
    {
        var output = _output.AsSpan();
        for (ulong i = 1; i <= Batch; i++)
            output = output[DeliverFrame.Write(output, 1_763_798_400_000_000 + i, i, Peer, 1, i, 1_763_798_400, default, _body)..];
        return _output.Length - output.Length;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public int WriteAccepteds()
    {
        var output = _output.AsSpan();
        for (ulong i = 1; i <= Batch; i++) output = output[AcceptedFrame.Write(output, i)..];
        return _output.Length - output.Length;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public int WriteAcknowledges()
    {
        var output = _output.AsSpan();
        for (ulong i = 1; i <= Batch; i++) output = output[AcknowledgeFrame.Write(output, i)..];
        return _output.Length - output.Length;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong ParseSends()
    {
        ReadOnlySpan<byte> rest = _sends;
        var sum = 0UL;
        while (FrameReader.TryRead(ref rest, MaxPayloadBytes, out var type, out var payload) == FrameStatus.Frame)
        {
            if (ConnectionRules.ClientMaySend(ConnectionPhase.Established, type) == ErrorCode.None
                && SendFrame.TryParse(payload, out var frame, out _))
                sum += frame.Number + (ulong)frame.Body.Length;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong ParseDelivers()
    {
        ReadOnlySpan<byte> rest = _delivers;
        var sum = 0UL;
        while (FrameReader.TryRead(ref rest, MaxPayloadBytes, out var type, out var payload) == FrameStatus.Frame)
        {
            if (ConnectionRules.NodeMaySend(ConnectionPhase.Established, type) == ErrorCode.None
                && DeliverFrame.TryParse(payload, out var frame, out _))
                sum += frame.Sequence + (ulong)frame.Body.Length;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong ParseAccepteds()
    {
        ReadOnlySpan<byte> rest = _accepteds;
        var sum = 0UL;
        while (FrameReader.TryRead(ref rest, MaxPayloadBytes, out var type, out var payload) == FrameStatus.Frame)
        {
            if (ConnectionRules.NodeMaySend(ConnectionPhase.Established, type) == ErrorCode.None
                && AcceptedFrame.TryParse(payload, out var frame, out _))
                sum += frame.Number;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong ParseAcknowledges()
    {
        ReadOnlySpan<byte> rest = _acknowledges;
        var sum = 0UL;
        while (FrameReader.TryRead(ref rest, MaxPayloadBytes, out var type, out var payload) == FrameStatus.Frame)
        {
            if (ConnectionRules.ClientMaySend(ConnectionPhase.Established, type) == ErrorCode.None
                && AcknowledgeFrame.TryParse(payload, out var frame, out _))
                sum += frame.Sequence;
        }

        return sum;
    }
}
