using System.Text;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>What tests of sending do again and again.</summary>
internal static class SendingSteps
{
    public static readonly Address Bob = new(AddressKind.User, 42);
    public static readonly Address Carol = new(AddressKind.User, 43);

    /// <summary>Logs in the first connection that lives; one of an earlier client may be waiting before it.</summary>
    public static async Task<FakeConnection> AcceptLatestAsync(FakeNode node)
    {
        while (true)
        {
            try
            {
                return await node.LoginAsync();
            }
            catch (Exception e) when (e is EndOfStreamException or System.Net.Sockets.SocketException)
            {
                // The client that made it has stopped.
            }
        }
    }

    public static async Task<OutboxMessage[]> SendAsync(GatewayClient client, Address to, int count)
    {
        var messages = new OutboxMessage[count];
        for (var i = 0; i < count; i++) messages[i] = await client.SendAsync(to, Encoding.UTF8.GetBytes($"{i + 1}"));
        return messages;
    }

    public static async Task<(Address, ulong)> NextToAsync(FakeConnection connection)
    {
        var sent = await connection.NextSendAsync();
        return (sent.To, sent.Number);
    }

    public static (uint, string) ReadOf(SentMessage sent)
    {
        Assert.True(ReadBody.TryParse(sent.Body, out var incarnation, out var numbers));
        return (incarnation, string.Join(',', System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(numbers).ToArray()));
    }

    public static string Text(SentMessage sent) => Encoding.UTF8.GetString(sent.Body);
}

internal static class WaitUntil
{
    /// <summary>Waits for a state that another thread brings about; the deadline is generous because it is only met in failure.</summary>
    public static async Task TrueAsync(Func<bool> holds)
    {
        using var deadline = new CancellationTokenSource(FakeNode.Deadline);
        while (!holds()) await Task.Delay(1, deadline.Token);
    }
}
