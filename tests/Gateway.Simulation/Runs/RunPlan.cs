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

    /// <summary>Messages have lives, of a few seconds where the load is made to last longer than that.</summary>
    public bool MessagesExpire { get; init; }

    public required IReadOnlyList<Fault> Faults { get; init; }

    /// <summary>
    /// Records that the log claims to be durable and that are not. Never drawn: it shows that a run notices, and how it tells.
    /// </summary>
    public int LogClaimsAhead { get; init; }

    /// <summary>The run of the node, from 1 on, in which its log begins to lie.</summary>
    public int LogLiesFromRun { get; init; } = 1;

    public static RunPlan Draw(int seed)
    {
        var chance = new Chance((ulong)seed);
        var devices = 3 + chance.Next(5);
        var expires = chance.OneIn(3);
        var thinkMicros = (int)chance.Spread(10_000, 60_000) * (expires ? 12 : 1);
        // About as much work in every run: fewer or slower devices have more time.
        var loadMicros = 30L * thinkMicros / devices * 5;
        return new RunPlan
        {
            Seed = seed,
            Node = new HomeNetOptions
            {
                Seed = seed,
                Homes = chance.Pick(1, 2, 3, 8),
                ReplySlots = chance.Pick(1, 1, 2, 5, 64),
                Notices = 4,
                Home = new HomeOptions
                {
                    MeasureQueues = false,
                    PageEntries = chance.Pick(1, 3, 64),
                    PageBytes = chance.Pick(64, 1024, 65_536),
                    HotBytes = chance.Pick(64, 1024, 16_384),
                    MaxMailboxEntries = chance.Pick(long.MaxValue, long.MaxValue, 6),
                    MaxPendingBytes = chance.Pick(long.MaxValue, long.MaxValue, 4_000),
                    MaxUncommitted = chance.Pick(3, 8, 1024),
                    MaxDelivered = chance.Pick(24, 1024),
                    MaxUnsentBytes = chance.Pick(512, 65_536),
                    RedeliverAfterMs = chance.Pick(20, 200, 2_000, 30_000),
                    MaxRedeliverAfterMs = 4_000,
                    // From a chance of its own, so that the rest of a seed's plan is what it was before there were pings.
                    ProbeAfterMs = new Chance(~(ulong)seed).Pick(0, 100, 1_000, 5_000),
                    // Likewise. Positions are records here.
                    RecordedShift = new Chance(~(ulong)seed * 3).Pick(0, 0, 3, 20),
                    MaxClockJumpSeconds = chance.Pick(60u, 7 * 24 * 3600u),
                    RetryAfterMs = (uint)chance.Pick(5, 50, 300),
                },
            },
            PagesPerHome = chance.Pick(1, 2, 8),
            Devices = [.. Enumerable.Range(0, devices).Select(i => AddressOf(i))],
            LoadMicros = loadMicros,
            ThinkMicros = thinkMicros,
            MessagesExpire = expires,
            CommitMicros = (int)chance.Spread(50, 8_000),
            LaneMicros = (int)chance.Spread(2, 4_000),
            Faults = DrawFaults(chance, loadMicros),
        };
    }

    /// <summary>Every third device is the second one of the user before it.</summary>
    private static Address AddressOf(int index) => new(AddressKind.User, (ulong)(15_550_001 + index - index % 3 / 2), index % 3 / 2);

    private static Fault[] DrawFaults(Chance chance, long loadMicros)
    {
        var faults = new Fault[8 + chance.Next(17)];
        for (var i = 0; i < faults.Length; i++)
        {
            var (at, device) = (1 + (long)(chance.Next() % (ulong)loadMicros), chance.Next(int.MaxValue));
            // Troubles come together: one in three strikes the same device, soon after the one before.
            if (i != 0 && chance.OneIn(3)) (at, device) = (faults[i - 1].AtMicros + chance.Spread(100, 30_000), faults[i - 1].A);
            faults[i] = new Fault(at, (FaultKind)chance.Next(FaultKinds), device, chance.Next(int.MaxValue));
        }

        return [.. faults.OrderBy(f => f.AtMicros)];
    }
}
