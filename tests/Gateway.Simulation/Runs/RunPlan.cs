using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// Everything that a seed decides before a run begins: the shape of the node, who its devices are, how long they work, and what is done to them.
/// The faults stand in a list of their own, so that a failing run can be tried with fewer of them.
/// </summary>
public sealed record RunPlan
{
    private const int FaultKinds = (int)FaultKind.Rogue + 1;

    public required int Seed { get; init; }

    public required HomeNetOptions Node { get; init; }

    public required int PagesPerHome { get; init; }

    /// <summary>One a mailbox. Two devices of one user are among them.</summary>
    public required IReadOnlyList<Address> Devices { get; init; }

    /// <summary>When the devices stop sending and everything is mended.</summary>
    public required long LoadMicros { get; init; }

    /// <summary>The mean time between two thoughts of a device.</summary>
    public required int ThinkMicros { get; init; }

    /// <summary>What a commit takes on a healthy disk.</summary>
    public required int CommitMicros { get; init; }

    /// <summary>What a message takes from home to home.</summary>
    public required int LaneMicros { get; init; }

    public required IReadOnlyList<Fault> Faults { get; init; }

    public static RunPlan Draw(int seed)
    {
        var dice = new Dice((ulong)seed);
        var devices = 3 + dice.Next(5);
        var thinkMicros = (int)dice.Spread(10_000, 60_000);
        // About as much work in every run: fewer or slower devices have more time.
        var loadMicros = 30L * thinkMicros / devices * 5;
        return new RunPlan
        {
            Seed = seed,
            Node = new HomeNetOptions
            {
                Seed = seed,
                Homes = dice.Pick(1, 2, 3, 8),
                ReplySlots = dice.Pick(1, 1, 2, 5, 64),
                Notices = 4,
                Home = new HomeOptions
                {
                    MeasureQueues = false,
                    PageEntries = dice.Pick(1, 3, 64),
                    PageBytes = dice.Pick(64, 1024, 65_536),
                    HotBytes = dice.Pick(64, 1024, 16_384),
                    MaxUncommitted = dice.Pick(3, 8, 1024),
                    MaxDelivered = dice.Pick(24, 1024),
                    MaxUnsentBytes = dice.Pick(512, 65_536),
                    RedeliverAfterMs = dice.Pick(300, 2_000, 30_000),
                    MaxRedeliverAfterMs = 4_000,
                    RetryAfterMs = (uint)dice.Pick(5, 50, 300),
                },
            },
            PagesPerHome = dice.Pick(1, 2, 8),
            Devices = [.. Enumerable.Range(0, devices).Select(i => AddressOf(i))],
            LoadMicros = loadMicros,
            ThinkMicros = thinkMicros,
            CommitMicros = (int)dice.Spread(50, 8_000),
            LaneMicros = (int)dice.Spread(2, 4_000),
            Faults = DrawFaults(dice, loadMicros),
        };
    }

    /// <summary>Every third device is the second one of the user before it.</summary>
    private static Address AddressOf(int index) => new(AddressKind.User, (ulong)(15_550_001 + index - index % 3 / 2), index % 3 / 2);

    private static Fault[] DrawFaults(Dice dice, long loadMicros)
    {
        var faults = new Fault[6 + dice.Next(15)];
        for (var i = 0; i < faults.Length; i++)
            faults[i] = new Fault(1 + (long)(dice.Next() % (ulong)loadMicros), (FaultKind)dice.Next(FaultKinds), dice.Next(int.MaxValue), dice.Next(int.MaxValue));
        return [.. faults.OrderBy(f => f.AtMicros)];
    }
}
