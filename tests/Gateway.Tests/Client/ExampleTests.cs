using System.Text;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>The example that README.md shows, compiled and run. What stands between the markers is quoted there word for word.</summary>
public class ExampleTests
{
    [Fact]
    public async Task The_example_sends_a_message_and_answers_what_comes()
    {
        await using var node = new FakeNode();
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder.File("alice.key"), node.KeyFile.Format());
        var example = ExampleAsync(folder.File("alice.key"), folder.File("chat.db"), node.Port);

        var connection = await node.LoginAsync();
        var hello = await connection.NextSendAsync();
        Assert.Equal(("15550002", "Hello, Bob"), (hello.To.ToString(), Encoding.UTF8.GetString(hello.Body)));
        await connection.AcceptAsync(1);
        await connection.DeliverAsync(7, 0, "Hello, Alice", hello.To);
        var answer = await connection.NextSendAsync();
        Assert.Equal("You said: Hello, Alice", Encoding.UTF8.GetString(answer.Body));
        await connection.AcceptAsync(2);
        Assert.Equal(7UL, await connection.NextAcknowledgeAsync());
        await connection.ReceiptAsync(8, ReceiptKind.Delivered, hello.To, 1, [1], previous: 7);
        await example.WaitAsync(FakeNode.Deadline);
    }

    private static async Task ExampleAsync(string keyPath, string databasePath, int port)
    {
        // example:start
        if (!KeyFile.TryParse(File.ReadAllText(keyPath), out var key, out var error)) throw new FormatException(error);

        await using var client = new GatewayClient(new GatewayClientOptions
        {
            Host = "127.0.0.1",
            Port = port,
            Key = key,
            Store = new SqliteMessageStore(databasePath), // outbox, history, position: they survive kill -9
        });

        // One message at a time, in order. It is acknowledged once this has completed and the message is stored.
        client.MessageReceived = async (message, cancellation) =>
        {
            var text = Encoding.UTF8.GetString(message.Body.Span);
            Console.WriteLine($"{message.From}: {text}");
            await client.SendAsync(message.From, Encoding.UTF8.GetBytes($"You said: {text}"), cancellationToken: cancellation);
        };

        await client.StartAsync();
        var bob = new Address(AddressKind.User, 15550002);
        var sent = await client.SendAsync(bob, "Hello, Bob"u8.ToArray()); // durably in the outbox, connected or not
        Console.WriteLine($"single check: {await sent.Accepted}"); // durably on the node
        Console.WriteLine($"double check: {await sent.Delivered}"); // acknowledged by Bob's device
        // example:end
    }
}
