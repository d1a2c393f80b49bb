using Gateway.Benchmarks.Ladder;

namespace Gateway.Benchmarks.Rivals;

/// <summary>A server that stands the same test.</summary>
/// <param name="Name">Also the folder of bench/rivals that starts it; the gateway is started as the ladder starts it.</param>
/// <param name="Protocol">As C10M takes it.</param>
/// <param name="What">Its settings in a sentence, for the reader of a report.</param>
/// <param name="Counts">What makes a message count.</param>
internal sealed record Rival(string Name, string Protocol, string What, string Counts)
{
    public const string GatewayName = "gateway";

    public static IReadOnlyList<Rival> All { get; } =
    [
        new(GatewayName, "native", "`--reactors 2 --durability fsync`: every accepted message is on disk (fdatasync) before its single check leaves",
            "the recipient has acknowledged it, the receipt for that is on disk too, and the sender has it"),
        new("ejabberd", "xmpp", "Debian's, `bench/rivals/ejabberd`: no TLS, no shaper, no archive, few modules; a message between two who are there touches no disk",
            "the recipient's receipt (XEP-0184) is back at the sender"),
        new("mosquitto", "mqtt", "Debian's, `bench/rivals/mosquitto`: persistence as it has it (a file every half hour), nothing queued or in flight limited; one thread",
            "the sender has its PUBACK and the recipient has the message and has written its PUBACK; no frame tells the sender, so this is its best case"),
    ];

    public bool IsGateway => Name == GatewayName;

    /// <summary>The same as the ladder's code knows servers.</summary>
    public Rung AsRung => new(Name, RungKind.Gateway, "2", IsGateway || Protocol == "xmpp" ? 2 : 1, What);
}
