using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Ctl.Messaging;

/// <summary>Makes the clients of the commands, and turns their ends into exit codes.</summary>
internal static class DeviceClient
{
    /// <summary>A client that reconnects soon, since somebody waits for it.</summary>
    /// <param name="server">The node.</param>
    /// <param name="key">The device.</param>
    /// <param name="store">Its store, disposed with the client.</param>
    /// <param name="time">For waits.</param>
    /// <param name="resume">See <see cref="GatewayClientOptions.ResumePosition"/>.</param>
    /// <param name="credit">Messages the node may have under way to this device.</param>
    public static GatewayClient Create(
        Endpoint server, KeyFile key, IMessageStore store, TimeProvider time, Func<CancellationToken, ValueTask<ulong>>? resume = null, int credit = 256) =>
        new(new GatewayClientOptions
        {
            Host = server.Host,
            Port = server.Port,
            Key = key,
            Store = store,
            ResumePosition = resume,
            CreditMessages = credit,
            MaxBodyBytes = Wire.MaxBodyBytesCeiling,
            ReconnectMin = TimeSpan.FromMilliseconds(100),
            ReconnectMax = TimeSpan.FromSeconds(3),
            Time = time,
        });

    /// <summary>Opens the store and begins to connect.</summary>
    public static async Task StartAsync(GatewayClient client, CancellationToken cancel)
    {
        try
        {
            await client.StartAsync(cancel);
        }
        catch (MessageStoreException e)
        {
            throw new CtlException(ExitCode.Local, e.Message, e);
        }
    }

    /// <summary>Tells the person of each connection and each loss of it.</summary>
    public static void NoteStates(GatewayClient client, Output output)
    {
        var shown = "";
        client.StateChanged += change =>
        {
            var text = Describe(client, change);
            // Attempt after attempt fails for the same reason: once is enough.
            if (text is null || Interlocked.Exchange(ref shown, text) == text) return;
            output.Note(text);
        };
    }

    /// <summary>Why a client has stopped by itself.</summary>
    public static CtlException Ended(ClientStateChange last) => new(
        last.Reason switch
        {
            DisconnectReason.StoreFailed => ExitCode.Local,
            DisconnectReason.ConnectFailed or DisconnectReason.ConnectionLost or DisconnectReason.DeadPeer => ExitCode.Unreachable,
            _ => ExitCode.Refused,
        },
        last.Code == ErrorCode.None ? $"the client has ended ({last.Reason}): {last.Detail}" : $"the node said no ({last.Code}): {last.Detail}",
        last.Error);

    /// <summary>One line for a change that a person cares about, or null.</summary>
    public static string? Describe(GatewayClient client, ClientStateChange change) => change.State switch
    {
        ClientState.Connected => $"{client.Address} is connected",
        ClientState.Waiting => $"{client.Address} is not connected and tries again: {(change.Detail.Length > 0 ? change.Detail : change.Reason.ToString())}",
        _ => null,
    };
}
