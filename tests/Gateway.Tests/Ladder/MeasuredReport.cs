using System.Diagnostics;
using System.Text.Json.Nodes;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>What a measuring verb said and wrote: `ladder` or `rivals`, run to its end as a person would, its data on the checkout's disk. Immutable.</summary>
/// <param name="ExitCode">Of the program.</param>
/// <param name="Said">Its output and errors.</param>
/// <param name="Markdown">Its report; null: none was written.</param>
/// <param name="Json">The samples beside it, likewise.</param>
internal sealed record MeasuredReport(int ExitCode, string Said, string? Markdown, JsonNode? Json)
{
    public static MeasuredReport Of(string verb, params string[] arguments)
    {
        using var folder = new TemporaryFolder();
        string[] places = ["--data", DataOf(verb), "--report", folder.File("report.md")];
        var start = new ProcessStartInfo(RungProcess.Benchmarks, [verb, .. arguments, .. places]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new MeasuredReport(
            process.ExitCode, output + errors.GetAwaiter().GetResult(), TextOf(folder.File("report.md")),
            TextOf(folder.File("report.json")) is { } json ? JsonNode.Parse(json) : null);
    }

    /// <summary>Neither names a folder of the checkout, and so not the data folder.</summary>
    public void AssertNamesNoPlace()
    {
        Assert.True(Markdown is not null && Json is not null, Said);
        Assert.DoesNotContain(RepositoryRoot.Path, Markdown, StringComparison.Ordinal);
        // Value by value: in the text a path may be escaped.
        Assert.DoesNotContain(StringsOf(Json), s => s.Contains(RepositoryRoot.Path, StringComparison.Ordinal));
    }

    /// <summary>Where the verb puts its data when it is not told either.</summary>
    private static string DataOf(string verb) => RepositoryRoot.File("bench", "data", verb);

    private static string? TextOf(string path) => File.Exists(path) ? File.ReadAllText(path) : null;

    private static IEnumerable<string> StringsOf(JsonNode? node) => node switch
    {
        JsonObject o => o.SelectMany(member => StringsOf(member.Value)),
        JsonArray a => a.SelectMany(StringsOf),
        JsonValue v when v.TryGetValue<string>(out var text) => [text],
        _ => [],
    };
}
