using System.Text.Json;
using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>The load tool against the real node: what the tool counted is what the node's ledger says.</summary>
public sealed class NodeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LoadTool _tool = new();

    public void Dispose()
    {
        _tool.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [OneAndEightReactors]
    public async Task The_tools_counts_are_the_nodes_ledger(int reactors)
    {
        await using var node = await StartAsync(reactors);
        var accepted = 0L;
        string[][] commands =
        [
            ["relay", "--pairs", "8", "--messages", "5000", "--mix", "chat"],
            ["relay", "--pairs", "8", "--rate", "3000", "--time", "500ms", "--mix", "poisson"],
            ["connect", "--connections", "200", "--exchange", "2", "--hold", "0s"],
            ["offline", "--mailboxes", "60", "--messages", "40", "--senders", "7"],
            ["storm", "--connections", "100", "--times", "2"],
        ];
        foreach (var command in commands)
        {
            var run = await Task.Run(() => _tool.Run(node.NativePort, CancellationToken.None, command));
            Assert.True(run.ExitCode == 0, run.ToString());
            Assert.Equal(run["sent"], run["double_checks"]);
            accepted += run["accepted"];
        }

        await AssertLedger(node, accepted);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_node_killed_under_load_loses_nothing_that_it_had_accepted(int reactors)
    {
        await using var node = await StartAsync(reactors);
        // Many more messages than the second kill waits for, so that a fast machine is not done before it.
        const int Messages = 300_000;
        var running = Task.Run(() => _tool.Run(
            node.NativePort, CancellationToken.None,
            "relay", "--pairs", "10", "--window", "32", "--messages", $"{Messages}", "--reconnect", "--stall", "60s"));
        for (var kill = 0; kill < 2; kill++)
        {
            // More than there was at this start: only then have the devices come back after the kill before.
            await AcceptedRisesBy(node, 10_000);
            node.Kill();
            await node.Program.WaitForExitAsync(TimeSpan.FromSeconds(30));
            await node.StartAsync();
        }

        var run = await running;
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(Messages, run["accepted"]);
        Assert.Equal(Messages, run["delivered"]);
        Assert.Equal(Messages, run["double_checks"]);
        Assert.True(run["reconnects"] >= 2 * 20, run.ToString());
        await AssertLedger(node, Messages);
    }

    private async Task<NodeProcess> StartAsync(int reactors)
    {
        var node = new NodeProcess(_folder.File("data"), "--reactors", $"{reactors}");
        await node.StartAsync();
        File.Copy(Path.Combine(node.Data, "secret"), _tool.PathOf("secret"), overwrite: true);
        return node;
    }

    private static async Task AcceptedRisesBy(NodeProcess node, long messages)
    {
        var before = await AcceptedOf(node);
        while (await AcceptedOf(node) < before + messages) await Task.Delay(20);
    }

    private static async Task<long> AcceptedOf(NodeProcess node) => (await node.AskAsync("/ops/ledger")).GetProperty("accepted").GetInt64();

    /// <summary>What the last acknowledgements began is committed a moment later: the ledger comes to rest, and then must say exactly this.</summary>
    private static async Task AssertLedger(NodeProcess node, long accepted)
    {
        JsonElement ledger;
        var deadline = DateTime.UtcNow + Wait.Deadline;
        do
        {
            ledger = await node.AskAsync("/ops/ledger");
        }
        while ((Of("pending") != 0 || Of("delivered") != accepted) && DateTime.UtcNow < deadline);

        Assert.True(ledger.GetProperty("balanced").GetBoolean(), ledger.ToString());
        Assert.Equal((accepted, accepted, 0L), (Of("accepted"), Of("delivered"), Of("pending")));

        long Of(string field) => ledger.GetProperty(field).GetInt64();
    }
}
