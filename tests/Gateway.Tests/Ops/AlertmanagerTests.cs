using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>The Alertmanager example, by Alertmanager's own tool.</summary>
public sealed class AlertmanagerTests
{
    private static readonly string Config = RepositoryRoot.File("tools", "ops", "alertmanager", "alertmanager.yml");

    [AlertingFact]
    public void Amtool_finds_nothing_wrong_with_it()
    {
        var (exit, said) = DebianPackage.Run(AlertingPackages.Amtool, "", "check-config", Config);
        Assert.True(exit == 0, said);
        Assert.Contains("SUCCESS", said, StringComparison.Ordinal);
    }

    [AlertingFact]
    public void Every_alert_finds_somebody_and_a_critical_one_wakes_him()
    {
        foreach (var alert in RuleFiles.Alerts())
        {
            var severity = alert.Field("severity");
            var (exit, said) = DebianPackage.Run(
                AlertingPackages.Amtool, "", "config", "routes", "test", $"--config.file={Config}", $"alertname={alert.Name}", $"severity={severity}", "instance=a:5249");
            // Behind the receiver amtool may warn that this machine has a configuration of its own.
            Assert.Equal((0, severity == "critical" ? "wake-somebody" : "on-duty"), (exit, said.Split('\n')[0]));
        }
    }
}
