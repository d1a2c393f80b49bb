using Gateway.Protocol;

namespace Gateway.Server.Health.Top;

internal enum TopKind
{
    Mailbox = 0,
    Sender = 1,
    Socket = 2,
    Queue = 3,
}

/// <summary>A place in a top list, with the address itself: whoever shows it decides whether that may be seen.</summary>
/// <param name="Kind">Of the list.</param>
/// <param name="Who">The device; null for a connection before its login, and for a queue.</param>
/// <param name="Name">What it is called where there is no device: <c>connection 17.3</c>, or the queue's name.</param>
/// <param name="Value">By which the list is in order.</param>
/// <param name="Error">By which the value may be too great.</param>
/// <param name="Unit">Of both.</param>
/// <param name="Reactor">Its home.</param>
/// <param name="Detail">What else is known, in words.</param>
internal sealed record TopEntry(TopKind Kind, Address? Who, string Name, double Value, double Error, string Unit, int Reactor, string Detail)
{
    public string ShownAs(NodeKeys keys) => Who is { } who ? keys.Pseudonym(who) : Name;

    public string ShownPlain() => Who?.ToString() ?? Name;
}

/// <summary>A top list, the greatest first.</summary>
/// <param name="Entries">At most as many as asked for.</param>
/// <param name="ErrorBound">What may be wrong with it, in a sentence.</param>
internal sealed record TopList(IReadOnlyList<TopEntry> Entries, string ErrorBound)
{
    public static TopList Empty { get; } = new([], "");
}
