using System.Buffers.Binary;
using System.Net.Sockets;
using Gateway.Protocol;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>P9: a thousand connections that misbehave in every way beside an exchange that must not notice.</summary>
public sealed class BadGuestsTests : IDisposable
{
    private const int Guests = 1_000;
    private const int Messages = 2_000;

    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();
    private readonly ITestOutputHelper _output;

    public BadGuestsTests(ITestOutputHelper output) => _output = output;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [OneAndEightReactors]
    public async Task Each_gets_its_error_or_timeout_and_nobody_else_notices(int reactors)
    {
        await using var node = new NodeProcess(_folder.File("data"),
            "--reactors", $"{reactors}", "--handshake-timeout", "2s", "--frame-timeout", "2s");
        await node.StartAsync();
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        using var bob = new WireDevice(node.NativePort).LogIn(Bob, node.KeyOf(Bob));
        await node.AskAsync("/ops/counters"); // the operator's own connection, kept alive, is there from the start
        var before = Descriptors(node);

        var exchange = Task.Factory.StartNew(() => Exchange(alice, bob), TaskCreationOptions.LongRunning);
        var seen = new Dictionary<string, int>();
        var gate = new Lock();
        var next = -1;
        var crowd = Enumerable.Range(0, 100).Select(_ => Task.Factory.StartNew(() =>
        {
            for (var i = Interlocked.Increment(ref next); i < Guests; i = Interlocked.Increment(ref next))
            {
                var outcome = Misbehave(node, i);
                lock (gate) seen[outcome] = seen.GetValueOrDefault(outcome) + 1;
            }
        }, TaskCreationOptions.LongRunning));
        await Task.WhenAll(crowd);
        await exchange;

        foreach (var (outcome, count) in seen.OrderBy(o => o.Key, StringComparer.Ordinal)) _output.WriteLine($"{count,5}  {outcome}");
        Assert.Equal(Enum.GetValues<Manner>().Select(m => $"{m}: {ExpectedOf(m)}").Order(StringComparer.Ordinal), seen.Keys.Order(StringComparer.Ordinal));

        await ComesToRest(node, before);
        var ledger = await node.AskAsync("/ops/ledger");
        Assert.True(ledger.GetProperty("balanced").GetBoolean());
        Assert.Equal(Messages, ledger.GetProperty("accepted").GetInt64());
        Assert.Equal(Messages, ledger.GetProperty("delivered").GetInt64());
    }

    private enum Manner
    {
        RandomBytes,
        AnotherProtocol,
        Oversize,
        HalfFrame,
        Silence,
        WrongKey,
        AcknowledgesTheUnissued,
        JumpsTheWindow,
        UnknownFrame,
        LeavesInTheMiddle,
    }

    private static string ExpectedOf(Manner manner) => manner switch
    {
        Manner.RandomBytes => "an error, then the end",
        Manner.AnotherProtocol => nameof(ErrorCode.FrameTooLarge), // "GET " announces 5,522,759 bytes
        Manner.Oversize => nameof(ErrorCode.FrameTooLarge),
        Manner.HalfFrame => nameof(ErrorCode.FrameTimeout),
        Manner.Silence => nameof(ErrorCode.HandshakeTimeout),
        Manner.WrongKey => nameof(ErrorCode.AuthenticationFailed),
        Manner.AcknowledgesTheUnissued => nameof(ErrorCode.AcknowledgeAhead),
        Manner.JumpsTheWindow => nameof(ErrorCode.WindowExceeded),
        Manner.UnknownFrame => nameof(ErrorCode.UnknownFrameType),
        Manner.LeavesInTheMiddle => "left",
        _ => throw new ArgumentOutOfRangeException(nameof(manner)),
    };

