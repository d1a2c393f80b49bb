using System.Collections.Concurrent;
using System.Text;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>Connections are cut at random points, 200 times a run: nothing may be lost, doubled or put out of order, in either direction.</summary>
public class CutTests
{
    private const int Messages = 1500;
    private const int Deliveries = 1500;
    private const int Cuts = 200;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public async Task Nothing_is_lost_doubled_or_out_of_order_over_200_cuts(int seed, bool sqlite)
    {
        using var folder = new TemporaryFolder();
        IMessageStore store = sqlite ? new SqliteMessageStore(folder.File("a.db"), SqliteDurability.Normal) : new MemoryMessageStore(100_000);
        await using var node = new ModelNode(seed, Cuts, Deliveries);
        var handled = new ConcurrentQueue<(ulong Sequence, ulong Previous)>();
        var gaps = new ConcurrentQueue<SequenceGap>();
        var surprises = new ConcurrentQueue<ClientStateChange>();
        await using (var client = new GatewayClient(Options(node, store, seed))
        {
            MessageReceived = async (m, ct) =>
            {
                if (m.Sequence % 7 == 0) await Task.Yield();
                handled.Enqueue((m.Sequence, m.Previous));
            },
        })
        {
            client.GapDetected += gaps.Enqueue;
            client.StateChanged += c =>
            {
                if (c.Reason is not (DisconnectReason.None or DisconnectReason.ConnectionLost or DisconnectReason.Requested)) surprises.Enqueue(c);
            };
            await client.StartAsync();
            var sent = new List<OutboxMessage>();
            var random = new Random(seed);
            using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            for (var i = 0; i < Messages || node.HasCutsLeft; i++)
            {
                sent.Add(await client.SendAsync(new Address(AddressKind.User, (ulong)random.Next(1, 6)), Encoding.UTF8.GetBytes($"{i}"), null, deadline.Token));
                // Without end, messages would outrun the cuts.
                if (i > Messages) await Task.Delay(1, deadline.Token);
                if (client.Status.OpenMessages > 300) await client.FlushAsync(deadline.Token);
            }

            await client.FlushAsync(deadline.Token);
            while (!node.IsMailboxEmpty) await Task.Delay(5, deadline.Token);
            foreach (var message in sent) Assert.Equal(MessageState.Accepted, (await message.Accepted).State);
            await client.StopAsync(deadline.Token);

            Assert.Empty(node.Breaches);
            Assert.Empty(surprises);
            Assert.True(
                node.Cuts >= Cuts && node.Resends > 0 && node.Refusals > 0 && node.Redeliveries > 0,
                $"{node.Cuts} cuts, {node.Resends} resends, {node.Refusals} refusals, {node.Redeliveries} redeliveries prove little.");
            // Sent: each once, and to each recipient in the order of sending.
            Assert.Equal(Enumerable.Range(0, sent.Count), node.Taken.Select(t => int.Parse(t.Body, System.Globalization.CultureInfo.InvariantCulture)).Order());
            foreach (var recipient in node.Taken.GroupBy(t => t.To)) Assert.Equal(recipient.OrderBy(t => t.Number), recipient);

            // Received: each once, in order, without a gap.
            Assert.Equal(Deliveries, handled.Count);
            Assert.Empty(gaps);
            var last = 0UL;
            foreach (var (sequence, previous) in handled)
            {
                Assert.Equal(last, previous);
                last = sequence;
            }

            var history = await store.ReadHistoryAsync(null, long.MaxValue, int.MaxValue);
            Assert.Equal(handled.Select(h => h.Sequence).Reverse(), history.Where(e => !e.Sent).Select(e => e.Sequence));
            Assert.Equal(sent.Count, history.Count(e => e is { Sent: true, State: MessageState.Accepted }));
        }
    }

    private static GatewayClientOptions Options(ModelNode node, IMessageStore store, int seed) => new()
    {
        Host = "127.0.0.1",
        Port = node.Port,
        Key = node.KeyFile,
        Store = store,
        CreditMessages = ModelNode.Credit,
        AcknowledgeEvery = 5,
        AcknowledgeWithin = TimeSpan.FromMilliseconds(1),
        ReconnectMin = TimeSpan.FromMilliseconds(1),
        ReconnectMax = TimeSpan.FromMilliseconds(2),
        StopLinger = TimeSpan.FromMilliseconds(200),
        Random = new Random(seed),
    };
}
