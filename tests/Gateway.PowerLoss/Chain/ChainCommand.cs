using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace Gateway.PowerLoss.Chain;

/// <summary>The command <c>chain</c>: kills of the real node in one data folder.</summary>
internal static class ChainCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static Command Create()
    {
        var kills = new Option<int>("--kills") { Description = "kill -9s in all", DefaultValueFactory = _ => 50 };
        var messages = new Option<long>("--messages") { Description = "messages in all", DefaultValueFactory = _ => 5_000_000 };
        var chunks = new Option<int>("--chunks") { Description = "loads they are divided among, relay and offline in turn", DefaultValueFactory = _ => 10 };
        var reactors = new Option<int>("--reactors") { Description = "of the node", DefaultValueFactory = _ => 2 };
        var seed = new Option<int>("--seed") { Description = "of the moments and loads; drawn when absent", DefaultValueFactory = _ => Random.Shared.Next(1_000_000_000) };
        var data = new Option<string?>("--data") { Description = "a folder to work in; kept when the chain breaks. Absent: one of its own" };
        var json = new Option<string?>("--json") { Description = "write the result here too" };
        var command = new Command("chain", "Loads the real node with C10M, kills it with -9 again and again on one data folder, and compares ledger and clients.")
        {
            kills, messages, chunks, reactors, seed, data, json,
        };
        command.SetAction(async parse =>
        {
            var plan = new ChainPlan(parse.GetValue(kills), parse.GetValue(messages), parse.GetValue(chunks), parse.GetValue(reactors), parse.GetValue(seed));
            var folder = parse.GetValue(data) ?? Directory.CreateTempSubdirectory("gateway-chain-").FullName;
            Directory.CreateDirectory(folder);
            return await RunAsync(plan, folder, parse.GetValue(json), parse.GetValue(data) is null);
        });
        return command;
    }

    private static async Task<int> RunAsync(ChainPlan plan, string folder, string? json, bool isOwn)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {plan.Seed}, data in {folder}"));
        try
        {
            var result = await new ChainRun(plan, folder, Console.WriteLine).RunAsync();
            var text = JsonSerializer.Serialize(result, Indented);
            Console.WriteLine(text);
            if (json is not null) await File.WriteAllTextAsync(json, text + "\n");
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"clean: {result.Kills} kills, {result.Clients.Accepted} messages: 0 lost, 0 seen twice, order kept, the ledger is the clients' counts; {result.Took.TotalSeconds:F0} s"));
            if (isOwn) Directory.Delete(folder, recursive: true);
            return 0;
        }
        catch (ChainBrokenException e)
        {
            Console.WriteLine($"BROKEN: {e.Message}\nSeed {plan.Seed}; the data is in {folder}.");
            return 1;
        }
    }
}
