using System.Threading.Channels;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>What every session of a client shares.</summary>
internal sealed record SessionParts(
    GatewayClientOptions Options, Clock Clock, Jitter Jitter, Outbox Outbox, Inbox Inbox, bool TakesMessages, ChannelReader<EphemeralDraft> Ephemerals, Action<ReceivedEphemeral> EphemeralReceived);

/// <summary>Something ephemeral to be sent.</summary>
internal readonly record struct EphemeralDraft(Address To, EphemeralKind Kind, ReadOnlyMemory<byte> Data);

/// <summary>A rejection under way: sent once the node has delivered the entry in this session, done once the node has answered a ping sent behind it.</summary>
internal sealed class Rejection(InboxItem item, ushort reason)
{
    public InboxItem Item { get; } = item;
    public ushort Reason { get; } = reason;
    public ulong? PingToken { get; set; }
    public TaskCompletionSource<bool> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
