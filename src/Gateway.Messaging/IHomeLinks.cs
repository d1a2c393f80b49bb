namespace Gateway.Messaging;

/// <summary>
/// The way from one home to another. Requests from a home to another arrive in order, and so do replies. Called on the home's thread only.
/// </summary>
public interface IHomeLinks
{
    /// <summary>
    /// Hands over a request and reserves room for its reply first, so that a reply never waits (rule 8). False: no credit now;
    /// <see cref="Home.OnRequestCredit"/> follows when asking again makes sense.
    /// </summary>
    bool TryRequest(int home, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body);

    /// <summary>Answers a request; one reply a request, at most <see cref="HomeMessage.MaxReplyBytes"/>.</summary>
    void Reply(int home, ReadOnlySpan<byte> message);

    /// <summary>Hands over something that nobody waits for. False: shed.</summary>
    bool TryNotify(int home, ReadOnlySpan<byte> message);
}
