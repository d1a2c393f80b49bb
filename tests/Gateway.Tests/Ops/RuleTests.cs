using System.Text.RegularExpressions;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Options;
using Gateway.Tests.Metrics;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>The shipped rules: clean by promtool, each alert with a case that fires and one that does not, and a page for whom it wakes.</summary>
public sealed partial class RuleTests
{
    private static readonly string[] Parts = ["**Means.**", "**Usual causes.**", "**Look at.**", "**Do.**", "**Clears.**"];

    public static TheoryData<string> AlertNames => new(RuleFiles.Alerts().Select(a => a.Name));

    [PromtoolFact]
    public void Promtool_finds_nothing_wrong_with_the_configuration_and_its_rules()
    {
        var (exit, said) = Promtool.Run("", "check", "config", "--lint=all", "--lint-fatal", Path.Combine(RuleFiles.Folder, "prometheus.yml"));
        Assert.True(exit == 0, said);
        foreach (var file in RuleFiles.Rules) Assert.Contains($"Checking {file}", said, StringComparison.Ordinal);

        (exit, said) = Promtool.Run("", ["check", "rules", "--lint=all", "--lint-fatal", .. RuleFiles.Rules]);
        Assert.True(exit == 0, said);
    }

    [PromtoolFact]
    public void Promtool_passes_every_test_of_the_rules()
    {
        var (exit, said) = Promtool.Run("", ["test", "rules", .. RuleFiles.Tests]);
        Assert.True(exit == 0, said);
        Assert.Equal(RuleFiles.Tests.Count, SuccessPattern().Count(said));
    }

    [PromtoolFact]
    public void They_pass_whichever_group_is_evaluated_first()
    {
        // Groups have no order: what one reads of the other may be of the evaluation before.
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("rules"));
        Directory.CreateDirectory(folder.File("tests"));
        foreach (var file in RuleFiles.Rules) File.Copy(file, folder.File($"rules/{Path.GetFileName(file)}"));
        var groups = RuleFiles.Tests.Select(f => Path.GetFileNameWithoutExtension(f)).Where(g => g != "recording").ToList();
        foreach (var group in groups)
        {
            var text = File.ReadAllText(Path.Combine(RuleFiles.Folder, "tests", $"{group}.yml"));
            Assert.Contains("\ntests:\n", text, StringComparison.Ordinal);
            foreach (var order in new[] { $"gateway_recording, gateway_{group}", $"gateway_{group}, gateway_recording" })
                File.WriteAllText(folder.File($"tests/{order}.yml"), text.Replace("\ntests:\n", $"\ngroup_eval_order: [{order}]\n\ntests:\n", StringComparison.Ordinal));
        }

