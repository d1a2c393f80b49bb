using System.Text.Json;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Tests.EndToEnd;
using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>Top lists of a real node, where one device hoards, one says half a sentence, and one has not said who it is.</summary>
public abstract class ConnectionTopTests(string io) : IDisposable
{
    private static readonly Address Sender = new(AddressKind.User, 15550001);
    private static readonly Address Hoarder = new(AddressKind.User, 15550002);
    private static readonly Address Stutterer = new(AddressKind.User, 15550003);

    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [OnBackendTheory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task The_first_by_queue_bytes_and_age_are_named_with_their_peers(int reactors)
    {
        await using var node = await NodeProcess.StartSmallAsync(_folder.File("data"), reactors, $"--io {io}");
        using var sender = new WireDevice(node.NativePort).LogIn(Sender, node.KeyOf(Sender));
        using var hoarder = new WireDevice(node.NativePort).LogIn(Hoarder, node.KeyOf(Hoarder), creditMessages: 1);
        using var stutterer = new WireDevice(node.NativePort).LogIn(Stutterer, node.KeyOf(Stutterer));
        using var stranger = new WireDevice(node.NativePort);
        for (ulong i = 0; i < 5; i++) sender.Send(Hoarder, sender.WindowLow + i, "hello"u8, sender.WindowLow);
        for (var i = 0; i < 5; i++) sender.Expect(FrameType.Accepted);
        stutterer.SendRaw("\x20\0\0"u8);

        // The stranger's accept and the stutterer's bytes have no answer that says they are there.
        var queue = await UntilAsync(node, "queue", top => top.GetProperty("walked").GetInt64() == 4);
        var first = queue[0];
        Assert.Equal((5, 1), (first.GetProperty("pendingEntries").GetInt32(), first.GetProperty("unacknowledged").GetInt32()));
        Assert.Equal(hoarder.Socket.LocalEndPoint!.ToString(), first.GetProperty("remote").GetString());
        Assert.Equal(new NodeKeys(node.Secret).Pseudonym(Hoarder), first.GetProperty("device").GetString());
        Assert.DoesNotContain(queue, c => c.ToString().Contains("1555", StringComparison.Ordinal));

        var bytes = await UntilAsync(node, "bytes", top => top.GetProperty("connections")[0].GetProperty("keptBytes").GetInt64() == 3, "&addresses=true");
        Assert.Equal(("15550003", stutterer.Socket.LocalEndPoint!.ToString()), (bytes[0].GetProperty("device").GetString(), bytes[0].GetProperty("remote").GetString()));

        var age = await UntilAsync(node, "age", _ => true);
        Assert.Equal(4, age.Length);
        var logins = age.Take(3).Select(c => c.GetProperty("loggedInAt").GetDateTimeOffset()).ToList();
        Assert.Equal(logins.Order(), logins);
        Assert.Equal((JsonValueKind.Null, stranger.Socket.LocalEndPoint!.ToString()), (age[3].GetProperty("device").ValueKind, age[3].GetProperty("remote").GetString()));

        Assert.Equal(2, (await UntilAsync(node, "age", _ => true, "&count=2")).Length);
    }

    [OnBackendFact]
    public async Task A_walk_comes_to_every_connection_while_they_come_and_go()
    {
        await using var node = await NodeProcess.StartSmallAsync(_folder.File("data"), reactors: 2, $"--io {io}");
        // More than a slice of one reactor holds.
        await using var load = LoadProcess.Start(node, "connect", "--connections", "3000", "--hold", "10m", "--io", "epoll");
        await UntilAsync(node, "age", top => top.GetProperty("walked").GetInt64() == 3000, "&count=1000");
        await using var storm = LoadProcess.Start(node, "storm", "--connections", "300", "--times", "3", "--first-address", "5000000", "--first-source", "127.0.7.1");
        do
        {
            var top = await node.AskAsync("/ops/connections/top?by=queue&count=1000");
            // Those that stay, always; of 900 that come and go, some, and one that moved to its home meanwhile perhaps at both reactors.
            Assert.InRange(top.GetProperty("walked").GetInt64(), 3000, 3000 + 2 * 900);
            var ids = top.GetProperty("connections").EnumerateArray().Select(c => (c.GetProperty("reactor").GetInt32(), c.GetProperty("connection").GetString())).ToList();
            Assert.Equal(1000, ids.Count);
            Assert.Equal(ids.Distinct(), ids);
        }
        while (!storm.HasExited);

        Assert.Equal(0, await storm.WaitForExitAsync());
    }

    private static async Task<JsonElement[]> UntilAsync(NodeProcess node, string by, Func<JsonElement, bool> holds, string more = "")
    {
        var deadline = DateTime.UtcNow + Wait.Deadline;
        while (true)
        {
            var top = await node.AskAsync($"/ops/connections/top?by={by}{more}");
            if (holds(top)) return [.. top.GetProperty("connections").EnumerateArray()];
            Assert.True(DateTime.UtcNow < deadline, $"Waited in vain: {top}");
            await Task.Delay(20);
        }
    }
}

public sealed class ConnectionTopTestsOnEpoll() : ConnectionTopTests("epoll");

public sealed class ConnectionTopTestsOnUring() : ConnectionTopTests("uring");