    private static string Misbehave(NodeProcess node, int index)
    {
        var manner = (Manner)(index % Enum.GetValues<Manner>().Length);
        var address = new Address(AddressKind.User, 20_000_000 + (ulong)index);
        using var guest = new WireDevice(node.NativePort, readTimeoutMs: 30_000);
        switch (manner)
        {
            case Manner.RandomBytes:
                var bytes = new byte[2_000];
                new Random(index).NextBytes(bytes);
                // A length within the limit and enough bytes behind it, so that the garbage is read and not only waited for.
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)(index % 60) | (uint)bytes[3] << 24);
                guest.SendRaw(bytes);
                return EndOf(guest).Length > 0 ? $"{manner}: an error, then the end" : $"{manner}: nothing";
            case Manner.AnotherProtocol:
                guest.SendRaw("GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"u8);
                break;
            case Manner.Oversize:
                guest.LogIn(address, node.KeyOf(address));
                guest.SendRaw([0xFF, 0xFF, 0xFF, (byte)FrameType.Send]);
                break;
            case Manner.HalfFrame:
                guest.LogIn(address, node.KeyOf(address));
                guest.SendRaw([100, 0, 0, (byte)FrameType.Send, 1, 2, 3]);
                break;
            case Manner.Silence:
                break;
            case Manner.WrongKey:
                var key = node.KeyOf(address);
                key[0] ^= 1;
                try
                {
                    guest.LogIn(address, key);
                    return $"{manner}: let in";
                }
                catch (WireErrorException e)
                {
                    return $"{manner}: {e.Code}";
                }
            case Manner.AcknowledgesTheUnissued:
                guest.LogIn(address, node.KeyOf(address));
                guest.Acknowledge(ulong.MaxValue);
                break;
            case Manner.JumpsTheWindow:
                guest.LogIn(address, node.KeyOf(address));
                guest.Send(Alice, Wire.WindowSize + 1, "x"u8, lowestOpen: 1);
                break;
            case Manner.UnknownFrame:
                guest.LogIn(address, node.KeyOf(address));
                guest.SendRaw([0, 0, 0, 0xEE]);
                break;
            case Manner.LeavesInTheMiddle:
                guest.LogIn(address, node.KeyOf(address));
                guest.SendRaw([100, 0, 0, (byte)FrameType.Send, 1]);
                guest.Socket.LingerState = new LingerOption(true, 0); // a reset
                return $"{manner}: left";
        }

        return $"{manner}: {EndOf(guest)}";
    }

    /// <summary>The error the node gave before it closed.</summary>
    private static string EndOf(WireDevice guest)
    {
        var code = "";
        while (guest.Read() is { } frame)
        {
            if (frame.Type == FrameType.Error && ErrorFrame.TryParse(frame.Payload, out var error, out _)) code = error.Code.ToString();
        }

        return code;
    }

    private static void Exchange(WireDevice alice, WireDevice bob)
    {
        Span<byte> body = stackalloc byte[64];
        for (var n = 1UL; n <= Messages; n++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(body, n);
            alice.Send(Bob, n, body);
            alice.Expect(FrameType.Accepted);
            Assert.True(DeliverFrame.TryParse(bob.Expect(FrameType.Deliver), out var delivered, out _));
            Assert.Equal(n, BinaryPrimitives.ReadUInt64LittleEndian(delivered.Body));
            bob.Acknowledge(delivered.Sequence);
            Assert.True(ReceiptFrame.TryParse(alice.Expect(FrameType.Receipt), out var receipt, out _));
            Assert.Equal(n, receipt.Number(0));
            alice.Acknowledge(receipt.Sequence);
        }
    }

    private static int Descriptors(NodeProcess node) => Directory.GetFileSystemEntries($"/proc/{node.Program.Id}/fd").Length;

    /// <summary>Descriptors, slots and leases are back where they were.</summary>
    private static async Task ComesToRest(NodeProcess node, int descriptorsBefore)
    {
        var deadline = DateTime.UtcNow.AddSeconds(60);
        while (true)
        {
            var counters = (await node.AskAsync("/ops/counters")).GetProperty("reactors").EnumerateArray().ToList();
            long Sum(string name) => counters.Sum(r => r.GetProperty(name).GetInt64());
            var now = (Connections: Sum("connections"), Leases: Sum("leasesInUse"), Buffered: Sum("bufferedBytes"), Descriptors: Descriptors(node));
            if (now is { Connections: 2, Leases: 0, Buffered: 0 } && now.Descriptors <= descriptorsBefore) return;
            Assert.True(DateTime.UtcNow < deadline, $"the node stays at {now}; it began with {descriptorsBefore} descriptors");
            await Task.Delay(50);
        }
    }
}
