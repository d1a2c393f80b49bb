using Gateway.Client;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>What a client learns of a node that was restored from a backup: PROTOCOL.md, "Handshake", on the generation.</summary>
public class RestorationTests
{
    [Fact]
    public async Task A_restored_node_is_told()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store));
        var restored = new TaskCompletionSource<NodeRestoration>();
        uint rememberedWhenTold = 0;
        client.NodeRestored += r =>
        {
            rememberedWhenTold = store.OpenAsync(FakeNode.Device, default).GetAwaiter().GetResult().Generation;
            restored.TrySetResult(r);
        };
        await client.StartAsync();
        (await node.LoginAsync(new Welcome(Generation: 3))).Cut();
        var again = await node.LoginAsync(new Welcome(WindowLow: 1, WindowSettled: 0, Generation: 4));
        Assert.Equal(new NodeRestoration(3, 4, again.Client.Incarnation, 1, 0), await restored.Task.WaitAsync(FakeNode.Deadline));
        // One that is killed between the two is told again.
        Assert.Equal(3U, rememberedWhenTold);
        await client.StopAsync();
        Assert.Equal(4U, (await store.OpenAsync(FakeNode.Device, default)).Generation);
    }

    [Fact]
    public void A_restored_nodes_window_says_which_messages_it_knows()
    {
        var restoration = new NodeRestoration(3, 4, Incarnation: 7, WindowLow: 41, WindowSettled: 0b101);
        Assert.Equal([true, true, false, true, false], new ulong[] { 40, 41, 42, 43, 44 }.Select(n => restoration.Knows(7, n)!.Value));
        Assert.Equal([false, false], new ulong[] { 41 + 64, 41 + 66 }.Select(n => restoration.Knows(7, n)!.Value));
        Assert.Null(restoration.Knows(6, 1));
    }
}
