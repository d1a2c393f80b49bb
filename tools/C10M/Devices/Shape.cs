namespace Gateway.Load.Devices;

internal enum ShapeKind
{
    /// <summary>Every device is alone.</summary>
    Idle,
    /// <summary>Groups of two: the first sends to the second.</summary>
    Pairs,
    /// <summary>Groups of two: each sends to the other.</summary>
    Exchange,
    /// <summary>Groups of one sender and its recipients, to which it sends in turn.</summary>
    Fan,
    /// <summary>Every connection is alone and hears itself.</summary>
    Echo,
    /// <summary>Groups of which one pair, drawn by the seed, talks: one of it sends to the other. The rest is idle.</summary>
    Chatting,
}

/// <summary>
/// Who sends to whom. Devices are ordinals 0 to <see cref="Devices"/> - 1 over all processes; groups of <see cref="GroupSize"/> follow
/// each other, and nobody sends outside a group. A recipient has exactly one sender, so that its messages are one stream, named by the
/// recipient's ordinal and counted from index 1. Immutable.
/// </summary>
internal sealed record Shape(ShapeKind Kind, int GroupSize, int Devices)
{
    /// <summary>Of what is drawn.</summary>
    public ulong Seed { get; init; }

    public static Shape Idle(int devices) => new(ShapeKind.Idle, 1, devices);

    public static Shape Echo(int connections) => new(ShapeKind.Echo, 1, connections);

    public static Shape Pairs(int pairs) => new(ShapeKind.Pairs, 2, 2 * pairs);

    public static Shape Exchange(int devices) => new(ShapeKind.Exchange, 2, devices);

    /// <summary>As many groups as there are senders, the last perhaps smaller.</summary>
    public static Shape Fan(int senders, int recipients)
    {
        var each = (recipients + senders - 1) / senders;
        var groups = (recipients + each - 1) / each;
        return new Shape(ShapeKind.Fan, 1 + each, groups + recipients);
    }

    /// <summary>A share (above 0, at most 1) of the devices talks; as near as whole groups with a pair each come to it.</summary>
    public static Shape Chatting(int devices, double share) => new(ShapeKind.Chatting, (int)Math.Min(devices, Math.Max(2, Math.Round(2 / share))), devices);

    public bool Sends(int ordinal) => Kind switch
    {
        ShapeKind.Idle => false,
        ShapeKind.Exchange => true,
        ShapeKind.Chatting => PairOf(ordinal).Sender == ordinal,
        _ => ordinal % GroupSize == 0,
    };

    public bool Receives(int ordinal) => Kind switch
    {
        ShapeKind.Exchange => true,
        ShapeKind.Idle => false,
        ShapeKind.Chatting => PairOf(ordinal).Recipient == ordinal,
        _ => !Sends(ordinal),
    };

    public int RecipientsOf(int sender) => Kind switch
    {
        ShapeKind.Idle => 0,
        ShapeKind.Fan => Math.Min(GroupSize - 1, Devices - sender - 1),
        _ => 1,
    };

    public int FirstRecipientOf(int sender) => Kind switch
    {
        ShapeKind.Exchange => sender ^ 1,
        ShapeKind.Chatting => PairOf(sender).Recipient,
        _ => sender + 1,
    };

    public int SenderOf(int recipient) => Kind switch
    {
        ShapeKind.Exchange => recipient ^ 1,
        ShapeKind.Chatting => PairOf(recipient).Sender,
        _ => recipient - recipient % GroupSize,
    };

    public int Senders => SendersIn(new Slice(0, Devices));

    public int Recipients => Kind switch
    {
        ShapeKind.Exchange => Devices,
        ShapeKind.Idle => 0,
        ShapeKind.Chatting => Senders,
        _ => Devices - Senders,
    };

    /// <summary>Of a slice in whole groups.</summary>
    public int SendersIn(Slice slice) => Kind switch
    {
        ShapeKind.Idle => 0,
        ShapeKind.Exchange => slice.Count,
        // A last group of one has nobody to talk to.
        ShapeKind.Chatting => slice.Count / GroupSize + (slice.Count % GroupSize >= 2 ? 1 : 0),
        _ => (slice.Count + GroupSize - 1) / GroupSize,
    };

    /// <summary>The place among its slice's senders of the sender that is device <paramref name="index"/> of the slice.</summary>
    public int SenderSlot(int index) => Kind == ShapeKind.Exchange ? index : index / GroupSize;

    /// <summary>Part <paramref name="index"/> of <paramref name="parts"/> of the devices in <paramref name="of"/>, in whole groups.</summary>
    public Slice Cut(Slice of, int index, int parts)
    {
        var groups = (of.Count + GroupSize - 1) / GroupSize;
        var from = of.First + GroupSize * (int)((long)groups * index / parts);
        var to = of.First + Math.Min(of.Count, GroupSize * (int)((long)groups * (index + 1) / parts));
        return new Slice(from, to - from);
    }

    /// <summary>Whether the device is one of so many of all, evenly spread.</summary>
    public bool IsAmong(int ordinal, long devices) => (long)((Int128)(ordinal + 1) * devices / Devices) > (long)((Int128)ordinal * devices / Devices);

    /// <summary>The pair of the ordinal's group that talks; nobody's ordinals in a group of one.</summary>
    private (int Sender, int Recipient) PairOf(int ordinal)
    {
        var start = ordinal - ordinal % GroupSize;
        var size = Math.Min(GroupSize, Devices - start);
        if (size < 2) return (-1, -1);
        var hash = Hash.Of(Seed ^ 0xC4A7, (ulong)start, 0);
        var first = (int)((uint)hash % (uint)size);
        var second = (int)((uint)(hash >> 32) % (uint)(size - 1));
        return (start + first, start + (second >= first ? second + 1 : second));
    }
}

/// <summary>Devices <see cref="First"/> to <see cref="First"/> + <see cref="Count"/> - 1.</summary>
internal readonly record struct Slice(int First, int Count)
{
    /// <summary>The slice's share of a whole number that belongs to all devices; the shares of all slices add up to it.</summary>
    public long ShareOf(long total, int devices) =>
        (long)((Int128)total * (First + Count) / devices) - (long)((Int128)total * First / devices);
}
