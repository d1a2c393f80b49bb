using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gateway.Mailbox.Format;

namespace Gateway.PowerLoss.Chain;

/// <param name="Kills">In all.</param>
/// <param name="Messages">In all.</param>
/// <param name="Chunks">Loads, one after the other; the node comes to rest between them and is compared with its clients.</param>
/// <param name="Reactors">Of the node.</param>
/// <param name="Seed">Of the moments and the loads.</param>
internal sealed record ChainPlan(int Kills, long Messages, int Chunks, int Reactors, int Seed);

/// <summary>
/// The real node, loaded in chunks and killed with -9 at random moments: under load, when a segment is made or given up, and while it starts again.
/// What a kill struck is told by what it left (<see cref="Remains"/>). Its clients check every message; its ledger must say at each rest what they counted, and the same after one more kill at rest.
/// </summary>
internal sealed class ChainRun(ChainPlan plan, string data, Action<string> say)
{
    private static readonly TimeSpan RestLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ProgressLimit = TimeSpan.FromMinutes(5);

    private readonly Random _random = new(plan.Seed);
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly SortedDictionary<string, int> _kills = new(StringComparer.Ordinal);
    private readonly List<TimeSpan> _starts = [];
    private readonly string _folder = Path.Combine(data, "node");
    private ChainCounts _counts;
    private Remains _remains;
    private int _killed;

    /// <exception cref="ChainBrokenException">Something was lost, or does not add up.</exception>
    public async Task<ChainResult> RunAsync()
    {
        // Small segments, so that many are made and entered.
        await using var node = new ChainNode(_folder, ["--reactors", Text(plan.Reactors), "--segment-size", "2MiB", "--log-memory", "8MiB"]);
        await node.StartAsync();
        // A chunk may end before its last kill; the next ones take it over.
        for (var chunk = 0; chunk < plan.Chunks || _killed < plan.Kills; chunk++)
        {
            if (chunk >= 2 * plan.Chunks) throw new ChainBrokenException($"Only {_killed} kills in {chunk} chunks: give each more messages.");
            await RunChunkAsync(node, chunk, (plan.Kills - _killed) / Math.Max(1, plan.Chunks - chunk));
        }

        // A function of the log: read again it says the same.
        var ledger = await AtRestAsync(node);
        node.Kill();
        await StartAsync(node);
        var again = await AtRestAsync(node);
        if (ledger.GetRawText() != again.GetRawText()) throw new ChainBrokenException($"The ledger was {ledger} and is {again} after one more start.");
        return new ChainResult(plan, _counts, _killed, _kills, again, _starts.Max(), _clock.Elapsed, new DirectoryInfo(_folder).EnumerateFiles().Sum(f => f.Length));
    }

    private async Task RunChunkAsync(ChainNode node, int chunk, int kills)
    {
        var messages = plan.Messages / plan.Chunks;
        var before = await node.CountAsync();
        await using var load = ChainLoad.Start(node, Path.Combine(data, $"chunk-{chunk}.json"), isOffline: chunk % 2 == 1, messages, chunk, plan.Seed + chunk);
        // Each message is counted when it is accepted and when it is delivered. Not at the very end, when the clients may be gone.
        var at = Enumerable.Range(0, kills).Select(_ => (long)(2 * messages * (0.02 + 0.8 * _random.NextDouble()))).Order().ToArray();
        for (var done = 0; done < kills;)
        {
            if (!await ReachAsync(node, load, before, before.Progress + at[done])) break;
            done += await KillAsync(node, kills - done, before.Progress + (long)(1.8 * messages));
        }

        var counts = await load.EndAsync();
        _counts += counts;
        var ledger = await AtRestAsync(node);
        Say($"chunk {chunk + 1} of {plan.Chunks} ({load.Kind}): {counts.Accepted} accepted and delivered, {counts.Resent} sent again, {counts.Reconnects} reconnects; ledger {ledger.GetProperty("accepted")}");
    }

