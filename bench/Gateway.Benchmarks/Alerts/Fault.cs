using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Protocol;
using Gateway.Tests.Health.Loads;

namespace Gateway.Benchmarks.Alerts;

/// <summary>A fault that is put into a node, and what its first alert must say.</summary>
/// <param name="Name">As <c>--only</c> takes it.</param>
/// <param name="How">It is put in, for the reader of a report.</param>
/// <param name="Alert">The kind that is right.</param>
/// <param name="Kind">Of node that it needs.</param>
internal sealed record Fault(string Name, string How, string Alert, RungKind Kind)
{
    private const int HotSenders = 25;
    private const int HalfFrames = 950;
    private static readonly Address Flooder = FaultScene.User(1);
    private static readonly Address Absent = FaultScene.User(2);

    /// <summary>Options of the node that are not as shipped, and why; empty for none.</summary>
    public string[] Options { get; init; } = [];
    public string WhyOptions { get; init; } = "";

    /// <summary>What must be there before; no fault yet.</summary>
    public Func<FaultScene, Task> Prepare { get; private init; } = _ => Task.CompletedTask;

    /// <summary>Puts the fault in.</summary>
    public required Func<FaultScene, Task> Put { get; init; }

    /// <summary>What is to be done, beside an end of the fault's devices, so that its consequences end too. On the pool.</summary>
    public Action<FaultScene> Mend { get; private init; } = _ => { };

    /// <summary>What the sentence must contain to name the true culprit: one of these.</summary>
    public required Func<FaultScene, IEnumerable<string>> Names { get; init; }

    public static IReadOnlyList<Fault> All { get; } =
    [
        new("slow-disk", "every sync of the log takes 600 ms longer", "CommitSlow", RungKind.Faulty)
        {
            Put = s => s.Node.TellAsync("sync 600"),
            Names = _ => ["the disk: a commit takes "],
        },
        new("stuck-reactor", "the last reactor's thread is held up in a posted call", "ReactorStalled", RungKind.Faulty)
        {
            Put = s => s.Node.TellAsync(string.Create(CultureInfo.InvariantCulture, $"stick {s.Reactors - 1}")),
            Names = s => [string.Create(CultureInfo.InvariantCulture, $"reactor {s.Reactors - 1} has not begun a turn for ")],
        },
        new("flooding-sender", "one device sends 64 at a time as fast as it is answered, to one that is away", "SenderFlood", RungKind.Shipped)
        {
            Put = Do(s => s.Threads.Repeat(FaultLoads.Sender(s.Connect(Flooder), Absent, 64, () => { }))),
            Names = s => [$"sender {s.Keys.Pseudonym(Flooder)} of reactor "],
        },
        new("hot-mailbox", "25 devices of at most 400 sends/s send to one that is connected and never reads", "MailboxBacklog", RungKind.Shipped)
        {
            Prepare = Do(s => s.Connect(s.HomedLast(), creditMessages: 8)),
            Put = Do(s =>
            {
                for (var i = 0; i < HotSenders; i++)
                    s.Threads.Repeat(FaultLoads.Sender(s.Connect(FaultScene.User(20_000 + i)), s.HomedLast(), 40, () => s.Threads.Pause(FaultScene.Gap)));
            }),
            Names = s => [$"{s.Keys.Pseudonym(s.HomedLast())} alone holds "],
            // Its reader comes to its senses: what lies in a mailbox goes in no other way.
            Mend = s => FaultLoads.Drain(s.Connect(s.HomedLast(), creditMessages: 1024)),
        },
        new("login-storm", "two clients connect, begin to log in and reset, without a pause", "LoginStorm", RungKind.Shipped)
        {
            Put = Do(s =>
            {
                for (var i = 0; i < 2; i++) s.Threads.Repeat(FaultLoads.Storm(s.Endpoint));
            }),
            Names = _ => ["connections from outside: "],
        },
        new("hanging-webhook", "the receiver of alerts goes on taking connections and answers none", "WebhookFailing", RungKind.Shipped)
        {
            Put = Do(s => s.Webhook.IsHanging = true),
            Names = s => [$"{s.Webhook.Address} did not answer within "],
            WhyOptions = "`--alert-webhook-interval 10s` (1m): while nothing else is wrong the receiver is asked once an interval, so the time to this alert is up to an interval more",
            Options = ["--alert-webhook-interval", "10s"],
        },
        new("memory", "950 devices send all but the end of a message of 64 KiB", "MemoryHigh", RungKind.Shipped)
        {
            Prepare = Do(s =>
            {
                for (var i = 0; i < HalfFrames; i++) s.HalfFrames.Add(s.Connect(FaultScene.User(30_000 + i)));
            }),
            Put = Do(s => s.HalfFrames.ForEach(d => FaultLoads.SendHalf(d, Absent, missing: 1024))),
            Names = s => Enumerable.Range(0, HalfFrames).Select(i => $"most of it waits for {s.Keys.Pseudonym(FaultScene.User(30_000 + i))} ("),
            WhyOptions = "`--buffer-hard 64MiB --buffer-soft 32MiB` (1 GiB, 512 MiB): no threshold, which is 85 % of the first; a sixteenth of the clients will do",
            Options = ["--buffer-hard", "64MiB", "--buffer-soft", "32MiB"],
        },
        new("cold-reader", "a device fetches 2,000 messages from the log while every read of it takes 3 s longer", "ColdReadsSlow", RungKind.Faulty)
        {
            Prepare = Do(s =>
            {
                var send = FaultLoads.Sender(s.Connect(FaultScene.User(20_000)), s.HomedLast(), 50, () => s.Threads.Pause(FaultScene.Gap));
                for (var sent = 0; sent < 2_000; sent += 50) send();
            }),
            Put = async s =>
            {
                await s.Node.TellAsync("read 3000");
                s.Connect(s.HomedLast());
            },
            Names = s => [string.Create(CultureInfo.InvariantCulture, $"reading old segments of the log: reactor {s.Reactors - 1} waits for ")],
        },
    ];

    /// <summary>On the pool: connecting waits for the node.</summary>
    private static Func<FaultScene, Task> Do(Action<FaultScene> work) => scene => Task.Run(() => work(scene));
}
