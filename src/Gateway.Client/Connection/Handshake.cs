using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>What the node told at login, its proof checked.</summary>
internal sealed record Login(
    uint SessionEpoch, uint Incarnation, ulong WindowLow, ulong WindowSettled, uint Generation, uint MaxBodyBytes, uint IdleTimeoutMs, uint Pending);

/// <summary>
/// hello → challenge → authenticate → welcome. Both sides prove that they know the device's key, each over both nonces; nothing the node says is
/// believed before its proof was checked, but for an error, which only ever ends the attempt. PROTOCOL.md, "Handshake".
/// </summary>
internal static class Handshake
{
    /// <exception cref="DisconnectedException">It failed, and why.</exception>
    public static async Task<Login> RunAsync(Link link, GatewayClientOptions options, uint incarnation, ulong resume, int creditMessages, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.HandshakeTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            return await RunStepsAsync(link, options, incarnation, resume, creditMessages, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DisconnectedException(DisconnectReason.ConnectionLost, $"The handshake did not end within {options.HandshakeTimeout.TotalSeconds} s.");
        }
        catch (IOException e)
        {
            throw new DisconnectedException(DisconnectReason.ConnectionLost, e.Message, inner: e);
        }
    }

    private static async Task<Login> RunStepsAsync(
        Link link, GatewayClientOptions options, uint incarnation, ulong resume, int creditMessages, CancellationToken cancellationToken)
    {
        var clientNonce = new byte[Wire.NonceBytes];
        options.NonceSource(clientNonce);
        link.Output.Advance(HelloFrame.Write(link.Output.GetSpan(HelloFrame.FrameBytes), clientNonce));
        await link.Output.FlushAsync(cancellationToken);

        var nodeNonce = ReadChallenge(await ExpectAsync(link, FrameType.Challenge, cancellationToken));
        var key = options.Key;
        link.Output.Advance(AuthenticateFrame.Write(
            link.Output.GetSpan(AuthenticateFrame.FrameBytes), key.Address, key.Epoch, incarnation, resume,
            (uint)creditMessages, creditMessages == 0 ? 0 : (uint)options.CreditBytes, key.Key, clientNonce, nodeNonce));
        await link.Output.FlushAsync(cancellationToken);

        return ReadWelcome(await ExpectAsync(link, FrameType.Welcome, cancellationToken), key.Key, clientNonce, nodeNonce);
    }

    private static async Task<byte[]> ExpectAsync(Link link, FrameType expected, CancellationToken cancellationToken)
    {
        var (type, payload) = await link.ReadHandshakeFrameAsync(cancellationToken);
        return type == expected ? payload : throw Unexpected(type, payload, expected);
    }

    private static DisconnectedException Unexpected(FrameType type, byte[] payload, FrameType expected)
    {
        if (type == FrameType.Error && ErrorFrame.TryParse(payload, out var error, out _)) return DisconnectedException.FromError(error);
        if (type == FrameType.GoAway && GoAwayFrame.TryParse(payload, out var goAway, out _))
            return new DisconnectedException(DisconnectReason.GoAway, "The node sent the device away.", goAway.Reason, TimeSpan.FromMilliseconds(goAway.ReconnectAfterMs));
        return DisconnectedException.Violation($"The node sent {type} where {expected} was due.");
    }

    private static byte[] ReadChallenge(byte[] payload)
    {
        if (!ChallengeFrame.TryParse(payload, out var challenge, out var error)) throw DisconnectedException.Violation($"The challenge cannot be read: {error}.");
        if (challenge.Features != 0) throw DisconnectedException.Violation("The node chose features that were not offered.");
        return challenge.NodeNonce.ToArray();
    }

    private static Login ReadWelcome(byte[] payload, byte[] key, byte[] clientNonce, byte[] nodeNonce)
    {
        if (!WelcomeFrame.TryParse(payload, out var w, out var error)) throw DisconnectedException.Violation($"The welcome cannot be read: {error}.");
        Span<byte> proof = stackalloc byte[Wire.ProofBytes];
        HandshakeProof.OfNode(key, clientNonce, nodeNonce, w.Proven, proof);
        if (!HandshakeProof.Matches(proof, w.Proof)) throw new DisconnectedException(DisconnectReason.NodeNotAuthentic, "The node does not know the device's key.");
        return new Login(w.SessionEpoch, w.Incarnation, w.WindowLow, w.WindowSettled, w.Generation, w.MaxBodyBytes, w.IdleTimeoutMs, w.Pending);
    }
}
