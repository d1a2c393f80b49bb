using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Tests.Metrics;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>
/// The Grafana dashboard: what its script writes, in the shape that Grafana reads. That its expressions have data, <see cref="BacklogAlertTests"/> shows.
/// </summary>
public sealed partial class DashboardTests
{
    private const int GridColumns = 24;

    private static readonly string Folder = RepositoryRoot.File("tools", "ops", "grafana");

    [Fact]
    public void It_is_what_its_script_writes()
    {
        var (exit, said) = DebianPackage.Run("python3", "", Path.Combine(Folder, "dashboard.py"), "--check");
        Assert.True(exit == 0, said);
    }

    [Fact]
    public void Every_panel_has_a_number_a_place_of_its_own_and_expressions_on_the_chosen_source()
    {
        using var document = Read();
        var panels = document.RootElement.GetProperty("panels").EnumerateArray().ToList();
        Assert.Equal(39, document.RootElement.GetProperty("schemaVersion").GetInt32());
        Assert.Equal(panels.Count, panels.Select(p => p.GetProperty("id").GetInt32()).Distinct().Count());

        var taken = new HashSet<(int X, int Y)>();
        foreach (var panel in panels)
        {
            var title = panel.GetProperty("title").GetString()!;
            var place = panel.GetProperty("gridPos");
            var (x, y, w, h) = (place.GetProperty("x").GetInt32(), place.GetProperty("y").GetInt32(), place.GetProperty("w").GetInt32(), place.GetProperty("h").GetInt32());
            Assert.True(x + w <= GridColumns, title);
            for (var i = 0; i < w * h; i++) Assert.True(taken.Add((x + i % w, y + i / w)), $"{title} lies over another panel");
            if (panel.GetProperty("type").GetString() == "row") continue;

            var targets = panel.GetProperty("targets").EnumerateArray().ToList();
            Assert.NotEmpty(targets);
            Assert.Equal(targets.Count, targets.Select(t => t.GetProperty("refId").GetString()).Distinct().Count());
            foreach (var target in targets)
            {
                Assert.Equal("${datasource}", target.GetProperty("datasource").GetProperty("uid").GetString());
                Assert.Contains("instance=~\"$instance\"", target.GetProperty("expr").GetString(), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void It_asks_for_no_variable_that_it_does_not_have()
    {
        using var document = Read();
        var known = document.RootElement.GetProperty("templating").GetProperty("list").EnumerateArray().Select(v => v.GetProperty("name").GetString()!).ToHashSet();
        Assert.Superset(new HashSet<string> { "datasource", "instance", "queue" }, known);
        foreach (Match variable in VariablePattern().Matches(document.RootElement.GetRawText()))
        {
            var name = variable.Groups[1].Value;
            Assert.True(known.Contains(name) || name is "__rate_interval" or "__all", name);
        }
    }

    [Fact]
    public void It_shows_every_metric_of_the_node_but_those_that_others_imply()
    {
        var shown = File.ReadAllText(Path.Combine(Folder, "gateway.json")) + string.Concat(RuleFiles.Rules.Select(File.ReadAllText));
        string[] implied =
        [
            "gateway_build_info", "gateway_reactor_turns_total", "gateway_messages_received_total", "gateway_send_windows_forgotten_total",
            "process_virtual_memory_bytes", "process_num_threads", "dotnet_allocated_bytes_total", "dotnet_threadpool_threads", "dotnet_threadpool_queue_length",
        ];
        var missing = MetricsTable.Read().Select(r => r.Name).Where(n => !Regex.IsMatch(shown, $@"\b{n}(_bucket)?\b"));
        Assert.Equal(implied.Order(StringComparer.Ordinal), missing.Order(StringComparer.Ordinal));
    }

    private static JsonDocument Read() => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "gateway.json")));

    [GeneratedRegex(@"\$\{?([a-zA-Z_]+)")]
    private static partial Regex VariablePattern();
}
