using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>What a store has promised survives kill -9, at whatever moment it comes.</summary>
public class KillTests
{
    [Fact]
    public async Task Outbox_history_and_position_survive_kill_9()
    {
        const int deliveries = 400;
        const int runs = 4;
        using var folder = new TemporaryFolder();
        var database = folder.File("chat.db");
        await using var node = new ModelNode(seed: 5, cuts: 0, deliveries);
        var promised = new List<string>();
        for (var run = 0; run < runs; run++)
        {
            using var child = SendingChild.Start(database, node.Port, run);
            try
            {
                // Killed in the middle of its work, once it has promised so many; the later runs begin with what the earlier ones left.
                var until = 50 + 37 * run;
                for (var i = 0; i < until; i++)
                {
                    var line = await child.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(90));
                    Assert.True(line is not null, "The child ended by itself.");
                    promised.Add(line);
                }
            }
            finally
            {
                child.Kill(); // SIGKILL
            }

            // What it had promised before the signal came may still be in the pipe.
            while (await child.StandardOutput.ReadLineAsync() is { } line) promised.Add(line);
            await child.WaitForExitAsync();
            Assert.Equal(128 + 9, child.ExitCode);
        }

        await using var store = new SqliteMessageStore(database);
        await using (var client = new GatewayClient(new GatewayClientOptions
        {
            Host = "127.0.0.1",
            Port = node.Port,
            Key = node.KeyFile,
            Store = store,
            LeaveStoreOpen = true,
            CreditMessages = ModelNode.Credit,
            ReconnectMax = TimeSpan.FromMilliseconds(500),
        })
        {
            MessageReceived = (_, _) => default,
        })
        {
            await client.StartAsync();
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            await client.FlushAsync(deadline.Token);
            // The model delivers whenever it reads something.
            for (var i = 0; !node.IsMailboxEmpty; i++)
            {
                client.TrySendEphemeral(FakeNode.Device, EphemeralKind.Typing);
                await Task.Delay(5, deadline.Token);
            }
        }

        Assert.Empty(node.Breaches);
        var taken = node.Taken.Select(t => t.Body).ToArray();
        Assert.Equal(taken.Length, taken.Distinct().Count());
        Assert.Empty(promised.Except(taken));
        foreach (var recipient in node.Taken.GroupBy(t => t.To)) Assert.Equal(recipient.OrderBy(t => t.Number), recipient);

        var history = await store.ReadHistoryAsync(null, long.MaxValue, int.MaxValue);
        Assert.Equal(taken.Order(), history.Where(e => e.Sent).Select(e => System.Text.Encoding.UTF8.GetString(e.Body.Span)).Order());
        Assert.All(history.Where(e => e.Sent), e => Assert.Equal(MessageState.Accepted, e.State));
        var received = history.Where(e => !e.Sent).Select(e => e.Sequence).ToArray();
        Assert.Equal(deliveries, received.Length);
        Assert.Equal(received.OrderDescending(), received);
    }
}
