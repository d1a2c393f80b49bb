using System.Text;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>From SendAsync to the double check: PROTOCOL.md, "Window", "Accepted", "Refused".</summary>
public class SendingTests
{
    private static readonly Address Bob = new(AddressKind.User, 42);
    private static readonly Address Carol = new(AddressKind.User, 43);

    [Fact]
    public async Task A_message_is_sent_accepted_and_delivered()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "hello"u8.ToArray(), new SendOptions { Expiry = TimeSpan.FromMinutes(1) });

        var sent = await connection.NextSendAsync();
        Assert.Equal((Bob, 1UL, 1UL, 60U, SendKind.Message, "hello"), (sent.To, sent.Number, sent.LowestOpen, sent.Expiry, sent.Kind, Encoding.UTF8.GetString(sent.Body)));
        Assert.False(message.Accepted.IsCompleted);
        await connection.AcceptAsync(1);
        Assert.Equal(new SendOutcome(MessageState.Accepted), await message.Accepted.WaitAsync(FakeNode.Deadline));
        Assert.False(message.Delivered.IsCompleted);
        await connection.ReceiptAsync(1000, ReceiptKind.Delivered, Bob, 1, [1]);
        Assert.Equal(new SendOutcome(MessageState.Delivered), await message.Delivered.WaitAsync(FakeNode.Deadline));
        Assert.Equal(1000UL, await connection.NextAcknowledgeAsync());
    }
}
