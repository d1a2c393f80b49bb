using System.Buffers.Binary;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Bytes in, the same bytes out, however they are cut.</summary>
public abstract class EchoTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io);

    [OnBackendFact]
    public void A_frame_split_at_every_byte_is_echoed_whole()
    {
        using var group = new TestGroup<FramedEchoHandler>(_options, r => new FramedEchoHandler(r));
        using var client = Client.Connect(group.Listen());
        var frames = Frames(seed: 1, count: 3, maxPayload: 20);
        for (var cut = 0; cut <= frames.Length; cut++)
        {
            client.SendAll(frames.AsSpan(0, cut));
            // Wait for the whole frames of the first part, so that the second is a read of its own.
            var answered = WholeBytes(frames.AsSpan(0, cut));
            var first = client.ReceiveExactly(answered);
            client.SendAll(frames.AsSpan(cut));
            Assert.Equal(frames, first.Concat(client.ReceiveExactly(frames.Length - answered)));
        }

        group.AwaitIdle();
        client.Close();
        group.AwaitEmpty();
    }

    [OnBackendFact]
    public void A_frame_that_comes_byte_by_byte_is_echoed_whole()
    {
        using var group = new TestGroup<FramedEchoHandler>(_options, r => new FramedEchoHandler(r));
        using var client = Client.Connect(group.Listen());
        var frame = Frames(seed: 2, count: 1, maxPayload: 300);
        foreach (var b in frame)
        {
            client.SendAll([b]);
            Thread.Yield();
        }

        Assert.Equal(frame, client.ReceiveExactly(frame.Length));
        group.AwaitIdle();
    }

    [OnBackendFact]
    public async Task Random_chunks_on_many_connections_come_back_unchanged()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.Listen();
        await Threads.Each(16, seed =>
        {
            var random = new Random(seed);
            using var client = Client.Connect(server);
            for (var i = 0; i < 60; i++)
            {
                var sent = new byte[random.Next(1, 30_000)];
                random.NextBytes(sent);
                client.SendAll(sent);
                Assert.Equal(sent, client.ReceiveExactly(sent.Length));
            }
        });
        group.AwaitEmpty(16);
        Assert.Equal(16, group.Handlers.Sum(h => h.Closings.Count(c => c.Reason == CloseReason.PeerClosed)));
    }

    [OnBackendFact]
    public void A_frame_larger_than_the_receive_buffer_and_the_turn_buffer_comes_back()
    {
        using var group = new TestGroup<FramedEchoHandler>(_options with { ReceiveBytesPerTurn = 1000, OutputBufferBytes = 64 }, r => new FramedEchoHandler(r));
        using var client = Client.Connect(group.Listen());
        var frames = Frames(seed: 3, count: 4, maxPayload: 60_000);
        client.SendAll(frames);
        Assert.Equal(frames, client.ReceiveExactly(frames.Length));
        group.AwaitIdle();
    }

    [OnBackendFact]
    public void Two_thousand_connections_echo_at_once_and_hold_nothing_when_idle()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.Listen();
        var clients = Enumerable.Range(0, 2000).Select(_ => Client.Connect(server)).ToArray();
        try
        {
            Wait.Until(() => group.SlotsInUse == clients.Length, "all are accepted");
            for (var i = 0; i < clients.Length; i++) clients[i].SendAll(BitConverter.GetBytes(i));
            for (var i = 0; i < clients.Length; i++) Assert.Equal(i, BitConverter.ToInt32(clients[i].ReceiveExactly(4)));
            group.AwaitIdle();
            Assert.Equal(clients.Length, group.SlotsInUse);
        }
        finally
        {
            foreach (var client in clients) client.Close();
        }

        group.AwaitEmpty(clients.Length);
    }

    [OnBackendFact]
    public async Task A_flood_on_one_connection_does_not_starve_another()
    {
        using var group = new TestGroup<EchoHandler>(_options with { ReceiveBytesPerTurn = 4096 }, r => new EchoHandler(r));
        var server = group.ListenOn(0);
        using var flooder = Client.Connect(server);
        using var quiet = Client.Connect(server);
        using var stop = new CancellationTokenSource();
        var flood = Threads.Start(() =>
        {
            var chunk = new byte[256 * 1024];
            while (!stop.IsCancellationRequested)
            {
                flooder.SendAll(chunk);
                flooder.ReceiveExactly(chunk.Length);
            }
        });
        for (var i = 0; i < 500; i++)
        {
            quiet.SendAll(BitConverter.GetBytes(i));
            Assert.Equal(i, BitConverter.ToInt32(quiet.ReceiveExactly(4)));
        }

        await stop.CancelAsync();
        await flood.WaitAsync(Wait.Deadline);
    }

    private static byte[] Frames(int seed, int count, int maxPayload)
    {
        var random = new Random(seed);
        using var all = new MemoryStream();
        for (var i = 0; i < count; i++)
        {
            var frame = new byte[2 + random.Next(1, maxPayload)];
            random.NextBytes(frame);
            BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)(frame.Length - 2));
            all.Write(frame);
        }

        return all.ToArray();
    }

    private static int WholeBytes(ReadOnlySpan<byte> bytes)
    {
        var whole = 0;
        while (bytes.Length - whole >= 2)
        {
            var size = 2 + BinaryPrimitives.ReadUInt16BigEndian(bytes[whole..]);
            if (bytes.Length - whole < size) break;
            whole += size;
        }

        return whole;
    }
}

public sealed class EchoTestsOnOneReactor() : EchoTests(1, IoBackend.Epoll);

public sealed class EchoTestsOnEightReactors() : EchoTests(8, IoBackend.Epoll);

public sealed class EchoTestsOnOneReactorWithUring() : EchoTests(1, IoBackend.Uring);

public sealed class EchoTestsOnEightReactorsWithUring() : EchoTests(8, IoBackend.Uring);
