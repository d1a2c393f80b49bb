using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Ctl.Chat;

/// <summary>Tells the other side that somebody types: at the first key and every few seconds while it goes on, and when the line is done. One thread.</summary>
internal sealed class TypingNotes(GatewayClient client, Address peer, TimeProvider time)
{
    private static readonly TimeSpan Repeat = TimeSpan.FromSeconds(3);
    private long _told;
    private bool _typing;

    public void OnKey(bool lineIsEmpty)
    {
        if (lineIsEmpty)
        {
            Stop();
            return;
        }

        if (_typing && time.GetElapsedTime(_told) < Repeat) return;
        _typing = client.TrySendEphemeral(peer, EphemeralKind.Typing);
        _told = time.GetTimestamp();
    }

    public void Stop()
    {
        if (_typing) client.TrySendEphemeral(peer, EphemeralKind.StoppedTyping);
        _typing = false;
    }
}