        var (exit, said) = Promtool.Run("", ["test", "rules", .. Directory.GetFiles(folder.File("tests"))]);
        Assert.True(exit == 0, said);
        Assert.Equal(2 * groups.Count, SuccessPattern().Count(said));
    }

    [PromtoolFact]
    public void A_rule_that_says_something_else_fails_its_test()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("rules"));
        Directory.CreateDirectory(folder.File("tests"));
        foreach (var file in RuleFiles.Rules) File.WriteAllText(folder.File($"rules/{Path.GetFileName(file)}"), File.ReadAllText(file).Replace("> 0.8", "> 0.9", StringComparison.Ordinal));
        foreach (var file in RuleFiles.Tests) File.Copy(file, folder.File($"tests/{Path.GetFileName(file)}"));

        var (exit, said) = Promtool.Run("", "test", "rules", folder.File("tests/queues.yml"));
        Assert.Equal(1, exit);
        Assert.Contains("QueueBacklog", said, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(AlertNames))]
    public void An_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(string alert)
    {
        var tests = string.Concat(RuleFiles.Tests.Select(File.ReadAllText));
        Assert.Matches($@"alertname: {alert}\n\s+exp_alerts:\n\s+- exp_labels:", tests);
        Assert.Matches($@"alertname: {alert}\n\s+exp_alerts: \[\]", tests);
    }

    [Theory]
    [MemberData(nameof(AlertNames))]
    public void An_alert_says_how_bad_it_is_which_node_what_is_so_and_links_to_its_section(string alert)
    {
        var rule = RuleFiles.Alerts().Single(a => a.Name == alert);
        Assert.Contains(rule.Field("severity"), new[] { "warning", "critical" });
        Assert.Contains("{{ $labels.instance }}", rule.Field("summary"), StringComparison.Ordinal);
        Assert.True(rule.Field("description").Length > 20);
        Assert.Equal($"tools/ops/RUNBOOK.md#{Anchor(alert)}", rule.Field("runbook_url"));
        Assert.Contains(alert, Sections().Keys);
    }

    [Fact]
    public void Every_section_of_the_runbook_is_an_alerts_and_tells_all_five_things_in_their_order()
    {
        var sections = Sections();
        Assert.Equal(RuleFiles.Alerts().Select(a => a.Name).Order(StringComparer.Ordinal), sections.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, text) in sections)
        {
            var bold = PartPattern().Matches(text).Select(m => m.Value);
            Assert.True(Parts.SequenceEqual(bold), $"{name}: {string.Join(' ', bold)}");
            foreach (var part in PartPattern().Split(text).Skip(1)) Assert.True(part.Trim().Length > 20, $"{name} says too little: {part}");
        }
    }

    [Fact]
    public void The_runbook_has_every_threshold_of_the_nodes_own_alerts_as_it_is_shipped()
    {
        var told = ThresholdPattern().Matches(File.ReadAllText(RunbookPath)).ToDictionary(m => m.Groups[2].Value, m => (Alert: m.Groups[1].Value, Default: m.Groups[3].Value));
        Option[] others = [AlertTable.After, AlertTable.ClearAfter, AlertTable.Webhook, AlertTable.Instance, AlertTable.WebhookInterval];
        Assert.Equal(AlertTable.All.Except(others).Select(o => (o.Name, o.DefaultText)).Order(), told.Select(t => (t.Key, t.Value.Default)).Order());
        // WebhookFailing has none.
        Assert.Equal(AlertKinds.All.Select(k => k.Name).Where(n => n != "WebhookFailing").Order(StringComparer.Ordinal), told.Select(t => t.Value.Alert).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_runbooks_links_lead_somewhere()
    {
        var runbook = File.ReadAllText(RunbookPath);
        var anchors = Sections().Keys.Select(Anchor).ToHashSet();
        foreach (Match link in LinkPattern().Matches(runbook))
        {
            var target = link.Groups[1].Value;
            if (target[0] == '#') Assert.True(anchors.Contains(target[1..]), $"no section {target}");
            else Assert.True(Path.Exists(Path.Combine(Path.GetDirectoryName(RunbookPath)!, target)), $"no file {target}");
        }
    }

    [Fact]
    public void Every_metric_that_the_runbook_and_the_rules_name_is_one_of_the_nodes()
    {
        var known = MetricsTable.Read().SelectMany(r => r.Type == "histogram" ? [r.Name, r.Name + "_bucket"] : new[] { r.Name }).ToHashSet();
        foreach (var file in RuleFiles.Rules.Append(RunbookPath))
        {
            // A recorded series' name has colons around the metric's.
            foreach (Match name in MetricPattern().Matches(RecordedPattern().Replace(CommentPattern().Replace(File.ReadAllText(file), ""), "")))
                Assert.True(known.Contains(name.Value) || GroupPattern().IsMatch(name.Value), $"{Path.GetFileName(file)}: {name.Value}");
        }
    }

    private static string RunbookPath => RepositoryRoot.File("tools", "ops", "RUNBOOK.md");

    private static Dictionary<string, string> Sections() => File.ReadAllText(RunbookPath).Split("\n## ").Skip(1)
        .ToDictionary(s => s[..s.IndexOf('\n', StringComparison.Ordinal)], s => s[(s.IndexOf('\n', StringComparison.Ordinal) + 1)..]);

    /// <summary>As a Markdown renderer makes it of a heading of one word.</summary>
    private static string Anchor(string heading) => heading.ToLowerInvariant();

    [GeneratedRegex("SUCCESS")]
    private static partial Regex SuccessPattern();

    [GeneratedRegex(@"^\*\*[A-Z][a-z ]+\.\*\*", RegexOptions.Multiline)]
    private static partial Regex PartPattern();

    [GeneratedRegex(@"^\| (\w+) \| .*\| `(alert-[a-z-]+)` (\S+) \|$", RegexOptions.Multiline)]
    private static partial Regex ThresholdPattern();

    [GeneratedRegex(@"\]\(([^)]+)\)")]
    private static partial Regex LinkPattern();

    [GeneratedRegex(@"\b(?:gateway|process|dotnet)_[a-z_0-9]+\b")]
    private static partial Regex MetricPattern();

    [GeneratedRegex(@"\b[a-z_]+:[a-z_0-9]+:[a-z_0-9]+\b")]
    private static partial Regex RecordedPattern();

    [GeneratedRegex(@"^\s*#[^#].*$", RegexOptions.Multiline)]
    private static partial Regex CommentPattern();

    [GeneratedRegex("^gateway_(recording|queues|node|traffic)$")]
    private static partial Regex GroupPattern();
}
