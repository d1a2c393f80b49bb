using System.Text.RegularExpressions;
using Gateway.Tests.Repository;

namespace Gateway.Tests.Ops;

/// <summary>An alert as tools/ops/prometheus/rules has it.</summary>
internal sealed record AlertRule(string Name, string File, string Text)
{
    /// <summary>The text behind this key in the alert, without quotes; empty when it is not there.</summary>
    public string Field(string key) => Regex.Match(Text, $@"^\s+{key}: ""?(.*?)""?$", RegexOptions.Multiline).Groups[1].Value;
}

/// <summary>
/// The shipped rules, read by their layout: an alert begins with <c>- alert:</c> at six blanks. That they are YAML and PromQL, promtool says.
/// </summary>
internal static partial class RuleFiles
{
    public static string Folder => RepositoryRoot.File("tools", "ops", "prometheus");

    public static IReadOnlyList<string> Rules => [.. Directory.GetFiles(Path.Combine(Folder, "rules"), "*.yml").Order(StringComparer.Ordinal)];

    public static IReadOnlyList<string> Tests => [.. Directory.GetFiles(Path.Combine(Folder, "tests"), "*.yml").Order(StringComparer.Ordinal)];

    public static IReadOnlyList<AlertRule> Alerts()
    {
        var alerts = new List<AlertRule>();
        foreach (var file in Rules)
        {
            foreach (var rule in RulePattern().Split(File.ReadAllText(file)))
            {
                if (NamePattern().Match(rule) is { Success: true } name) alerts.Add(new AlertRule(name.Groups[1].Value, Path.GetFileName(file), rule));
            }
        }

        return alerts;
    }

    [GeneratedRegex(@"^      (?=- (?:alert|record): )", RegexOptions.Multiline)]
    private static partial Regex RulePattern();

    [GeneratedRegex(@"\A- alert: (\S+)$", RegexOptions.Multiline)]
    private static partial Regex NamePattern();
}
