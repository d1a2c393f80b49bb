using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>The frames that more than one room of messaging writes.</summary>
public static class ConnectionOutput
{
    /// <summary>Writes the error frame that goes before a close.</summary>
    public static void WriteError(this IConnections connections, ulong connection, ErrorCode code, uint detail = 0)
    {
        ArgumentNullException.ThrowIfNull(connections);
        connections.Advance(connection, ErrorFrame.Write(connections.GetSpan(connection, ErrorFrame.MaxFrameBytes), code, detail, ErrorTexts.Of(code)));
    }

    internal static void WriteAccepted(this IConnections connections, ulong connection, ulong number) =>
        connections.AdvanceWithNext(connection, AcceptedFrame.Write(connections.GetSpan(connection, AcceptedFrame.FrameBytes), number));

    internal static void WriteRefused(this IConnections connections, ulong connection, ulong number, RefusalReason reason, uint retryAfterMs) =>
        connections.Advance(connection, RefusedFrame.Write(
            connections.GetSpan(connection, RefusedFrame.FrameBytes), number, reason, reason.IsFinal() ? 0 : retryAfterMs));

    internal static void WritePong(this IConnections connections, ulong connection, ulong token) =>
        connections.Advance(connection, PingFrame.WritePong(connections.GetSpan(connection, PingFrame.FrameBytes), token));

    internal static void WritePing(this IConnections connections, ulong connection, ulong token) =>
        connections.Advance(connection, PingFrame.Write(connections.GetSpan(connection, PingFrame.FrameBytes), token));

    internal static void WriteGoAway(this IConnections connections, ulong connection, ErrorCode reason, uint reconnectAfterMs) =>
        connections.Advance(connection, GoAwayFrame.Write(connections.GetSpan(connection, GoAwayFrame.FrameBytes), reason, reconnectAfterMs));
}
