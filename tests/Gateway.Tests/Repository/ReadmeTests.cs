using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.Repository;

/// <summary>What the README tells a stranger is so.</summary>
public partial class ReadmeTests
{
    private static string Readme => File.ReadAllText(RepositoryRoot.File("README.md"));

    [Fact]
    public void Its_example_is_the_one_that_the_tests_compile_and_run()
    {
        var source = File.ReadAllText(RepositoryRoot.File("tests", "Gateway.Tests", "Client", "ExampleTests.cs"));
        var start = source.IndexOf("// example:start\n", StringComparison.Ordinal) + "// example:start\n".Length;
        var lines = source[start..source.IndexOf("        // example:end", StringComparison.Ordinal)].TrimEnd('\n').Split('\n');
        var example = string.Join('\n', lines.Select(line => line.Length == 0 ? "" : line["        ".Length..]));

        Assert.Contains($"```csharp\n{example}\n```", Readme, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_file_it_links_to_is_there()
    {
        foreach (Match link in Link().Matches(Readme))
        {
            var target = link.Groups[1].Value;
            if (target.StartsWith("http", StringComparison.Ordinal)) continue;
            Assert.True(Path.Exists(RepositoryRoot.File(target)), $"README links to {target}");
        }
    }

    [Fact]
    public void Continuous_integration_runs_its_test_command_and_nothing_cleverer()
    {
        Assert.Contains("```sh\ndotnet test\n```", Readme, StringComparison.Ordinal);
        var commands = File.ReadLines(RepositoryRoot.File(".ci", "run")).Where(line => !line.StartsWith('#')).ToList();
        Assert.Equal(["set -eu", "cd \"$(dirname \"$0\")/..\"", "dotnet test"], commands);
    }

    [GeneratedRegex(@"\]\(([^)#]+)\)")]
    private static partial Regex Link();
}
