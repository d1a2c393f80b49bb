using System.Text.Json;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>Messages and logins by the thousand through a warm node: what its reactors and its commits allocate, measured in its own process.</summary>
public sealed class AllocationTests : IDisposable
{
    private const long Warm = 200_000;
    private const long Measured = 1_000_000;

    private readonly TemporaryFolder _folder = new();
    private readonly ITestOutputHelper _output;

    public AllocationTests(ITestOutputHelper output) => _output = output;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [OneAndEightReactors]
    public async Task A_steady_message_allocates_nothing_on_a_reactor_and_a_commit_at_most_2_KB(int reactors)
    {
        // FASTER makes the pages of its memory as the log first reaches them: a log memory of 16 MiB is complete after the warm-up.
        await using var node = new NodeProcess(_folder.File("data"), "--reactors", $"{reactors}", "--log-memory", "16MiB");
        await node.StartAsync();
        await using var load = LoadProcess.Start(node, "relay", "--pairs", "50", "--window", "16", "--size", "128", "--messages", $"{Warm + Measured + Warm}");

        var before = await AcceptedReaches(node, load, Warm);
        var after = await AcceptedReaches(node, load, Warm + Measured);
        var messages = after.Accepted - before.Accepted;
        var commits = after.Commits - before.Commits;
        var perMessage = (double)(after.Reactors - before.Reactors) / messages;
        var perCommit = (double)(after.Process - before.Process) / commits;
        _output.WriteLine($"{messages:N0} messages, {commits:N0} commits: {perMessage:F4} B a message on reactors, {perCommit:F0} B a commit in the process");

        Assert.True(perMessage <= 0.25, $"{perMessage:F4} managed bytes a message on reactor threads");
        Assert.True(perCommit <= 2048, $"{perCommit:F0} managed bytes a commit in the whole process");
        Assert.Equal(0, await load.WaitForExitAsync(TimeSpan.FromMinutes(4)));
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_login_with_its_first_message_allocates_nothing_on_a_reactor(int reactors)
    {
        const int logins = 4_000;
        // What a burst took would be given back between rounds, and taken anew.
        await using var node = new NodeProcess(_folder.File("data"),
            "--reactors", $"{reactors}", "--log-memory", "8MiB", "--login-rate", "1000000", "--login-burst", "1000000", "--keep-unused", "1h");
        await node.StartAsync();
        // The log's memory is complete after these; and no later logins come in larger bursts than the first, which come as fast as they can.
        await LoadProcess.RunAsync(node, "relay", "--pairs", "100", "--messages", "100000", "--first-address", "9000000");
        string[] load = ["--connections", $"{logins}", "--exchange", "1", "--hold", "1s"];
        for (var i = 0; i < 3; i++) await LoadProcess.RunAsync(node, "connect", load);

        // Whatever each login allocates, each round shows; what is kept for reuse may grow in one, when the machine stood still for a moment.
        var least = double.MaxValue;
        for (var round = 0; round < 15 && least > 4; round++)
        {
            var before = SampleOf(await node.AskAsync("/ops/counters"));
            await LoadProcess.RunAsync(node, "connect", [.. load, "--rate", "2000"]);
            var after = SampleOf(await node.AskAsync("/ops/counters"));
            Assert.Equal(before.Accepted + logins, after.Accepted);
            least = Math.Min(least, (double)(after.Reactors - before.Reactors) / logins);
            _output.WriteLine($"{(double)(after.Reactors - before.Reactors) / logins:F2} B a login on reactors");
        }

        Assert.True(least <= 4, $"{least:F2} managed bytes a login on reactor threads");
    }

    private readonly record struct Sample(long Accepted, long Commits, long Reactors, long Process);

    private static async Task<Sample> AcceptedReaches(NodeProcess node, ChildProgram load, long accepted)
    {
        while (true)
        {
            var sample = SampleOf(await node.AskAsync("/ops/counters"));
            if (sample.Accepted >= accepted) return sample;
            Assert.False(load.HasExited, $"the load ended early\n{load.Output}\n{load.Errors}");
            await Task.Delay(250);
        }
    }

    private static Sample SampleOf(JsonElement counters)
    {
        var reactors = counters.GetProperty("reactors").EnumerateArray().ToList();
        return new Sample(
            reactors.Sum(r => r.GetProperty("messagesAccepted").GetInt64()),
            counters.GetProperty("log").GetProperty("commits").GetInt64(),
            reactors.Sum(r => r.GetProperty("allocatedBytes").GetInt64()),
            counters.GetProperty("totalAllocatedBytes").GetInt64());
    }
}