    /// <summary>Returns how many kills it were: one, and those of the starts after it.</summary>
    private async Task<int> KillAsync(ChainNode node, int most, long latest)
    {
        var aim = _random.Next(4);
        var atSegment = aim == 0 && await SegmentIsMadeAsync(node, latest);
        // When a file is about to go; or a little later, when the compaction of the next has begun.
        if (aim is 1 or 2) await LogHasBegunLaterAsync(node, latest);
        if (aim == 2) await Task.Delay(_random.Next(10));
        node.Kill();
        Count(remains => remains.Struck(_remains) is var struck && struck == "under load" && atSegment ? "when a segment was made" : struck);
        var kills = 1;
        while (kills < most && kills < 3 && _random.Next(2) == 0)
        {
            await node.BeginStartAsync();
            // Half of them as soon as it has the folder: recovery is the shorter part of a start.
            if (_random.Next(2) == 0) await FolderIsLockedAsync(node);
            else await Task.Delay(node.LastStart * (0.3 + 0.7 * _random.NextDouble()));
            var wasReady = node.IsReady;
            node.Kill();
            Count(remains => wasReady ? "just started" : remains.StruckWhileStarting(_remains, node.Program.Id));
            kills++;
        }

        await StartAsync(node);
        return kills;
    }

    private async Task StartAsync(ChainNode node)
    {
        await node.StartAsync();
        _starts.Add(node.LastStart);
    }

    /// <summary>False: the load ended first.</summary>
    private async Task<bool> ReachAsync(ChainNode node, ChainLoad load, ChainCounters before, long progress)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (load.HasEnded) return false;
            var counters = await node.CountAsync();
            if (counters.Progress >= progress && load.HasAllBeenPresent(counters, before)) return true;
            if (clock.Elapsed > ProgressLimit) throw new ChainBrokenException($"Not within {ProgressLimit}: {progress} of {counters}.");
            await Task.Delay(_random.Next(1, 15));
        }
    }

    /// <summary>True when a segment is under way or has just got its name; false when the load has come too near its end, where its clients leave.</summary>
    private async Task<bool> SegmentIsMadeAsync(ChainNode node, long latest)
    {
        var names = Names();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(2);)
        {
            if (Names() != names) return true;
            if ((await node.CountAsync()).Progress >= latest) return false;
            await Task.Delay(1);
        }

        return false;

        // A file that is used again changes its name; their number stays.
        string Names() => string.Join('/', Directory.GetFiles(_folder).Order(StringComparer.Ordinal));
    }

    /// <summary>Returns in the moment in which the log's begin has moved, so that a file is about to go; or when there is none for two seconds, or too near the load's end.</summary>
    private async Task LogHasBegunLaterAsync(ChainNode node, long latest)
    {
        using var superblock = new FileStream(Path.Combine(_folder, Superblock.FileName), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var begin = Remains.BeginOf(superblock);
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(2);)
        {
            if ((await node.CountAsync()).Progress >= latest) return;
            for (var looks = 0; looks < 20_000; looks++)
            {
                if (Remains.BeginOf(superblock) > begin) return;
            }
        }
    }

    private async Task FolderIsLockedAsync(ChainNode node)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(10) && !node.Program.HasExited && Remains.LockHolder(_folder) != node.Program.Id;)
            await Task.Delay(1);
        await Task.Delay(_random.Next(30));
    }

    private async Task<JsonElement> AtRestAsync(ChainNode node)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var ledger = await node.LedgerAsync();
            if (Of("pending") == 0 && Of("accepted") == _counts.Accepted && Of("delivered") == _counts.Delivered && ledger.GetProperty("balanced").GetBoolean()) return ledger;
            if (clock.Elapsed > RestLimit) throw new ChainBrokenException($"The clients counted {_counts.Accepted} accepted and {_counts.Delivered} delivered; the ledger says {ledger}.");
            await Task.Delay(100);

            long Of(string name) => ledger.GetProperty(name).GetInt64();
        }
    }

    /// <param name="strike">Says what was struck, from what is left.</param>
    private void Count(Func<Remains, string> strike)
    {
        var remains = Remains.Of(_folder);
        var struck = strike(remains);
        _remains = remains;
        _killed++;
        _kills[struck] = _kills.GetValueOrDefault(struck) + 1;
        Say($"kill {_killed} of {plan.Kills}: {struck}");
    }

    private void Say(string what) => say(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed:mm\\:ss}  {what}"));

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A chain that held.</summary>
internal sealed record ChainResult(
    ChainPlan Plan, ChainCounts Clients, int Kills, IReadOnlyDictionary<string, int> KillsByStrike, JsonElement Ledger, TimeSpan LongestStart, TimeSpan Took, long FolderBytes);
