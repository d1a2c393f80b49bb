using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>Debian's Prometheus and Alertmanager, installed or unpacked beside the tests.</summary>
internal static class AlertingPackages
{
    private static readonly Lazy<(string? Path, string? Missing)> FoundPrometheus = new(() => DebianPackage.Find("prometheus", "prometheus"));
    private static readonly Lazy<(string? Path, string? Missing)> FoundAlertmanager = new(() => DebianPackage.Find("prometheus-alertmanager", "prometheus-alertmanager"));
    private static readonly Lazy<(string? Path, string? Missing)> FoundAmtool = new(() => DebianPackage.Find("prometheus-alertmanager", "amtool"));

    /// <summary>Null when all are there.</summary>
    public static string? Missing => FoundPrometheus.Value.Missing ?? FoundAlertmanager.Value.Missing ?? FoundAmtool.Value.Missing;

    public static string Prometheus => FoundPrometheus.Value.Path ?? throw new InvalidOperationException(Missing);

    public static string Alertmanager => FoundAlertmanager.Value.Path ?? throw new InvalidOperationException(Missing);

    public static string Amtool => FoundAmtool.Value.Path ?? throw new InvalidOperationException(Missing);

    /// <summary>Where an Alertmanager that is not installed finds its templates: tests/packages/fetch.sh. Any folder does for an installed one.</summary>
    public static string AlertmanagerFolder =>
        Path.IsPathRooted(Alertmanager) ? Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Alertmanager)!, "..", "..")) : Path.GetTempPath();
}

/// <summary>A test that needs Debian's Prometheus and Alertmanager; without them it is skipped with the reason, under CI it fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class AlertingFactAttribute : FactAttribute
{
    public AlertingFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true" && AlertingPackages.Missing is { } reason) Skip = reason;
    }
}
